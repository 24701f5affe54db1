"""Why a slide is refused: what the reading process says in a word, as an error that a person can act on."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.errors import MissingExtra, PreceptorError, PrepareError, safe_name

#: What is wrong, what was expected, what to do.
_REASONS = {
    "absent": ("the slide is not there", "a file or folder that is there", "look at the path"),
    "no_slide": (
        "the file is no whole slide that is read here",
        "a tiled TIFF, DICOM, or a format that OpenSlide reads",
        "export it from the scanner as a pyramidal TIFF or DICOM",
    ),
    "too_large": (
        "the slide claims a size that no slide has",
        "at most 4,000,000 pixels a side and 16,000,000 tiles",
        "the file is damaged or made to exhaust memory: leave it out",
    ),
    "tile_too_large": (
        "the slide is not stored in tiles that can be read one by one",
        "tiles or strips of at most 67,108,864 pixels",
        "convert it into a tiled pyramid (vips tiffsave --tile --pyramid, say)",
    ),
    "not_colour": (
        "the slide is not in colours of 8 bits",
        "red, green and blue, or grey, in 8 bits each",
        "export a brightfield slide; fluorescence is read as a TIFF stack",
    ),
    "several_planes": (
        "the slide holds several focal planes or optical paths",
        "one of each",
        "export the plane and path that is meant",
    ),
    "several_series": ("the folder holds several slides", "the instances of one DICOM series", "one folder a slide"),
    "codec": (
        "no decoder here reads the slide's compression",
        "JPEG, JPEG 2000, JPEG-LS, LZW, deflate or none",
        "export it with JPEG tiles",
    ),
    "memory": (
        "reading the slide takes more than 8 GiB of memory",
        "tiles that can be read one by one",
        "the file is damaged or made to exhaust memory: leave it out",
    ),
    "decoder": (
        "the slide could not be read within a minute, or ended its decoder",
        "a whole slide file",
        "copy or export it again",
    ),
}


def refusal(told: str, path: Path) -> PreceptorError:
    """The error for a slide.

    Args:
        told: A code of the reading process, ``missing_extra``, or ``damaged`` and the kind of what went wrong.
        path: For the place, which shows no file name.
    """
    code, _, rest = told.partition(" ")
    if code == "missing_extra":
        return MissingExtra.of("pathology", "reading a whole slide of this format")
    if code not in _REASONS:
        return PrepareError(
            f"the slide is damaged{f' ({rest})' if rest else ''}",
            where=safe_name(path),
            expected="a whole slide file",
            remedy="copy or export it again",
            code="slide_damaged",
        )
    what, expected, remedy = _REASONS[code]
    return PrepareError(what, where=safe_name(path), expected=expected, remedy=remedy, code=f"slide_{code}")
