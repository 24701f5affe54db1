"""Known answers of de-identification: the standard's table, planted words, UIDs, dates, marks, and a validator's errors."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections import Counter
from datetime import date
from multiprocessing import get_context

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from preceptor.core.errors import PreceptorError, PrepareError
from preceptor.intake.deidentify.dates import capped_age, moved
from preceptor.intake.deidentify.dicom import clean_dicom
from preceptor.intake.deidentify.leaks import Needles
from preceptor.intake.deidentify.profile import Rule, Settings
from preceptor.intake.deidentify.pseudonyms import Key
from preceptor.intake.deidentify.table import COLUMNS, confidentiality_table

from .canaries import UIDS, canary_file, every_attribute

KEY = Key(b"known-answer-key")


@pytest.fixture(scope="module")
def zoo(request):
    from tests.conftest import SHARED

    folder = SHARED / "dicom_zoo/files"
    if not folder.is_dir():
        pytest.skip("real data dicom_zoo is not here")
    return folder


@pytest.mark.answer("I2.1")
def test_the_table_is_the_standards_row_by_row():
    rows = confidentiality_table()
    assert len(rows) == 621
    assert len({row.tag for row in rows}) == 621
    assert Counter(row.basic for row in rows) == {
        "X": 384,
        "D": 92,
        "U": 54,
        "Z": 42,
        "X/D": 22,
        "X/Z": 11,
        "X/Z/D": 8,
        "Z/D": 6,
        "X/Z/U*": 2,
    }
    assert Counter(row.in_standard_iod for row in rows) == {True: 438, False: 183}
    found = {column: Counter(row.options.get(column, "") for row in rows) for column in COLUMNS}
    for each in found.values():
        del each[""]
    assert found == {
        "descriptors": {"C": 125},
        "full-dates": {"K": 165},
        "modified-dates": {"C": 165},
        "uids": {"K": 59},
        "device": {"K": 46, "C": 11},
        "institution": {"K": 10},
        "patient-characteristics": {"K": 9, "C": 4},
        "graphics": {"C": 4},
        "structured-content": {"C": 3},
        "safe-private": {"C": 1},
    }
    dated = [[row.tag for row in rows if column in row.options] for column in ("full-dates", "modified-dates")]
    assert dated[0] == dated[1]
    by_tag = {row.tag: row.basic for row in rows}
    spots = {
        "00100010": "Z",
        "00100020": "Z/D",
        "00100030": "Z",
        "00100040": "Z",
        "00101010": "X",
        "00080020": "Z",
        "00080050": "Z",
        "00081030": "X",
        "0008103e": "X",
        "00181030": "X/D",
        "00181000": "X/Z/D",
        "0040a123": "D",
        "00420011": "D",
        "00020003": "U",
        "fffcfffc": "X",
        "50xxxxxx": "X",
        "60xx3000": "X",
        "60xx4000": "X",
        "odd groups": "X",
    }
    assert {tag: by_tag[tag] for tag in spots} == spots
    assert not {"0040a160", "00700081", "60xx0022", "60xx1500", "00020016", "00020102"} & set(by_tag)


@pytest.mark.answer("I2.1")
def test_every_row_becomes_the_rule_it_asks_for_and_unlisted_text_goes():
    basic = Settings()
    meant = {"X": Rule.remove, "Z": Rule.empty, "D": Rule.dummy, "U": Rule.uid}
    seen = Counter()
    for row in confidentiality_table():
        if "x" in row.tag or row.tag == "odd groups" or row.tag in ("00100010", "00100020"):
            continue
        tag = int(row.tag, 16)
        if (
            row.basic == "X/Z/U*"
        ):  # sequences of references: they stay, with new UIDs, so that files still find one another
            assert basic.rules(tag, "SQ") == (Rule.recurse,)
            continue
        if tag >> 16 in (0, 2, 4, 0xFFFE):  # commands, meta and directories are never copied
            continue
        rules = basic.rules(tag, "LO" if row.basic != "U" else "UI")
        assert rules == tuple(meant[code] for code in row.basic.replace("*", "").split("/")), row
        seen[row.basic] += 1
    assert seen["X"] > 370 and seen["D"] > 85
    for option in COLUMNS:
        for row in confidentiality_table():
            if (
                "x" in row.tag
                or row.tag == "odd groups"
                or option not in row.options
                or row.tag.startswith(("0002", "0000", "0004"))
            ):
                continue
            rules = Settings(retain=(option,)).rules(int(row.tag, 16), "LO")
            kept = Rule.retain if row.options[option] == "K" else Rule.clean
            assert rules == (kept,), (option, row)
    for vr in ("LO", "LT", "SH", "ST", "UC", "UT", "PN"):  # not in the table and not on the list of machines' text
        for tag in (0x00700081, 0x0040A160, 0x00189999):
            assert basic.rules(tag, vr) == (Rule.remove,)
    assert (
        basic.rules(0x60000022, "LO")
        == basic.rules(0x60001500, "LO")
        == basic.rules(0x00091001, "DS")
        == (Rule.remove,)
    )


@pytest.mark.answer("I2.2")
def test_none_of_43_planted_words_is_left(zoo):
    data, words = canary_file(zoo / "219_MR_small.dcm")
    assert len(words) == len(set(words)) == 43
    assert all(word.encode() in data for word in words)
    for settings in (Settings(), Settings(profile="safe-list"), Settings(retain=ALL), Settings(retain=("full-dates",))):
        cleaned = clean_dicom(data, settings, KEY)
        needles = Needles({word: word for word in (*words, *UIDS.values())}, shortest=6)
        left = {hit.name for hit in needles.search(cleaned.content)}
        assert not left
        assert not needles.search(cleaned.place.encode()) and not needles.search(str(cleaned.counts).encode())
        again = dcmread(io.BytesIO(cleaned.content))
        assert again.preamble == bytes(128)
        assert again.file_meta.MediaStorageSOPInstanceUID == again.SOPInstanceUID
        assert again.file_meta.FileMetaInformationGroupLength == _meta_length(cleaned.content)
        assert again.PixelData == dcmread(io.BytesIO(data)).PixelData
        assert again.get("PatientAge") in (None, "090Y")
        with pytest.raises(PrepareError) as refused:
            clean_dicom(cleaned.content, settings, KEY)
        assert refused.value.problem.code == "deidentified_already"
        clean_dicom(cleaned.content, Settings(again=True), KEY)


#: Every option that keeps no one's words on purpose.
ALL = ("descriptors", "graphics", "structured-content", "modified-dates", "safe-private")


def _meta_length(content: bytes) -> int:
    assert content[128:132] == b"DICM"
    after = content.index(b"\x08\x00", 144)
    return after - 144


@pytest.mark.answer("I2.2", "I12.8")
@pytest.mark.slow
@pytest.mark.parametrize("retain", [(), ALL], ids=["basic", "cleaned"])
def test_none_of_ten_thousand_words_planted_in_every_attribute_is_left(zoo, retain):
    planted = 0
    for data, words in every_attribute(zoo / "219_MR_small.dcm"):
        planted += len(words)
        cleaned = clean_dicom(data, Settings(retain=retain), KEY)
        assert cleaned.content.upper().count(b"CANARY") == 0
        dcmread(io.BytesIO(cleaned.content)).to_json_dict()
    assert planted >= 10_000


@pytest.mark.answer("I2.3")
def test_uids_follow_from_the_key_alone():
    assert KEY.uid("1.2.3") == "2.25.107259856821501322833567459190882630203"
    assert KEY.uid("1.113654.5.14.1035") == "2.25.223078111494674594337723350210206892248"
    assert KEY.uid("1.2.840.10008.1.2.4.70") == "1.2.840.10008.1.2.4.70"
    assert Key(b"another-answer-key").uid("1.2.3") != KEY.uid("1.2.3")
    made = {KEY.uid(f"1.2.3.{number}") for number in range(100_000)}
    assert len(made) == 100_000
    assert {len(each) for each in made} <= set(range(39, 45))
    assert all(UID(each).is_valid for each in list(made)[:2000])
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(KEY.uid, ("1.2.3",)) == KEY.uid("1.2.3")


@pytest.mark.answer("I2.3")
def test_references_between_files_still_resolve(zoo):
    image = dcmread(zoo / "219_MR_small.dcm")
    image.StudyInstanceUID = "1.2.3.4.5"
    pointing = dcmread(zoo / "219_MR_small.dcm")
    pointing.SOPInstanceUID = pointing.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.6"
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    pointing.SourceImageSequence = [item]
    out = [dcmread(io.BytesIO(clean_dicom(_bytes(each), Settings(), KEY).content)) for each in (pointing, image)]
    assert out[0].SourceImageSequence[0].ReferencedSOPInstanceUID == out[1].SOPInstanceUID != image.SOPInstanceUID
    assert out[0].SourceImageSequence[0].ReferencedSOPClassUID == image.SOPClassUID
    assert out[0].file_meta.TransferSyntaxUID == image.file_meta.TransferSyntaxUID


def _bytes(dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.answer("I2.4")
def test_dates_move_by_the_patients_own_days():
    assert [KEY.days(each) for each in ("PAT001", "PAT002", "PAT003")] == [-1749, -1230, -586]
    days = KEY.days("PAT001")
    shifted = [moved(each, "DA", days) for each in (b"20200228", b"20200229", b"20210228")]
    assert shifted == [b"20150516", b"20150517", b"20160516"]
    assert all(-1825 <= KEY.days(f"P{number}") <= -1 for number in range(3000))
    assert moved(b"185059.120", "TM", days) == b"185059.120"
    assert moved(b"20200228101530.5+0100", "DT", days) == b"20150516101530.5+0100"
    assert moved(b"20200228-20210228", "DA", days) == b"20150516-20160516"
    assert moved(b"20200228\\20200229 ", "DA", days) == b"20150516\\20150517"
    for unfit in (b"2020", b"202002", b"20201332", b"yesterday", b"00010101"):
        assert moved(unfit, "DT", days) is None or unfit == b""
        assert moved(unfit, "DA", days) is None
    assert [capped_age(each) for each in (b"089Y", b"090Y", b"101Y", b"040W", b"old")] == [
        b"089Y",
        b"090Y",
        b"090Y",
        b"040W",
        None,
    ]


@pytest.mark.answer("I2.4")
def test_shifts_are_the_patients_in_files_and_give_no_birth_date_away(zoo):
    found = []
    for study, day in (("1.2.3.1", "20200228"), ("1.2.3.2", "20210228")):
        dataset = dcmread(zoo / "219_MR_small.dcm")
        dataset.PatientID, dataset.StudyInstanceUID, dataset.StudyDate = "PAT001", study, day
        dataset.PatientBirthDate, dataset.AcquisitionDateTime, dataset.ContentDate = (
            "19500101",
            f"{day}1200",
            "around Easter",
        )
        dataset.StudyDescription = f"MR knee {day}, born 01/01/1950"
        settings = Settings(retain=("modified-dates", "descriptors"))
        found.append(dcmread(io.BytesIO(clean_dicom(_bytes(dataset), settings, KEY).content)))
    days = [date(int(each[:4]), int(each[4:6]), int(each[6:])) for each in (one.StudyDate for one in found)]
    assert (days[1] - days[0]).days == 366 and found[0].StudyDate == "20150516"
    assert found[0].AcquisitionDateTime == "201505161200"
    assert not found[0].PatientBirthDate
    assert found[0].StudyDescription == "MR knee"
    assert "ContentDate" not in found[0] or not found[0].ContentDate
    assert found[0].PatientID == found[1].PatientID == KEY.pseudonym("PAT001")


@pytest.mark.answer("I2.5")
def test_a_file_says_what_was_done_to_it(zoo):
    from pydicom.sr.codedict import codes

    known = {getattr(codes.CID7050, name).value for name in codes.CID7050.dir()}
    data = (zoo / "219_MR_small.dcm").read_bytes()
    for retain, temporal in (
        ((), "REMOVED"),
        (("modified-dates", "descriptors"), "MODIFIED"),
        (("full-dates", "uids"), "UNMODIFIED"),
    ):
        out = dcmread(io.BytesIO(clean_dicom(data, Settings(retain=retain), KEY).content))
        assert out.PatientIdentityRemoved == "YES"
        assert out.LongitudinalTemporalInformationModified == temporal
        said = [item.CodeValue for item in out.DeidentificationMethodCodeSequence]
        expected = {"modified-dates": "113107", "descriptors": "113105", "full-dates": "113106", "uids": "113110"}
        assert said == sorted(["113100", *(expected[each] for each in retain)])
        assert set(said) <= known
        assert "2024b" in " ".join(out.DeidentificationMethod)
        assert "BurnedInAnnotation" not in out  # nobody looked at the pixels


@pytest.mark.answer("I2.6")
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize(
    "retain", [(), ("modified-dates", "descriptors", "structured-content")], ids=["basic", "cleaned"]
)
def test_no_file_has_an_error_that_it_did_not_have(zoo, tmp_path, retain):
    checked = clean_before = 0
    for path in sorted(zoo.iterdir())[2::4]:
        try:
            content = clean_dicom(path.read_bytes(), Settings(retain=retain, again=True), KEY).content
        except PreceptorError:
            continue
        out = tmp_path / "out.dcm"
        out.write_bytes(content)
        before, after = _validated(path), _validated(out)
        if before is None or after is None:
            continue
        checked += 1
        clean_before += not before
        assert after <= before, path.name
    assert checked >= 40 and clean_before >= 5


def _validated(path) -> set[str] | None:
    """dciodvfy's errors without the values it quotes; None where it ends itself."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    if done.returncode < 0:
        return None
    lines = (line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error"))
    return {re.sub(r"<[^>]*>|\b[\d.]+$", "", line) for line in lines}


@pytest.mark.answer("I2.7")
def test_all_required_actions_are_right_on_the_planted_file(zoo):
    data, words = canary_file(zoo / "219_MR_small.dcm")
    out = dcmread(io.BytesIO(clean_dicom(data, Settings(), KEY).content))
    right: Counter = Counter()
    required: Counter = Counter()
    for element in dcmread(io.BytesIO(data)).iterall():
        row = next((each for each in confidentiality_table() if each.tag == f"{element.tag:08x}"), None)
        if row is None:
            continue
        kinds = {"X": "remove", "Z": "empty or dummy", "D": "dummy", "U": "new UID"}
        kind = kinds[row.basic[0]]
        required[kind] += 1
        values = [each.value for each in out.iterall() if each.tag == element.tag]
        if kind == "remove":
            right[kind] += all(not each or "U" in row.basic or "D" in row.basic for each in values)
        else:
            right[kind] += all(each != element.value or not each for each in values) or element.VR == "SQ"
    assert right == required and sum(required.values()) >= 40, (right, required)
    assert len(words) == 43
