"""Files with words planted where patients' names have been found: every word distinct, so that a leak tells its place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence
from pydicom.tag import Tag

#: Text and persons in the outermost data set.
TOP = {
    "PatientName": "PN",
    "PatientID": "LO",
    "OtherPatientIDs": "LO",
    "PatientAddress": "LO",
    "PatientComments": "LT",
    "AccessionNumber": "SH",
    "StudyID": "SH",
    "InstitutionName": "LO",
    "InstitutionAddress": "ST",
    "ReferringPhysicianName": "PN",
    "PerformingPhysicianName": "PN",
    "OperatorsName": "PN",
    "StudyDescription": "LO",
    "SeriesDescription": "LO",
    "ProtocolName": "LO",
    "StationName": "SH",
    "DeviceSerialNumber": "LO",
    "ImageComments": "LT",
    "AdditionalPatientHistory": "LT",
    "ContentDescription": "LO",
    "RequestingService": "LO",
}

#: UIDs whose originals must be gone as well.
UIDS = {
    "StudyInstanceUID": "1.2.3.4.900001",
    "SeriesInstanceUID": "1.2.3.4.900002",
    "FrameOfReferenceUID": "1.2.3.4.900003",
    "nested": "1.2.3.4.900004",
}


def canary_file(source: Path) -> tuple[bytes, list[str]]:
    """A magnetic resonance slice with 43 planted words and four planted UIDs.

    Returns:
        The file's bytes, and the words.
    """
    words: list[str] = []

    def word() -> str:
        words.append(f"CANARY{len(words) + 1:03d}")
        return words[-1]

    dataset = dcmread(source)
    dataset.PatientIdentityRemoved = "NO"
    for keyword in TOP:
        setattr(dataset, keyword, word())
    dataset.PatientAge = "101Y"
    request, deeper = Dataset(), Dataset()
    request.RequestedProcedureDescription, request.RequestedProcedureID, request.ScheduledProcedureStepID = (
        word(),
        word(),
        word(),
    )
    deeper.CodeMeaning, deeper.CodeValue, deeper.CodingSchemeDesignator = word(), word(), "99LOCAL"
    request.RequestedProcedureCodeSequence = Sequence([deeper])
    dataset.RequestAttributesSequence = Sequence([request])
    text, person = Dataset(), Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", word()
    person.RelationshipType, person.ValueType, person.PersonName = "CONTAINS", "PNAME", word()
    dataset.ContentSequence = Sequence([text, person])
    block = dataset.private_block(0x0029, word(), create=True)
    block.add_new(0x01, "LO", word())
    block.add_new(0x02, "PN", word())
    inner = Dataset()
    inner.PatientName = word()
    block.add_new(0x03, "SQ", Sequence([inner]))
    block.add_new(0x04, "UN", word().encode() + b" ")
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60000011, "US", 8)
    dataset.add_new(0x60003000, "OW", word().encode() + b" ")
    dataset.add_new(0x60000022, "LO", word())
    dataset.add_new(0x60001500, "LO", word())
    dataset.add_new(0x50003000, "OW", word().encode() + b" ")
    modified, original = Dataset(), Dataset()
    original.PatientName = word()
    modified.ModifiedAttributesSequence = Sequence([original])
    dataset.OriginalAttributesSequence = Sequence([modified])
    dataset.EncapsulatedDocument = b"%PDF " + word().encode() + b" "
    dataset.DataSetTrailingPadding = word().encode() + b" "
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, UIDS["nested"]
    dataset.ReferencedImageSequence = Sequence([reference])
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(dataset, keyword, UIDS[keyword])
    dataset.file_meta.SourceApplicationEntityTitle = word()
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3.4"
    dataset.file_meta.PrivateInformation = word().encode() + b" "
    dataset.preamble = word().encode().ljust(128, b"\0")
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue(), words


#: What the longest value of each VR leaves room for is no matter here: values are written as they are.
_PLANTED = frozenset(
    [
        "AE",
        "AS",
        "CS",
        "DA",
        "DS",
        "DT",
        "IS",
        "LO",
        "LT",
        "OB",
        "OW",
        "PN",
        "SH",
        "ST",
        "TM",
        "UC",
        "UI",
        "UN",
        "UR",
        "UT",
    ]
)


def every_attribute(source: Path, per_file: int = 400) -> Iterator[tuple[bytes, list[str]]]:
    """Files that hold every public attribute of the dictionary that can hold bytes, each with a word of its own.

    Each attribute is planted four times: in the outermost data set and one, two and three sequences deep. Private attributes of every VR follow.

    Yields:
        A file's bytes, and its words.
    """
    structure = {"SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet", "PixelData", "PatientIdentityRemoved"}
    planted = []
    for tag, (vr, _, _, _, keyword) in sorted(DicomDictionary.items()):
        if vr[:2] in _PLANTED and tag >> 16 >= 8 and keyword not in structure and tag >> 16 < 0x7FE0:
            planted.append((tag, vr[:2]))
    planted += [(0x00291000 + number, vr) for number, vr in enumerate(sorted(_PLANTED))]
    count = 0
    for start in range(0, len(planted), per_file):
        levels, words = [dcmread(source), Dataset(), Dataset(), Dataset()], []
        for tag, vr in planted[start : start + per_file]:
            for into in levels:
                count += 1
                words.append(f"CANARY{count:06d}")
                value = words[-1].encode()
                into[tag] = RawDataElement(Tag(tag), vr, len(value), value + b" " * (len(value) % 2), 0, False, True)
        levels[0].add_new(0x00290010, "LO", "CANARY CREATOR")
        for outer, inner in zip(levels[2::-1], levels[:0:-1], strict=True):
            outer.ReferencedInstanceSequence = Sequence([inner])
        out = io.BytesIO()
        levels[0].save_as(out, enforce_file_format=True)
        yield out.getvalue(), words
