"""Formats of slides that hide words and pictures where only their vendors know: refused by name, with the way out."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.errors import PrepareError

from .directories import TiffFile

#: By their first bytes.
_STARTS = (
    ("Zeiss", b"ZISRAWFILE"),
    ("Zeiss", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("Sakura", b"SQLite format 3"),
    ("Philips", b"<DataObject"),
)
#: By their suffix, in small letters.
_SUFFIXES = {
    ".mrxs": "MIRAX",
    ".vms": "Hamamatsu",
    ".vmu": "Hamamatsu",
    ".vsi": "Olympus",
    ".isyntax": "Philips",
    ".czi": "Zeiss",
    ".svslide": "Sakura",
}
#: By what their texts say, in small letters, and the tags of TIFF it stands in.
_TEXTS = (
    ("Leica", b"leica-microsystems.com/scn"),
    ("Ventana", b"iscan"),
    ("Philips", b"philips"),
    ("Trestle", b"medscan"),
    ("Hamamatsu", b"hamamatsu"),
    ("OME-TIFF", b"<ome"),
)
_TAGS = (270, 271, 272, 305, 700)
_NDPI, _SUBDIRECTORIES, _TILES = 65420, 330, 324
_MOST_TEXT = 1 << 16


def foreign_slide(path: Path, start: bytes) -> PrepareError | None:
    """The refusal for a slide in a vendor's own container; None where its first bytes and suffix tell of none."""
    named = [vendor for vendor, first in _STARTS if start.startswith(first)]
    named += [_SUFFIXES[Path(path).suffix.lower()]] if Path(path).suffix.lower() in _SUFFIXES else []
    return _refusal(named[0]) if named else None


def refuse_foreign_tiff(file: TiffFile) -> None:
    """Refuse a TIFF of a vendor whose private parts are not known, and one that is no slide.

    Raises:
        PrepareError: Its code is ``slide_vendor``, or ``kind_unknown`` for a picture that is not in tiles.
    """
    for directory in file.directories:
        if directory.field(_NDPI) is not None:
            raise _refusal("Hamamatsu")
        for field in directory.fields:
            if field.code in _TAGS and field.kind in (1, 2, 7):
                told = file.bytes_at(field.place, min(field.size, _MOST_TEXT)).lower()
                for vendor, betrays in _TEXTS:
                    if betrays in told:
                        raise _refusal(vendor)
        if directory.field(_SUBDIRECTORIES) is not None:
            raise _refusal("TIFF with directories inside directories")
    if file.directories[0].field(_TILES) is None:
        raise PrepareError(
            "the picture is no slide: it is not in tiles",
            expected="a pyramid in tiles",
            remedy="clean it as a picture (`preceptor clean-pixels`), or convert it to a pyramid",
            code="kind_unknown",
        )


def _refusal(vendor: str) -> PrepareError:
    return PrepareError(
        f"the slide is in a format that can't be cleaned for certain: {vendor}",
        expected="Aperio's .svs, a plain pyramidal TIFF, or DICOM",
        remedy="convert it to a plain pyramidal TIFF or to DICOM, levels alone, and clean that",
        code="slide_vendor",
    )
