"""Copies among very many images: an index of thumbnails on disk, searched block by block.

A hundred thousand thumbnails make five thousand million pairs, each in eight positions. Every pair is judged, exactly
as `find_pairs` judges it, yet few are compared in full: a thumbnail's 64 coarsest waves give its part of a correlation,
and the length of the rest bounds what the finer ones can add (Cauchy and Schwarz). Only pairs whose bound reaches the
threshold are looked at. Memory holds the coarse waves (260 bytes a picture) and one block; the pairs of each finished
block are on disk, so a search that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from .duplicates import SAME_DETAIL, SAME_PICTURE, SIDE, Pair, fine_detail, forms_of, pack, thumbnail, unit_rows, unpack

#: Waves along an axis that are compared first.
_WAVES = 8

#: Pictures in a block.
_BLOCK = 2048


class ThumbnailIndex:
    """Thumbnails in a folder: added one by one, searched for copies, taken up again where it stopped.

    Args:
        folder: Made where it is not there. Holds ``thumbnails.f16``, ``names.jsonl`` and, per search, ``pairs-….jsonl``.
        slices: 1 for flat pictures, 3 for volumes.

    Raises:
        CohortError: The folder holds no such index.

    Example:
        >>> import tempfile
        >>> index = ThumbnailIndex(Path(tempfile.mkdtemp()))
        >>> picture = Image(np.arange(4096, dtype=np.float32).reshape(1, 64, 64), np.eye(4))
        >>> index.add("a", picture), index.add("b", picture), len(index)
        (None, None, 2)
        >>> [(pair.first, pair.second) for pair in index.pairs()]
        [('a', 'b')]
    """

    def __init__(self, folder: Path, slices: int = 1) -> None:
        self.folder = Path(folder)
        self.slices = slices
        self._record_bytes = slices * SIDE * SIDE * 2
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pixels, self._names_file = self.folder / "thumbnails.f16", self.folder / "names.jsonl"
        self.names = self._read_names()
        self._known = set(self.names)

    def _read_names(self) -> list[str]:
        """The names whose thumbnail is whole: what a kill left half written is cut off."""
        if not self._pixels.exists() or not self._names_file.exists():
            self._pixels.touch()
            self._names_file.touch()
        lines = self._names_file.read_bytes().split(b"\n")[:-1]
        whole = min(len(lines), self._pixels.stat().st_size // self._record_bytes)
        try:
            names = [str(json.loads(line)) for line in lines[:whole]]
        except ValueError as error:
            raise CohortError(
                "the folder's list of names can't be read",
                expected="an index that this version wrote",
                remedy="remove the folder, and index the pictures again",
                code="thumbnail_index",
            ) from error
        with self._pixels.open("r+b") as pixels, self._names_file.open("r+b") as file:
            pixels.truncate(whole * self._record_bytes)
            file.truncate(sum(len(line) + 1 for line in lines[:whole]))
        return names

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def add(self, name: str, image: Image) -> None:
        """Add a picture, unless one of that name is there.

        Args:
            name: Of the case; unique.
            image: Of a sequence the first frame is taken.

        Raises:
            CohortError: It is a volume among pictures, or a picture among volumes.
        """
        if name not in self._known:
            self.add_thumbnail(name, unpack(pack(thumbnail(image))))

    def add_thumbnail(self, name: str, small: np.ndarray) -> None:
        """Add a thumbnail, unless one of that name is there.

        Args:
            name: Of the case; unique.
            small: ``(slice, 32, 32)``, standardised, as `unpack` gives it.

        Raises:
            CohortError: It is a volume's among pictures', or a picture's among volumes'.
        """
        if name in self._known:
            return
        if len(small) != self.slices:
            raise CohortError(
                "pictures and volumes can't be indexed together",
                expected=f"thumbnails of {self.slices} slice{'s' if self.slices > 1 else ''}",
                code="thumbnail_index",
            )
        with self._pixels.open("ab") as pixels:
            pixels.write(small.astype("<f2").tobytes())
        with self._names_file.open("ab") as names:
            names.write(json.dumps(name).encode() + b"\n")
        self.names.append(name)
        self._known.add(name)

    def pairs(
        self,
        same_picture: float = SAME_PICTURE,
        same_detail: float = SAME_DETAIL,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Pair]:
        """Every two pictures that are one, in the order they were added.

        Args:
            same_picture: Smallest absolute correlation of two thumbnails.
            same_detail: Smallest absolute correlation of their fine detail.
            progress: Told ``(pictures compared with all before them, pictures)``.
        """
        if not self.names:
            return []
        stored = self.folder / f"pairs-{len(self.names)}-{same_picture:g}-{same_detail:g}.jsonl"
        lines = stored.read_text(encoding="utf-8").splitlines() if stored.exists() else []
        pictures = np.memmap(self._pixels, dtype="<f2", mode="r", shape=(len(self.names), self.slices, SIDE, SIDE))
        for _, found in search(pictures, same_picture, same_detail, start=len(lines)):
            lines.append(json.dumps(found))
            with write_aside(stored) as aside:
                aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
            if progress is not None:
                progress(min(len(lines) * _BLOCK, len(self.names)), len(self.names))
        return [
            Pair(self.names[one], self.names[other], "image", "image", value, form)
            for one, other, value, form in sorted(tuple(each) for line in lines for each in json.loads(line))
        ]


def pairs_on_disk(
    folder: Path,
    thumbnails: Iterable[tuple[tuple[str, str], np.ndarray]],
    same_picture: float = SAME_PICTURE,
    same_detail: float = SAME_DETAIL,
    progress: Callable[[int, int], None] | None = None,
) -> list[Pair]:
    """What `find_pairs` finds, with the thumbnails in a folder instead of memory.

    Args:
        folder: Holds the indices. What another set of thumbnails left in it goes.
        thumbnails: ``((case key, view), (slice, 32, 32))`` one by one; always the same ones in the same order for a folder.
        same_picture, same_detail: Thresholds, as in `find_pairs`.
        progress: Told ``(images compared with all before them, images)``.

    Returns:
        Pairs in the order of the images; whether they are identical is not known.
    """
    for other in folder.parent.glob("index-*"):
        if other != folder:
            shutil.rmtree(other)
    indices: dict[int, ThumbnailIndex] = {}
    place: dict[tuple[str, str], int] = {}
    for number, (name, small) in enumerate(thumbnails):
        place[name] = number
        if len(small) not in indices:
            indices[len(small)] = ThumbnailIndex(folder / f"{len(small)}", len(small))
        indices[len(small)].add_thumbnail(json.dumps(name), small)
    found, compared = [], 0
    for _, index in sorted(indices.items()):

        def told(done: int, total: int, before: int = compared) -> None:
            if progress is not None:
                progress(before + done, len(place))

        for pair in index.pairs(same_picture, same_detail, told):
            (first, first_view), (second, second_view) = json.loads(pair.first), json.loads(pair.second)
            found.append(Pair(first, second, first_view, second_view, pair.correlation, pair.form))
        compared += len(index)
    return sorted(found, key=lambda p: (place[p.first, p.first_view], place[p.second, p.second_view]))


def search(
    pictures: np.ndarray, same_picture: float, same_detail: float, start: int = 0
) -> Iterator[tuple[int, list[tuple[int, int, float, str]]]]:
    """The pairs of each block of pictures with those before it and in it.

    Args:
        pictures: ``(picture, slice, 32, 32)`` thumbnails; may lie on disk.
        same_picture, same_detail: Thresholds, as in `find_pairs`.
        start: Block to begin with.

    Yields:
        ``(block, [(earlier picture, later picture, correlation, form)])``, a pair once, in the form that is most alike.
    """
    waves = _waves()
    coarse = np.concatenate(
        [_coarse(_block(pictures, first), waves) for first in range(0, len(pictures), _BLOCK)]
    )  # 260 bytes a picture
    for block in count(start):
        first = block * _BLOCK
        if first >= len(pictures):
            return
        later = _block(pictures, first)
        best: dict[tuple[int, int], tuple[float, str]] = {}
        for form, turned in forms_of(later):
            near = _coarse(turned, waves)
            wanted, wanted_detail = unit_rows(turned), unit_rows(fine_detail(turned))
            for row in range(0, first + len(later), _BLOCK):
                earlier = coarse[row : row + _BLOCK]
                for one, other in _close(earlier, near, same_picture, row == first):
                    values = _judged(
                        pictures, row + one, wanted[other], wanted_detail[other], same_picture, same_detail
                    )
                    for i, j, value in zip(row + one, first + other, values, strict=True):
                        if value and abs(value) > abs(best.get((int(i), int(j)), (0.0, ""))[0]) + 1e-4:
                            said = form if value > 0 else f"{form}, inverted".replace("as it is, ", "")
                            best[int(i), int(j)] = (round(float(value), 4), said)
        yield block, [(i, j, value, form) for (i, j), (value, form) in sorted(best.items())]


def _block(pictures: np.ndarray, first: int) -> np.ndarray:
    """``(picture, slice, 32, 32)``, read and not mapped: what was mapped once stays in the process's memory."""
    part = pictures[first : first + _BLOCK]
    if isinstance(pictures, np.memmap):
        size, offset = part.size, pictures.offset + first * pictures[0].nbytes
        part = np.fromfile(str(pictures.filename), pictures.dtype, size, offset=offset).reshape(part.shape)
    return np.asarray(part, dtype=np.float32)


