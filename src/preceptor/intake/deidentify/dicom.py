"""One DICOM file without its patient: preamble, file meta, every element at every depth."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from preceptor.core.errors import PrepareError

from ..limits import check_ratio
from .elements import Coding, Element, encode, read_elements
from .faces import face_flag
from .marking import IDENTITY_REMOVED, marks
from .profile import Settings
from .pseudonyms import STANDARD_ROOT, Key
from .rewriting import Rewriting
from .table import required_types
from .wording import is_code_string

_META = Coding(implicit=False, little=True)
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_IMAGE_TYPE, _LABEL_IN_IMAGE = 0x00080008, 0x00480010
_MODALITY, _PIXELS, _THICKNESS, _REGION, _CODE_MEANING = 0x00080060, 0x7FE00010, 0x00180050, 0x00082218, 0x00080104
#: Body part, descriptions of study and series, protocol.
_PARTS_OF_THE_BODY = (0x00180015, 0x00081030, 0x0008103E, 0x00181030)
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_DIRECTORY = "1.2.840.10008.1.3.10"
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_GRAVE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66": "raw data, whose content only its maker knows",
}
#: Of this software; one UUID for all its releases (PS3.7 D.3.3.2).
_IMPLEMENTATION = b"2.25.251580187614316839374250868434229127541"


class _Envelope(NamedTuple):
    """How a data set is written, and what the file meta information says of it."""

    syntax: str
    coding: Coding
    kind: str
    instance: str


@dataclass(frozen=True)
class Cleaned:
    """A file without its patient.

    Attributes:
        content: The bytes to write.
        place: Folders and name, without anything of the original's.
        counts: How often each rule was applied.
        flags: What a person should look at, such as a face that could be rebuilt.
        shows: What its pixels are of, such as ``CT``; empty where it has none.
    """

    content: bytes
    place: str
    counts: Counter[str]
    flags: tuple[str, ...] = field(default=())
    shows: str = ""


def is_dicom(data: bytes) -> bool:
    """Whether bytes are a DICOM file with its preamble."""
    return data[128:132] == b"DICM"


def clean_dicom(data: bytes, settings: Settings, key: Key, where: str = "", *, pixels_cleaned: bool = False) -> Cleaned:
    """Take the patient out of one DICOM file.

    Args:
        data: The whole file.
        settings: The profile.
        key: From which pseudonyms, UIDs and shifts follow.
        where: Names the file in errors, without its own name.
        pixels_cleaned: Whether burned-in text was covered before, so that the file may say so.

    Returns:
        The bytes to write, in the transfer syntax they came in.

    Raises:
        PrepareError: The file is damaged, a directory, an encapsulated document, or says that it is de-identified already.

    Source: DICOM PS3.15 Annex E, PS3.10 section 7.
    """
    try:
        return _cleaned(data, settings, key, pixels_cleaned)
    except PrepareError as error:
        raise PrepareError.from_problem(replace(error.problem, where=where)) from None


def opened(data: bytes, settings: Settings, key: Key) -> tuple[Rewriting, _Envelope]:
    """A file read as far as its elements, nothing written yet.

    Args:
        data: The whole file.
        settings: The profile.
        key: From which pseudonyms follow.

    Raises:
        PrepareError: As `clean_dicom`.
    """
    if not is_dicom(data):
        raise _refused("the file is not a DICOM Part 10 file: it has no preamble", "DICM at byte 128", "not_dicom")
    meta, start = _meta(data)
    syntax = _uid(data, meta, 0x00020010) or _IMPLICIT
    media_instance = _uid(data, meta, 0x00020003)
    if not syntax.startswith(STANDARD_ROOT):
        raise _refused("its transfer syntax is a vendor's own", "one of the standard's", "transfer_syntax")
    if syntax == _DEFLATED:
        data, start = _inflated(data[start:]), 0
    coding = Coding(implicit=syntax == _IMPLICIT, little=syntax != _BIG)
    file = Rewriting(data, read_elements(data, coding, start), settings, key, None)
    kind = file.text(_SOP_CLASS)
    _refuse_kind(kind, file, settings)
    return file, _Envelope(syntax, coding, kind, media_instance)


def _cleaned(data: bytes, settings: Settings, key: Key, pixels_cleaned: bool) -> Cleaned:
    file, (syntax, coding, kind, media_instance) = opened(data, settings, key)
    file.types = required_types(kind)
    written = dict(file.written(coding))
    instance = _instance(file, media_instance or hashlib.sha256(data).hexdigest(), settings, key)
    written[_SOP_INSTANCE] = encode(_SOP_INSTANCE, "UI", instance.encode(), coding)
    written.update(marks(settings, coding, pixels_cleaned=pixels_cleaned))
    body = b"".join(written[tag] for tag in sorted(written))
    if syntax == _DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(body) + packer.flush()
        body += b"\0" * (len(body) % 2)
    content = b"".join((bytes(128), b"DICM", _new_meta(kind, instance, syntax), body))
    shows = (file.text(_MODALITY) or "unknown") if any(each.tag == _PIXELS for each in file.elements) else ""
    shows = shows if is_code_string(shows.encode("latin-1")) else "unknown"
    return Cleaned(content, _place(file, key, instance), file.counts, _flags(file) if shows else (), shows)


def _meta(data: bytes) -> tuple[list[Element], int]:
    """The file meta elements, and where the data set starts: meta is always explicit little endian."""
    head = _META.explicit_head
    at, found = 132, []
    while at + 8 <= len(data):
        group, number, vr, length = head.unpack_from(data, at)
        if group != 2:
            break
        long = vr in (b"OB", b"UN", b"UT", b"OW", b"SQ", b"UC")
        begin = at + (12 if long else 8)
        if long:
            (length,) = _META.length.unpack_from(data, at + 8)
        if begin + length > len(data):
            raise _refused("its file meta information is cut short", "a whole file", "dicom_damaged")
        found.append(Element(group << 16 | number, vr.decode("latin-1"), at, begin, begin + length, begin + length))
        at = begin + length
    return found, at


def _uid(data: bytes, elements: list[Element], tag: int) -> str:
    for each in elements:
        if each.tag == tag:
            return data[each.value_start : each.value_end].decode("latin-1").strip(" \0")
    return ""


def _inflated(packed: bytes) -> bytes:
    """A deflated data set, its size watched while it grows."""
    inflate = zlib.decompressobj(wbits=-15)
    parts, size, pending = [], 0, packed
    try:
        while pending and not inflate.eof:
            part = inflate.decompress(pending, 1 << 20)
            size += len(part)
            check_ratio(size, len(packed), Path("deflated.dcm"))
            parts.append(part)
            pending = inflate.unconsumed_tail
        parts.append(inflate.flush())
    except zlib.error:
        raise _refused("its deflated data set is damaged", "a whole file", "dicom_damaged") from None
    return b"".join(parts)


def _refuse_kind(kind: str, file: Rewriting, settings: Settings) -> None:
    if not kind:
        raise _refused("it does not say what kind of object it is", "a SOP Class UID", "no_sop_class")
    if not kind.startswith(STANDARD_ROOT):
        raise _refused("it is an object of a vendor's own kind", "one of the standard's kinds", "private_class")
    if kind == _DIRECTORY:
        raise _refused(
            "it is a directory, which names files and patients", "images; a directory is written anew", "dicomdir"
        )
    if kind.startswith(_DOCUMENTS):
        raise _refused("it is an encapsulated document, which can't be cleaned for certain", "images", "document")
    if kind in _GRAVE_CLASSES:
        raise _refused(f"it is {_GRAVE_CLASSES[kind]}", "images", "raw_data")
    if kind == _WHOLE_SLIDE and (
        {"LABEL", "OVERVIEW"} & set(file.text(_IMAGE_TYPE).upper().split("\\"))
        or file.text(_LABEL_IN_IMAGE).upper() == "YES"
    ):
        raise PrepareError(
            "it is a picture of a slide's glass, whose label tells whose it is",
            expected="the levels of the slide",
            remedy="leave it out: nothing of it was copied",
            code="slide_label",
        )
    if file.text(IDENTITY_REMOVED).upper() == "YES" and not settings.again:
        raise PrepareError(
            "the file says that its patient's identity is removed already",
            expected="an original; a second pass would map its UIDs once more, and the first batch no longer fits",
            remedy="leave it out, or ask for a second pass with --again",
            code="deidentified_already",
        )


def _instance(file: Rewriting, otherwise: str, settings: Settings, key: Key) -> str:
    """The object's UID, in the data set and in the file meta alike."""
    original = file.text(_SOP_INSTANCE) or otherwise
    return original if "uids" in settings.retain else key.uid(original)


