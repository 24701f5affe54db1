"""Folders of images with names burned into them: PNG, JPEG and BMP, NIfTI slice by slice, DICOM; cleaned into a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError, Problem, safe_name
from preceptor.core.files import digest_file, write_aside
from preceptor.core.image import Image

from ..dicom.stored_pixels import Fill, filled
from .pixel_cleaning import PixelFindings, clean_pixels, found_in
from .shown_frames import displayed
from .text_detection import TextRules, cover

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class CleanedFile:
    """What became of one file.

    Args:
        source, target: Relative to the two folders; `target` is None where the file was left out.
        findings: Of its pixels.
        problem: Why it was left out.
        sha256: Of the file that was written.
    """

    source: Path
    target: Path | None = None
    findings: PixelFindings | None = None
    problem: Problem | None = None
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """For a manifest; the name is hashed, since file names often hold a patient's."""
        told: dict[str, Any] = {"file": safe_name(self.source), "sha256": self.sha256}
        if self.findings is not None:
            told |= self.findings.to_json()
        if self.problem is not None:
            told |= {"left_out": self.problem.what, "code": self.problem.code}
        return told


def clean_folder(
    source: Path,
    target: Path,
    *,
    modality: str = "",
    fill: Fill = "black",
    rules: TextRules | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[CleanedFile]:
    """Clean every image below a folder into another, at the same place under the same name.

    A file that can't be vouched for is left out and told, and the next one goes on: what is no image, is damaged, or has
    pixels in which nothing can be searched. Nothing in the first folder is changed.

    Args:
        source: A folder, or one file.
        target: A folder; made where it is not there.
        modality: Of pictures that do not say; DICOM does.
        fill: ``black`` or ``local``.
        rules: Thresholds; by default the modality's.
        progress: Called with how many files are done, and how many there are.

    Yields:
        A record for each file, in the order of their names.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
    """
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    root = source.parent if source.is_file() else source
    for number, path in enumerate(files, start=1):
        relative = path.relative_to(root)
        try:
            done = _cleaned(path, target / relative, relative, modality, fill, rules)
        except PreceptorError as error:
            if error.exit_code == 5:  # without the detector no file can be cleaned
                raise
            done = CleanedFile(relative, problem=error.problem)
        if progress is not None:
            progress(number, len(files))
        yield done


def _cleaned(
    path: Path, target: Path, relative: Path, modality: str, fill: Fill, rules: TextRules | None
) -> CleanedFile:
    from ..dicom.file import read_pixels
    from ..nifti import read_nifti
    from ..raster import read_picture
    from ..write import write_image

    name = path.name.lower()
    target.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(_PICTURES):
        image = read_picture(path)
        image, findings = clean_image(image, modality=modality, fill=fill, rules=rules)
        if not name.endswith(".png"):  # a JPEG is not encoded a second time; two names stay two
            target = target.with_name(f"{target.name}.png")
        write_image(target, image)
    elif name.endswith((".nii", ".nii.gz")):
        image, findings = clean_image(read_nifti(path), modality=modality, fill=fill, rules=rules)
        write_image(target, image)
    else:
        dataset, findings = clean_pixels(read_pixels(path), path=path, fill=fill, rules=rules)
        with write_aside(target) as aside:
            dataset.save_as(aside, enforce_file_format=True)
    return CleanedFile(relative, target.relative_to(_above(target, relative)), findings, sha256=digest_file(target))


def _above(target: Path, relative: Path) -> Path:
    return target.parents[len(relative.parts) - 1]


def clean_image(
    image: Image, *, modality: str = "", fill: Fill = "black", rules: TextRules | None = None
) -> tuple[Image, PixelFindings]:
    """Mask what is written in a picture, or in any slice along the last axis of a volume.

    Args:
        image: ``(channel, x, y)``, ``(channel, x, y, z)``, or a clip ``(channel, time, x, y)``.
        modality: As DICOM names it.
        fill: ``black`` or ``local``.
        rules: Thresholds; by default the modality's.

    Returns:
        The image with the same mask in every slice or frame that was searched, and what was done.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
    """
    from pydicom import Dataset

    frames, back = _as_frames(image)
    shown = frames[..., 0] if frames.shape[-1] == 1 else frames if frames.shape[-1] == 3 else frames.max(-1)
    views = displayed(shown, Dataset())
    found = found_in(views, np.zeros(frames.shape[1:3], bool), modality, rules)
    mask = cover(frames.shape[1:3], found.text)
    findings = PixelFindings(found.text, found.suspicious, mask, views[0][len(frames) // 2], len(frames))
    if mask.any():
        image = image.with_array(back(filled(frames, mask, fill, frames.min(axis=(0, 1, 2)))))
    return image, findings


def _as_frames(image: Image) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """``(frame, row, column, channel)`` as displayed, and the way back."""
    volume = image.space_dims == 3
    last = image.array.ndim - 1
    order = ((1,) if image.has_time else ()) + ((last, last - 1, last - 2) if volume else (last, last - 1)) + (0,)
    stacked = image.array.transpose(order)
    frames = stacked.reshape(-1, *stacked.shape[-3:])

    def turned(each: np.ndarray) -> np.ndarray:  # a volume's rows are stored from below
        return each[:, ::-1] if volume else each

    def back(changed: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(turned(changed).reshape(stacked.shape).transpose(np.argsort(order)))

    return turned(frames), back
