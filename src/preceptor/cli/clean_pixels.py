"""``preceptor clean-pixels IN OUT [--review sheet.html]``"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from . import console


def clean_pixels(
    source: Path,
    target: Path,
    *,
    review: Path | None = None,
    modality: str = "",
    fill: Literal["black", "local"] = "black",
    as_json: console.Json = False,
) -> None:
    """Mask what is written in the pixels of images; headers of DICOM files are left to `preceptor deidentify`.

    Parameters
    ----------
    source
        A folder of DICOM, PNG, JPEG, BMP or NIfTI files, or one file.
    target
        Folder for the cleaned copies, at the same places. JPEG and BMP become PNG.
    review
        A sheet to write, HTML, on which a person signs what was masked. It shows the pixels.
    modality
        Of files that do not say: CR, DX and MG are searched with more reserve, for bones look like letters.
    fill
        What masks: black, or the median of the surroundings.
    """
    from preceptor import api

    bar = console.bar("searching pictures")
    found = api.clean_pixels(
        source, target, review=review, modality=modality, fill=fill, tell=console.say, progress=bar
    )
    cleaned = [each for each in found if each.findings is not None]
    left_out = [each for each in found if each.findings is None]
    masked = [each for each in cleaned if each.findings is not None and each.findings.masked_share > 0]
    doubtful = [each for each in cleaned if each.findings is not None and each.findings.needs_review]
    lines = [
        f"{len(cleaned)} files written to {target}: something masked in {len(masked)}, to be looked at {len(doubtful)}",
        *([f"{len(left_out)} files left out"] if left_out else []),
        *([f"review: {review}"] if review else []),
    ]
    record = {"out": str(target), "review": str(review or ""), "files": [each.to_json() for each in found]}
    console.result("\n".join(lines), record, as_json)
