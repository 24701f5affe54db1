"""Known answers of tags to table: MR contrast, frame rates, ages, dates and times."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys

import numpy as np
import pytest

from preceptor.intake.tags.age import age_at_study, completed_years, years_of
from preceptor.intake.tags.dates import date_of, moment_of, time_of
from preceptor.intake.tags.frame_rate import frame_rate
from preceptor.intake.tags.mr_contrast import MrTags, field_strength_t, mr_contrast
from preceptor.intake.tags.table import describe, tag_rows

UTC = datetime.UTC


@pytest.fixture(scope="module")
def zoo(request):
    """Tags of every file of the zoo, by the number in its name."""
    from ..conftest import SHARED

    folder = SHARED / "dicom_zoo" / "files"
    if not folder.is_dir():
        pytest.skip("real data dicom_zoo is not here")
    rows = {}
    for path in sorted(folder.iterdir()):
        found = tag_rows(path, "file")
        if found:
            rows[path.name[:3]] = found[0]
    return rows


# --------------------------------------------------------------------------------------- P4.1, I4.2: MR contrast


def by_times(tr, te, ti, flip, sequences):
    tags = MrTags(sequences.split(), tr, te, ti, flip)
    return mr_contrast(tags)[0]


@pytest.mark.answer("P4.1")
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((500, 15, None, 90, "SE"), "T1"),
        ((4000, 100, None, 90, "SE"), "T2"),
        ((2500, 20, None, 90, "SE"), "PD"),
        ((9000, 120, 2500, 150, "SE IR"), "FLAIR"),
        ((5000, 40, 150, 180, "SE IR"), "STIR"),
        ((2300, 3, 900, 9, "GR IR"), "T1"),
        ((500, 20, None, 20, "GR"), "T2*"),
        ((1200, 60, None, 90, "SE"), "unknown"),
        ((12, 5.6, 415, 20, "SE"), "unknown"),
        ((235, 11, 0, 0, "GR"), "unknown"),
        ((100, 5, None, 30, "GR"), "T1"),
        ((9000, 120, 2500, 150, "SE"), "FLAIR"),
    ],
)
def test_contrast_by_times(tags, expected):
    assert by_times(*tags) == expected


ZOO = {
    "145": "T1",
    **dict.fromkeys(("219", "220", "221", "222", "125", "227"), "T2"),
    "082": "T2",
    "114": "T1",
    "289": "FLAIR",
    **dict.fromkeys(("170", "173", "175"), "T1"),
    **{f"{number:03}": "unknown" for number in range(52, 68)},
    "079": "unknown",
    **dict.fromkeys(("075", "080", "261"), "localizer"),
    **dict.fromkeys(("111", "116", "117", "118"), "unknown"),
}


@pytest.mark.answer("P4.1")
def test_contrast_of_the_zoo(zoo):
    mr = {number: row["mr_contrast"] for number, row in zoo.items() if row["modality"] == "MR"}
    assert {number: mr[number] for number in ZOO if number in mr} == {n: c for n, c in ZOO.items() if n in mr}
    assert len(set(ZOO) & set(mr)) >= len(ZOO) - 4
    assert zoo["289"]["mr_contrast_by"] == "name"
    assert zoo["052"]["inversion_time_ms"] is None  # 0 is absent
    for number in ("052", "075", "289"):
        assert zoo[number]["field_strength_t"] == pytest.approx(1.5, abs=0.01)
        assert "field_strength_in_gauss" in zoo[number]["findings"]
    assert field_strength_t(3.0) == (3.0, ()) and field_strength_t(15015) == (1.5015, ("field_strength_in_gauss",))


@pytest.mark.answer("I4.2")
def test_contrast_by_the_other_table(zoo):
    """Times as in I4.2, wherever both tables answer."""
    assert by_times(2500, 15, None, 90, "SE") == "PD"
    assert by_times(9000, 120, 2500, None, "SE IR") == "FLAIR"
    assert by_times(350, 27, None, None, "SE") == "T1"
    assert by_times(4000, 240, None, None, "SE") == "T2"
    assert by_times(2530, 1.64, 1200, 7, "GR IR") == "T1"
    expected = {"145": "T1", "125": "T2", "219": "T2", "114": "T1", "289": "FLAIR", "079": "unknown"}
    assert {number: zoo[number]["mr_contrast"] for number in expected} == expected
    assert {zoo[f"{number:03}"]["mr_contrast"] for number in range(52, 68)} == {"unknown"}
    weightings = {"T1", "T2", "PD", "FLAIR", "STIR", "T2*"}
    assert not {zoo[number]["mr_contrast"] for number in ("075", "080", "261")} & weightings
    times = MrTags(["RM"], 10002, 159.5)
    assert mr_contrast(times) == ("T2", "times")  # and by its name it is FLAIR
    assert mr_contrast(MrTags(["RM"], 10002, 159.5, names=["flair"])) == ("FLAIR", "name")


@pytest.mark.answer("I4.2")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t2_flair_tra", "FLAIR"), ("T1 MPRAGE", "T1"), ("sag stir", "STIR"), ("AX T2* GRE", "T2*"), ("t2_star", "T2*"),
        ("pd_tse_fs", "PD"), ("T1W/SE", "T1"), ("T1 T2 map", "unknown"), ("cat1 t10", "unknown"), ("updated", "unknown"),
        ("loc_MPR_cor", "localizer"), ("3-PLANE LOC", "localizer"), ("local shim", "unknown"),
    ],
)  # fmt: skip
def test_contrast_by_name(name, expected):
    assert mr_contrast(MrTags(names=[name]))[0] == expected


# ------------------------------------------------------------------------------------------ P4.2, I4.1: frame rates


@pytest.mark.answer("P4.2")
def test_a_rate_that_was_measured_beats_one_for_display(zoo):
    rate = frame_rate(30, frame_time_ms=33.333)
    assert rate.rate_hz == pytest.approx(30.0003, abs=1e-4) and not rate.is_for_display
    rate = frame_rate(10, frame_time_ms=40, cine_hz=30)
    assert (rate.rate_hz, rate.source, rate.findings) == (25, "FrameTime", ("frame_rate_disagrees",))
    rate = frame_rate(10, cine_hz=30)
    assert (rate.rate_hz, rate.is_for_display) == (30, True)
    assert frame_rate(10, display_hz=20, cine_hz=30).source == "RecommendedDisplayFrameRate"
    rate = frame_rate(4, vector_ms=[0, 40, 20, 60], frame_time_ms=33)
    assert rate.rate_hz == pytest.approx(25) and rate.source == "FrameTimeVector"
    assert frame_rate(3, acquired_s=[0, 0.5, 1], frame_time_ms=33).rate_hz == 2
    rate = frame_rate(10, frame_time_ms=0)
    assert rate.rate_hz is None and rate.findings == ("frame_time_zero",)
    assert zoo["094"]["frame_rate_hz"] is None
    assert zoo["085"]["frame_rate_hz"] is None  # ActualFrameDuration is an exposure


@pytest.mark.answer("I4.1")
def test_rate_and_length_of_the_zoos_film(zoo, shared_data):
    from preceptor.intake.read import read_image

    assert zoo["271"]["frame_rate_hz"] == pytest.approx(30.0003, abs=1e-4)
    assert (zoo["271"]["frame_time_ms"], zoo["271"]["frames"]) == (33.333, 30)
    assert zoo["271"]["frame_time_ms"] * zoo["271"]["frames"] == pytest.approx(999.99)
    folder = shared_data("dicom_zoo") / "files"
    times_s = np.array(read_image(folder, next(folder.glob("271_*")).name).meta["frame_times_s"])
    assert times_s[-1] == pytest.approx(0.9667, abs=1e-4)
    assert "frame_time_zero" in zoo["094"]["findings"]


# ------------------------------------------------------------------------------------------------------- P4.3: age


@pytest.mark.answer("P4.3")
def test_age_strings_and_birthdays():
    known = {"036Y": 36, "006M": 0.5, "012D": 0.032854209, "002W": 0.038329911, "104W": 1.993155373}
    for text, years in known.items():
        assert years_of(text) == pytest.approx(years, abs=1e-9)
    leap, june = datetime.date(2000, 2, 29), datetime.date(1980, 6, 15)
    assert completed_years(leap, datetime.date(2023, 2, 28)) == 22
    assert completed_years(leap, datetime.date(2023, 3, 1)) == 23
    assert completed_years(june, datetime.date(2020, 6, 14)) == 39
    assert completed_years(june, datetime.date(2020, 6, 15)) == 40
    newborn = age_at_study("000Y", datetime.date(2020, 1, 1), datetime.date(2020, 1, 3))
    assert (newborn.years, newborn.source) == (0, "tag")
    by_dates = age_at_study("", june, datetime.date(2020, 6, 14))
    assert (by_dates.years, by_dates.source) == (39, "dates")


@pytest.mark.answer("P4.3")
def test_ages_of_the_zoo(zoo):
    for number, years in {"134": 75, "135": 75, "167": 22}.items():
        assert zoo[number]["age_years"] == years and "age_short" in zoo[number]["findings"]
    zero = [number for number, row in zoo.items() if "age_zero" in row["findings"]]
    assert len(zero) == 8 and "085" in zero
    assert {zoo[number]["age_years"] for number in zero} == {None}
    for number, years in {"037": 52, "082": 10, "167": 22, "134": 75}.items():
        assert zoo[number]["age_years"] == years and "age_disagrees" in zoo[number]["findings"]
    for number, years in {"079": 26, "080": 31, "114": 29}.items():
        assert zoo[number]["age_years"] == years and "age_disagrees" not in zoo[number]["findings"]


# --------------------------------------------------------------------------------------------- P4.4: dates and times


@pytest.mark.answer("P4.4")
def test_times_of_day():
    known = {
        "070907.0705": datetime.time(7, 9, 7, 70500),
        "10": datetime.time(10),
        "1010": datetime.time(10, 10),
        "120000.1": datetime.time(12, 0, 0, 100000),
        "110036.00": datetime.time(11, 0, 36),
        "111154.812": datetime.time(11, 11, 54, 812000),
        "14:04:38": datetime.time(14, 4, 38),
        "235960": datetime.time(23, 59, 59),
    }
    for text, expected in known.items():
        assert time_of(text).value == expected
    assert time_of("235960").notes == ("leap_second",) and time_of("14:04:38").notes == ("old_form",)
    assert time_of("  ") is None
    for text in ("240000", "126000", "7", "070907.", "07:9", "070907.0705123"):
        with pytest.raises(ValueError, match=r"time|hour|minute"):
            time_of(text)


@pytest.mark.answer("P4.4")
def test_moments_with_and_without_a_zone():
    moment = moment_of("20240102030405.123456-0500")
    assert moment.utc == datetime.datetime(2024, 1, 2, 8, 4, 5, 123456, UTC)
    assert str(moment) == "2024-01-02T03:04:05.123456-05:00"
    assert moment_of("202401020304+0530").utc == datetime.datetime(2024, 1, 1, 21, 34, tzinfo=UTC)
    assert moment_of("20240102030405-0000").utc == datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    for text, precision, shown in (("2024", "year", "2024"), ("20240102", "day", "2024-01-02")):
        partial = moment_of(text, "-0500")
        assert (partial.precision, partial.utc) == (precision, None) and str(partial).startswith(shown + "-05")
    local = moment_of("20240102030405")
    assert local.offset is None and local.utc is None and str(local) == "2024-01-02T03:04:05"
    assert moment_of("20240102030405", "-0400").utc.hour == 7
    assert moment_of("20240102030405.5").precision == "fraction" and moment_of("2024010203").precision == "hour"
    for text in ("20230229", "00000000", "2024010225", "20240102030405-1500"):
        with pytest.raises(ValueError, match=r"."):
            moment_of(text)


@pytest.mark.answer("P4.4")
def test_dates(zoo):
    assert date_of("20240229") == (datetime.date(2024, 2, 29), ())
    assert date_of("1997.04.24") == (datetime.date(1997, 4, 24), ("old_form",))
    assert date_of("") == (None, ())
    for text in ("20230229", "00000000", "2024-01-02", "202401"):
        with pytest.raises(ValueError, match=r"."):
            date_of(text)
    expected = {
        "121": ("1997-04-24", "14:04:38"),
        "122": ("1994-11-05", "11:20:00"),
        "289": ("1996-06-11", "09:11:56"),
    }
    for number, (day, clock) in expected.items():
        row = zoo[number]
        assert day in (row["study_date"], row["acquisition_date"])
        assert clock in (row["study_time"], row["series_time"], row["acquisition_time"])
        assert {"date_old_form", "time_old_form"} <= set(row["findings"].split(";"))
    zones = [row["utc_offset"] for row in zoo.values() if row["utc_offset"]]
    assert len(zones) >= 30 and set(zones) <= {"-0400", "-0500", "+0000", "-0600"}


@pytest.mark.answer("P4.4")
def test_the_machines_zone_changes_nothing(tmp_path):
    import os

    code = (
        "from preceptor.intake.tags.dates import moment_of as m; print(m('20240102030405'), m('202401020304+0530').utc)"
    )
    said = set()
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        environment = {**os.environ, "TZ": zone}
        said.add(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout)
    assert said == {"2024-01-02T03:04:05 2024-01-01 21:34:00+00:00\n"}


def test_damaged_tags_are_absent_and_named():
    from pydicom import Dataset

    header = Dataset()
    header.add_new(0x00080020, "DA", "20230229")
    header.add_new(0x00080030, "TM", "990000")
    header.add_new(0x00101010, "AS", "abc")
    row = describe(header)
    assert row["study_date"] is row["study_time"] is row["age_years"] is None
    assert set(row["findings"].split(";")) == {"date_damaged", "time_damaged", "age_damaged"}
    assert not any(isinstance(each, float) and math.isnan(each) for each in row.values())
