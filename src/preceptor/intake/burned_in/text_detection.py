"""Text in a picture, found by a detector that reads no letters: where something is written, in whatever script.

The network is PP-OCRv6's small text detector as rapidocr ships it in its wheel; nothing is fetched. A pass
over 736 x 736 pixels takes about 0.2 s of one core.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError

from .text_continuing import continued

#: A box over this share of the picture is no line of text: the detector now and then answers with the whole frame.
LARGEST_SHARE = 0.3

#: The shorter side that a picture is first searched at, and the longest side it may then have.
_SIDE_PX, _LONGEST_PX = 736, 1280

#: Pieces, and how much of a piece its neighbour sees too, both in pixels of the network's input. Where all of a picture
#: looks a little like text, as trabecular bone does, letters are told from it in small pieces alone.
_PIECE_PX, _OVERLAP_PX = 416, 128

#: Scales of the second pass, over the whole picture, and of the third, in pieces, beside that of the first. Whether the
#: network sees a line depends on its scale in no simple way, so that three see more than one.
_SMALLER, _LARGER = 0.6, 1.25

#: No picture is enlarged more: letters of 5 pixels are then 40 high, as large as the network needs them.
_MOST_ENLARGED = 8.0

#: What four letters of 5 pixels need, shorter and longer side: nothing can be read in a smaller picture.
SMALLEST_PX = (5, 16)

#: What is lower than this, in pixels of the picture, is no letter that anyone could read.
_LOWEST_PX = 4.0

#: A box higher than this share of the picture's shorter side is no line of text, nor is a square of half that.
_HIGHEST_SHARE = 0.2

#: Beside the picture's border, so that letters that touch it are whole letters on a ground: pixels of the picture, and of the
#: network's input, of which the fewer are taken.
_BORDER_PX, _BORDER_INPUT_PX = 16, 64


@dataclass(frozen=True)
class TextRules:
    """From which score on a box is text. A score is the mean probability over the box.

    Anatomy seldom has a line's shape, so that a line needs less to be believed than a square.

    Args:
        line: Boxes twice as long as high, and either low beside the picture or four times as long as high.
        other: All other boxes.
        suspicious: From here on, boxes that are not masked are shown to the person who reviews.
        grown_px: How far boxes are grown on every side, in pixels of the picture.
        grown_share: And how far besides, as a share of the box's height: half of it across the line, all along it.
    """

    line: float = 0.4
    other: float = 0.75
    suspicious: float = 0.5
    grown_px: float = 3.0
    grown_share: float = 0.2


#: Projections carry side markers and captions, one or two letters high as they are long: more is masked for nothing.
RULES = dict.fromkeys(("CR", "DX", "MG"), TextRules(other=0.65))


@dataclass(frozen=True)
class TextBox:
    """Where something is written.

    Args:
        corners: ``(4, 2)`` column and row of the corners, in turn round the box; it may lie askew.
        score: Mean probability of text over the box, 0 to 1.
    """

    corners: np.ndarray
    score: float

    @property
    def area(self) -> float:
        """In pixels."""
        column, row = self.corners.T
        return float(abs(np.dot(column, np.roll(row, 1)) - np.dot(row, np.roll(column, 1)))) / 2

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First column, first row, last column, last row, whole pixels."""
        first, last = np.floor(self.corners.min(0)), np.ceil(self.corners.max(0))
        return int(first[0]), int(first[1]), int(last[0]), int(last[1])

    @property
    def height(self) -> float:
        """The shorter side, in pixels."""
        return float(
            min(np.hypot(*(self.corners[1] - self.corners[0])), np.hypot(*(self.corners[3] - self.corners[0])))
        )

    def grown(self, rules: TextRules) -> TextBox:
        """The box with every side moved outward along its own axes."""
        across, down = self.corners[1] - self.corners[0], self.corners[3] - self.corners[0]
        wide, high = float(np.hypot(*across)), float(np.hypot(*down))
        room = rules.grown_share * min(wide, high)
        rooms = [rules.grown_px + (room if side == max(wide, high) else room / 2) for side in (wide, high)]
        along, aside = across / max(wide, 1e-6) * rooms[0], down / max(high, 1e-6) * rooms[1]
        moves = np.stack([-along - aside, along - aside, along + aside, aside - along])
        return TextBox(self.corners + moves, self.score)


