"""Names burned into a DICOM file's pixels: found, masked in every copy the file holds, and told to whoever reviews."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name

from ..dicom.stored_pixels import Fill, masked_pixels, open_pixels
from .pixel_copies import (
    clear_embedded_overlays,
    mask_icon,
    mask_overlay,
    overlay_origin,
    overlay_pictures,
)
from .shown_frames import displayed, searched
from .text_detection import FoundText, TextBox, TextRules, cover, find_text, is_covered
from .ultrasound_regions import regions_fit, tissue_mask

if TYPE_CHECKING:
    from pydicom import Dataset

#: A clip of fewer frames shows too little movement to tell its sector by.
_LEAST_FRAMES = 8

#: A sector is believed if it is this share of the picture, and holds this share of what is not black.
_LEAST_SECTOR, _LEAST_SEEN = 0.1, 0.5


@dataclass(frozen=True)
class PixelFindings:
    """What was done to a picture's pixels, without anything that was read from them.

    Args:
        text: Boxes that were masked as text.
        suspicious: Boxes that were not, and that a person should look at.
        mask: ``(row, column)`` bool: everything that was masked, text and surroundings; None where there are no pixels.
        picture: ``(row, column[, 3])`` uint8: the frame before masking, for the review sheet.
        frames: How many frames the mask was applied to.
        outside: What told the ultrasound sector, or "": ``regions`` or ``motion``.
        notes: What a reviewer should know, in sentences.
        copies: Copies that were cleaned or taken out: ``icon``, ``overlays``.
        decompressed: Whether compressed pixels were stored uncompressed.
    """

    text: tuple[TextBox, ...] = ()
    suspicious: tuple[TextBox, ...] = ()
    mask: np.ndarray | None = None
    picture: np.ndarray | None = None
    frames: int = 0
    outside: str = ""
    notes: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    decompressed: bool = False

    @property
    def masked_share(self) -> float:
        """Of the picture, 0 to 1."""
        return 0.0 if self.mask is None else float(self.mask.mean())

    @property
    def needs_review(self) -> bool:
        """Whether a person should look before the file goes out."""
        return bool(self.suspicious or self.notes)

    def to_json(self) -> dict[str, Any]:
        """For a manifest: numbers alone, no pixels and no letters."""
        return {
            "text_boxes": len(self.text),
            "suspicious_boxes": len(self.suspicious),
            "masked_share": round(self.masked_share, 5),
            "frames": self.frames,
            "outside": self.outside,
            "copies": list(self.copies),
            "decompressed": self.decompressed,
            "notes": list(self.notes),
        }


def clean_pixels(
    dataset: Dataset,
    *,
    path: Path | None = None,
    fill: Fill = "black",
    sector: bool = True,
    rules: TextRules | None = None,
) -> tuple[Dataset, PixelFindings]:
    """Mask what is written in a file's pixels, in every frame, in its icon and its overlays.

    Ultrasound: what lies outside the regions of 2D tissue that the machine names is masked, or outside the sector that a
    clip's movement shows. Neither finds all writing, so that text is looked for in every picture of every modality. What
    one frame shows is masked in all. Where nothing is found the pixels stay as they are, bit for bit, compressed or not;
    where something is, compressed pixels are stored uncompressed, once.

    Args:
        dataset: As `pydicom.dcmread` gives it, pixels included; it is not changed.
        path: Its file, which decoders that run in a process of their own read. By default what pydicom noted.
        fill: ``black``, or ``local`` for the median of what surrounds each masked part.
        sector: Whether to mask what lies outside an ultrasound sector.
        rules: Thresholds; by default the modality's.

    Returns:
        A cleaned copy, with BurnedInAnnotation NO where pixels were looked at, and what was done. A data set without
        pixels comes back as it is, with its overlays cleaned.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
        PrepareError: The pixels can't be decoded, or are no integers: they can't be vouched for.

    Source: DICOM PS3.15 E.3.1 (clean pixel data option), PS3.3 C.8.5.5 (ultrasound regions).
    """
    path = Path(path or str(getattr(dataset, "filename", None) or "dataset.dcm"))
    cleaned = copy.deepcopy(dataset)  # cheap: pixels are bytes, which are not copied; `copy.copy` would share elements
    copies = ["overlays"] if "PixelData" in cleaned and clear_embedded_overlays(cleaned) else []
    if "PixelData" not in cleaned:
        if "FloatPixelData" in cleaned or "DoubleFloatPixelData" in cleaned:
            raise PrepareError(
                "the pixels are fractions: no writing is looked for in them",
                where=safe_name(path),
                expected="integer pixels",
                remedy="leave the file out, or review it by eye",
                code="pixels_not_searched",
            )
        return cleaned, PixelFindings(copies=tuple(copies + _cleaned_overlays(cleaned, np.zeros((1, 1), bool), rules)))
    decoded = open_pixels(cleaned, path)
    modality = str(cleaned.get("Modality", ""))
    views = displayed(decoded, cleaned)
    keep, outside, notes = _sector(cleaned, views[0]) if sector and modality in ("US", "IVUS", "") else (None, "", [])
    mask = np.zeros(decoded.shape[1:3], bool) if keep is None else ~keep
    found = found_in(views, mask, modality, rules)
    mask = mask | cover(mask.shape, found.text)
    was = str(cleaned.file_meta.TransferSyntaxUID)
    if mask.any():
        masked_pixels(cleaned, decoded, mask, fill)
        copies += ["icon"] if mask_icon(cleaned, mask) else []
    copies += _cleaned_overlays(cleaned, mask, rules)
    cleaned.BurnedInAnnotation = "NO"
    return cleaned, PixelFindings(
        text=found.text,
        suspicious=found.suspicious,
        mask=mask,
        picture=views[0][len(decoded) // 2],
        frames=len(decoded),
        outside=outside,
        notes=tuple(notes),
        copies=tuple(dict.fromkeys(copies)),
        decompressed=str(cleaned.file_meta.TransferSyntaxUID) != was,
    )


def found_in(views: list[np.ndarray], outside: np.ndarray, modality: str, rules: TextRules | None) -> FoundText:
    """The text in any picture of any view.

    Args:
        views: Of each window ``(frame, row, column[, 3])`` uint8, see `displayed`.
        outside: ``(row, column)`` bool: masked anyway, and made black before the search.
        modality: As DICOM names it.
        rules: Thresholds; by default the modality's.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
    """
    text: list[TextBox] = []
    suspicious: list[TextBox] = []
    for view in views:
        for picture in searched(view):
            shown = picture.copy()
            shown[outside] = 0
            each = find_text(shown, modality, rules)
            text += each.text
            suspicious += each.suspicious
    covered = cover(outside.shape, text) | outside
    left = [box for box in suspicious if not is_covered(box, covered)]
    return FoundText(tuple(text), tuple(left))


def _sector(dataset: Dataset, shown: np.ndarray) -> tuple[np.ndarray | None, str, list[str]]:
    """What to keep of an ultrasound picture, what told it, and notes."""
    from preceptor.maths.moving_sector import moving_sector, static_border

    notes: list[str] = []
    try:
        told = tissue_mask(dataset)
        if told is not None and regions_fit(dataset):
            return told, "regions", notes
        if told is not None:
            notes.append("an ultrasound region reaches beyond the picture: its regions were not used")
    except PrepareError:
        notes.append("the ultrasound regions do not fit the picture and were not used")
    if len(shown) < _LEAST_FRAMES:
        return None, "", notes
    some = shown[np.linspace(0, len(shown) - 1, min(32, len(shown))).round().astype(int)]
    grey = some.max(-1) if some.ndim == 4 else some
    moving, seen = moving_sector(grey), ~static_border(grey)
    if moving.mean() < _LEAST_SECTOR or (moving & seen).sum() < _LEAST_SEEN * seen.sum():
        return None, "", [*notes, "too little moves in the clip to tell its sector"]
    return moving, "motion", notes


def _cleaned_overlays(dataset: Dataset, mask: np.ndarray, rules: TextRules | None) -> list[str]:
    """Clear writing in overlays, and what they draw over masked pixels."""
    pictures = overlay_pictures(dataset)
    for group, picture in pictures.items():
        own = cover(picture.shape, find_text(picture, rules=rules).text)
        row, column = overlay_origin(dataset, group)
        rows, columns = np.argwhere(mask).T
        rows, columns = rows - row, columns - column
        there = (rows >= 0) & (columns >= 0) & (rows < own.shape[0]) & (columns < own.shape[1])
        own[rows[there], columns[there]] = True
        mask_overlay(dataset, group, own)
    return ["overlays"] if pictures else []