def _waves() -> np.ndarray:
    """``(8, 32)`` the coarsest cosines, each of length 1 and square to the others (DCT-II)."""
    place = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    made = np.cos(np.arange(_WAVES)[:, None] * place) * np.sqrt(2 / SIDE)
    made[0] /= np.sqrt(2)
    return np.asarray(made, dtype=np.float32)


def _coarse(block: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """``(picture, 64 a slice and 1)``: the coarse waves of the picture at length 1, and the length of what they leave out."""
    unit = unit_rows(block)
    held = (waves @ unit.reshape(block.shape) @ waves.T).reshape(len(block), -1)
    rest = np.sqrt(np.clip((unit**2).sum(axis=1) - (held**2).sum(axis=1), 0, None))
    return np.column_stack([held, rest]).astype(np.float32)


def _close(
    earlier: np.ndarray, later: np.ndarray, same_picture: float, diagonal: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of the pairs that may correlate beyond the threshold, with one sign or the other."""
    bound = np.abs(earlier[:, :-1] @ later[:, :-1].T)
    bound += np.multiply.outer(earlier[:, -1], later[:, -1])
    one, other = np.divmod(np.flatnonzero(bound > same_picture - 1e-3), bound.shape[1])  # half-precision rounding
    if diagonal:
        one, other = one[one < other], other[one < other]
    for part in range(0, len(one), _BLOCK):
        yield one[part : part + _BLOCK], other[part : part + _BLOCK]


def _judged(
    pictures: np.ndarray,
    one: np.ndarray,
    wanted: np.ndarray,
    wanted_detail: np.ndarray,
    same_picture: float,
    same_detail: float,
) -> np.ndarray:
    """``(pair,)`` the correlation of the pairs that are one picture, 0 for the others."""
    mine = np.asarray(pictures[one], dtype=np.float32)
    alike = (unit_rows(mine) * wanted).sum(axis=1)
    detail = (unit_rows(fine_detail(mine)) * wanted_detail).sum(axis=1)
    return np.where((np.abs(alike) > same_picture) & (np.abs(detail) > same_detail), alike, 0.0)