@dataclass(frozen=True)
class FoundText:
    """What a search found.

    Args:
        text: Boxes to mask, already grown.
        suspicious: Boxes that are perhaps text: for a person to look at.
    """

    text: tuple[TextBox, ...] = ()
    suspicious: tuple[TextBox, ...] = ()


def find_text(picture: np.ndarray, modality: str = "", rules: TextRules | None = None) -> FoundText:
    """Find text: two passes over the whole picture, at two scales, and one over overlapping pieces, at a third.

    Pictures of more than 736 pixels are made smaller for the first two; pieces are never. Boxes over 30 % of the picture,
    and boxes too high for a line, are not masked: a picture would be lost to them. What they hold, the pieces find. A line is
    followed beyond the box, as long as its own grey value goes on. Pictures of less than 5 x 16 pixels hold no readable
    letters, and are not searched.

    Args:
        picture: ``(row, column)`` or ``(row, column, 3)`` uint8, as displayed.
        modality: As DICOM names it; decides the thresholds where `rules` does not.
        rules: Thresholds.

    Returns:
        Boxes in pixels of the picture.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
        PrepareError: The picture is no array of 8 bits, or empty.

    Source: detector PP-OCRv6 (PaddleOCR) by rapidocr; the passes, the size rule and the tiles: own.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise PrepareError(
            "text is looked for in a picture of 8 bits",
            expected="(row, column) or (row, column, 3), uint8, not empty",
            code="no_picture",
        )
    if min(picture.shape[:2]) < SMALLEST_PX[0] or max(picture.shape[:2]) < SMALLEST_PX[1]:
        return FoundText()
    rules = rules or RULES.get(modality, TextRules())
    colour = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    most = LARGEST_SHARE * picture.shape[0] * picture.shape[1]
    found = [box for piece in _passes(colour) for box in _searched(*piece)]
    fitting = [box for box in found if box.height >= _LOWEST_PX and box.area <= most and not _is_blob(box, picture)]
    believed = [box for box in fitting if box.score >= (rules.line if _is_line(box, picture) else rules.other)]
    grey = picture if picture.ndim == 2 else picture.mean(axis=2).astype(np.uint8)
    text = [_followed(box, grey).grown(rules) for box in believed]
    covered = cover(picture.shape[:2], text)
    doubtful = [box for box in fitting if box.score >= rules.suspicious and not is_covered(box, covered)]
    return FoundText(tuple(text), tuple(doubtful))


def _followed(box: TextBox, grey: np.ndarray) -> TextBox:
    """A line with those of its letters that the detector did not see."""
    return TextBox(continued(box.corners, grey), box.score) if _is_line(box, grey) else box


def _is_line(box: TextBox, picture: np.ndarray) -> bool:
    share, longer = box.height / min(picture.shape[:2]), box.area / box.height**2
    return longer >= 4 or (longer >= 2 and share <= _HIGHEST_SHARE / 2)


def _is_blob(box: TextBox, picture: np.ndarray) -> bool:
    """Whether a box is too high for a line of text, as boxes around anatomy are."""
    share, longer = box.height / min(picture.shape[:2]), box.area / box.height**2
    return share > _HIGHEST_SHARE or (share > _HIGHEST_SHARE / 2 and longer < 1.5)


def cover(shape: tuple[int, ...], boxes: Iterable[TextBox]) -> np.ndarray:
    """``(row, column)`` bool: the pixels that boxes cover."""
    from skimage.draw import polygon

    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[polygon(box.corners[:, 1], box.corners[:, 0], shape)] = True
    return mask


def is_covered(box: TextBox, covered: np.ndarray) -> bool:
    """Whether most of a box is masked already, by a mask ``(row, column)`` bool; one outside the picture is."""
    own = cover(covered.shape, [box])
    return bool(covered[own].mean() > 0.5) if own.any() else True


def _passes(colour: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int], float]]:
    """Pieces to search: the piece, the place ``(row, column)`` of its corner, the scale it is searched at."""
    rows, columns = colour.shape[:2]
    whole = min(_SIDE_PX / min(rows, columns), _LONGEST_PX / max(rows, columns), _MOST_ENLARGED)
    yield colour, (0, 0), whole
    yield colour, (0, 0), _SMALLER * whole
    yield from _pieces(colour, max(1.0, _LARGER * whole))


def _pieces(colour: np.ndarray, scale: float) -> Iterator[tuple[np.ndarray, tuple[int, int], float]]:
    """Overlapping pieces that cover a picture, each small enough for the network at this scale."""
    side, overlap = math.ceil(_PIECE_PX / scale), math.ceil(_OVERLAP_PX / scale)
    starts = []
    for size in colour.shape[:2]:
        number = 1 if size <= side else math.ceil((size - overlap) / (side - overlap))
        starts.append(np.linspace(0, max(0, size - side), number).round().astype(int))
    for row in starts[0]:
        for column in starts[1]:
            yield colour[row : row + side, column : column + side], (int(row), int(column)), scale


def _searched(piece: np.ndarray, place: tuple[int, int], scale: float) -> list[TextBox]:
    """One pass over one piece, in pixels of the whole picture."""
    from PIL import Image as Pillow

    border = min(_BORDER_PX, math.ceil(_BORDER_INPUT_PX / scale))
    padded = np.pad(piece, ((border,) * 2, (border,) * 2, (0, 0)), mode="edge")
    rows, columns = padded.shape[:2]
    # Sides are whole multiples of 32, as the network asks; the detector itself then resizes nothing.
    size = [max(64, round(each * scale / 32) * 32) for each in (columns, rows)]
    shown = np.asarray(Pillow.fromarray(padded).resize((size[0], size[1]), Pillow.Resampling.BICUBIC))
    answer = _detector()(np.ascontiguousarray(shown[..., ::-1]))
    if answer.boxes is None:
        return []
    back = np.array([columns / size[0], rows / size[1]])
    moved = np.array([place[1], place[0]], np.float64) - border
    return [
        TextBox(np.asarray(corners, np.float64) * back + moved, float(score))
        for corners, score in zip(answer.boxes, answer.scores, strict=True)
    ]


@cache
def _detector() -> Any:
    """rapidocr's detector on a session of our own: one thread, and the model from the wheel, never from elsewhere."""
    try:
        import rapidocr
        from omegaconf import OmegaConf
        from onnxruntime import InferenceSession, SessionOptions
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.utils.typings import EngineType
    except ImportError as error:
        raise MissingExtra.of("ocr", "finding text in pixels") from error
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)  # it tells every step on stderr
    folder = Path(rapidocr.__file__).parent
    models = sorted((folder / "models").glob("*det*.onnx"))
    if not models:
        raise MissingExtra.of("ocr", "finding text in pixels with the model that rapidocr ships")
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # or memory stays at what the largest picture took
    options.log_severity_level = 4
    session = InferenceSession(str(models[0]), options, providers=["CPUExecutionProvider"])
    settings = dict(OmegaConf.load(folder / "config.yaml").Det)
    settings |= {"session": session, "engine_type": EngineType.ONNXRUNTIME, "limit_type": "max"}
    settings |= {"limit_side_len": 1 << 20, "box_thresh": 0.3}
    return TextDetector(_Settings(settings))


class _Settings(dict):
    """Settings that are read by key and by attribute, and may hold a session, which OmegaConf's own may not."""

    def __getattr__(self, name: str) -> Any:
        return self[name]