def _new_meta(kind: str, instance: str, syntax: str) -> bytes:
    parts = b"".join(
        (
            encode(0x00020001, "OB", b"\0\1", _META),
            encode(0x00020002, "UI", kind.encode(), _META),
            encode(0x00020003, "UI", instance.encode(), _META),
            encode(0x00020010, "UI", syntax.encode(), _META),
            encode(0x00020012, "UI", _IMPLEMENTATION, _META),
            encode(0x00020013, "SH", b"PRECEPTOR", _META),
        )
    )
    return encode(0x00020000, "UL", len(parts).to_bytes(4, "little"), _META) + parts


def _place(file: Rewriting, key: Key, instance: str) -> str:
    """Patient, study, series and object as folders and a name; names of the key's own even where UIDs are kept."""
    study, series = (key.name(kind, file.text(tag)) for kind, tag in (("study", 0x0020000D), ("series", 0x0020000E)))
    return f"{key.pseudonym(file.patient)}/{study}/{series}/{key.name('image', instance)}.dcm"


def _flags(file: Rewriting) -> tuple[str, ...]:
    modality = file.text(_MODALITY)
    words = " ".join(file.text(tag) for tag in _PARTS_OF_THE_BODY) if modality in ("CT", "MR", "PT") else ""
    face = face_flag(modality, f"{words} {_nested(file, _CODE_MEANING, within=_REGION)}", _thickness_mm(file))
    found = [face] if face else []
    if file.text(0x00280301).upper() == "YES":
        found.append("says that text is burned in")
    elif modality in ("US", "SC", "OT", "XA", "RF", "ES") and file.text(0x00280301).upper() != "NO":
        found.append("of a kind that often carries burned-in text")
    return tuple(found)


def _nested(file: Rewriting, tag: int, within: int | None = None) -> str:
    """The first value of an attribute at any depth, or in the first item of a sequence alone."""

    def found(elements: list[Element], inside: bool) -> str:
        for each in elements:
            if each.tag == tag and inside:
                return file.value_of(each)
            for item in each.items or ():
                value = found(item, inside or each.tag == within)
                if value:
                    return value
        return ""

    return found(list(file.elements), within is None)


def _thickness_mm(file: Rewriting) -> float | None:
    """Of a slice; in enhanced files it stands in a sequence of the first frame."""
    try:
        return float(_nested(file, _THICKNESS)) or None
    except ValueError:
        return None


def _refused(what: str, expected: str, code: str) -> PrepareError:
    return PrepareError(what, expected=expected, remedy="leave it out, or export it again from its source", code=code)
