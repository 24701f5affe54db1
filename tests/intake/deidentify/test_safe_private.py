"""Private attributes that the standard lists as safe: the table's rows, each kept in a file, none with a person's words."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from pydicom import Dataset, dcmread
from pydicom._private_dict import private_dictionaries
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from preceptor.intake.deidentify.dicom import clean_dicom
from preceptor.intake.deidentify.profile import Settings
from preceptor.intake.deidentify.pseudonyms import Key
from preceptor.intake.deidentify.safe_private import safe_private_table

KEY = Key(b"known-answer-key")
SAFE = Settings(retain=("safe-private",))

#: A value of each VR as a scanner would write it.
VALUES = {
    "CS": "AXIAL",
    "DS": "1.5",
    "IS": "12",
    "LO": "EPI",
    "SH": "3",
    "ST": "mm",
    "LT": "none",
    "UI": "1.2.3.4.5",
    "FL": 42.0,
    "FD": 0.25,
    "US": 65,
    "SS": -3,
    "UL": 70000,
    "SL": -70000,
    "AT": 0x00180050,
    "OB": b"\x00\x01\xfe\xff",
    "OW": b"\x00\x01\xfe\xff",
}


def rows():
    """Every row of the table: creator, group, last two digits, VR."""
    return [
        (creator, group, element, vr)
        for creator, block in safe_private_table().items()
        for (group, element), vr in block.items()
    ]


def planted(value, syntax=ExplicitVRLittleEndian):
    """A file with a value in every row, in the block its creator takes; the elements are numbered as in the file."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5.6"
    dataset.PatientID, dataset.PatientName = "7734019", "Quillfeather^Zebedee"
    places = {}
    for creator, group, element, vr in rows():
        block = dataset.private_block(group, creator, create=True)
        if vr == "SQ":
            item = Dataset()
            item.EchoTime = 80
            item.PatientName = "CANARY"
            item.private_block(0x0029, "SOMEONE", create=True).add_new(0x01, "LO", "CANARY")
            block.add_new(element, "SQ", Sequence([item]))
        elif isinstance(written := value(vr or "SH"), RawDataElement):
            dataset[block.get_tag(element)] = written._replace(tag=block.get_tag(element))
        else:
            block.add_new(element, vr or "SH", written)
        places[creator, group, element] = block.get_tag(element)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue(), places


def test_the_rows_are_the_standards():
    found = rows()
    assert len(found) == len({row[:3] for row in found}) == 479
    assert Counter(vr for *_, vr in found) == {
        "FL": 74,
        "FD": 71,
        "CS": 65,
        "SQ": 55,
        "US": 31,
        "LO": 29,
        "UL": 27,
        "SS": 26,
        "IS": 21,
        "DS": 20,
        "OB": 17,
        "SL": 12,
        "SH": 10,
        "UI": 7,
        "": 5,
        "ST": 4,
        "OW": 3,
        "LT": 1,
        "AT": 1,
    }
    assert {
        ("Philips PET Private Group", 0x7053, 0x00, "DS"),
        ("GEMS_ACQU_01", 0x0019, 0x23, "DS"),
        ("GEMS_PARM_01", 0x0043, 0x39, "IS"),
        ("SIEMENS MR HEADER", 0x0019, 0x0C, "IS"),
        ("SIEMENS MR HEADER", 0x0019, 0x27, "FD"),
        ("Philips Imaging DD 001", 0x2001, 0x03, "FL"),
        ("Philips MR Imaging DD 001", 0x2005, 0x0E, "FL"),
    } <= set(found)


def test_the_rows_agree_with_a_dictionary_made_by_others():
    """pydicom's private dictionary comes from GDCM: where both name an element, they name the same representation."""
    both, other = 0, []
    for creator, group, element, vr in rows():
        known = private_dictionaries.get(creator, {})
        theirs = known.get(f"{group:04X}xx{element:02X}")
        if theirs is None or not vr or theirs[0] == "UN":
            continue
        both += 1
        if theirs[0][:2] != vr:
            other.append((creator, f"{group:04X}xx{element:02X}", vr, theirs[0]))
    assert both == 205
    assert other == [
        ("HOLOGIC, Inc.", "7E01xx02", "SH", "LO"),
        ("Philips Imaging DD 001", "2001xx55", "UL", "CS"),
    ]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
def test_every_row_is_kept_and_only_with_the_option(syntax):
    data, places = planted(VALUES.__getitem__, syntax)
    cleaned = clean_dicom(data, SAFE, KEY).content
    before, after = dcmread(io.BytesIO(data)), dcmread(io.BytesIO(cleaned))
    lost = []
    for (creator, group, element), tag in places.items():
        vr = safe_private_table()[creator][group, element]
        if tag not in after:
            lost.append(vr)
        elif vr == "SQ":
            assert after[tag][0].EchoTime == 80 and "CANARY" not in str(after[tag][0])
        elif vr == "UI":
            assert after.get_item(tag).value != before.get_item(tag).value
            assert after.get_item(tag).value.startswith(b"2.25.")
        else:
            assert after.get_item(tag).value.rstrip(b" \0") == before.get_item(tag).value.rstrip(b" \0"), hex(tag)
    # Without its VR a private sequence is bytes, and so is what the standard gives no VR: nobody can vouch for either.
    assert Counter(lost) == ({} if syntax == ExplicitVRLittleEndian else {"SQ": 55, "": 5})
    assert b"CANARY" not in cleaned and b"SOMEONE" not in cleaned
    assert not [each for each in dcmread(io.BytesIO(clean_dicom(data, Settings(), KEY).content)) if each.tag.is_private]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
@pytest.mark.parametrize("word", ["QUOKKA^0123456X", "Quillfeather"], ids=["words", "patient"])
def test_no_row_lets_words_through(syntax, word):
    """Whatever a maker or a careless script wrote into an attribute that is listed as safe."""
    raw = (word + " " * (-len(word) % 8)).encode()
    wide = bytes(range(1, 9)) + word.encode("utf-16-le")

    def value(vr):
        written = wide if vr in ("OB", "OW") and word == "Quillfeather" else raw
        return RawDataElement(Tag(0), vr, len(written), written, 0, syntax == ImplicitVRLittleEndian, True)

    data, _ = planted(value, syntax)
    assert data.count(word[:6].encode()) > 400
    for settings in (SAFE, Settings(retain=("safe-private", "uids"))):
        cleaned = clean_dicom(data, settings, KEY).content
        assert word[:6].encode() not in cleaned and word.encode("utf-16-le") not in cleaned


def test_a_pitch_is_not_torn_apart_and_a_block_of_another_is_gone():
    dataset = dcmread(io.BytesIO(planted(VALUES.__getitem__)[0]))
    dataset[dataset.private_block(0x0043, "GEMS_PARM_01").get_tag(0x27)].value = "0.984:1"
    block = dataset.private_block(0x0019, "GEMS_ACQU_99", create=True)
    block.add_new(0x23, "DS", "7.25")
    out = io.BytesIO()
    dataset.save_as(out)
    cleaned = dcmread(io.BytesIO(clean_dicom(out.getvalue(), SAFE, KEY).content))
    assert cleaned.private_block(0x0043, "GEMS_PARM_01")[0x27].value == "0.984:1"
    with pytest.raises(KeyError):
        cleaned.private_block(0x0019, "GEMS_ACQU_99")
    assert cleaned.private_block(0x0019, "GEMS_ACQU_01")[0x23].value == 1.5
