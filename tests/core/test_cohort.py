"""Cohorts on disk: what is written is read again, and its hash says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError

CASES = (
    Case("a", {"t1": "a.nii", "t2": "a2.nii"}, patient="007", masks={"m": "am.nii"}, labels={"y": 1}, role="train"),
    Case(
        "b",
        {"t1": "b.nii"},
        patient="008",
        labels={"y": None},
        fields={"age": 50, "site": None},
        role="test",
        group="g",
    ),
    Case("c", {"t2": "c.nii"}, labels={"y": float("nan")}, fields={"age": None, "site": "north", "day": "3"}),
)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_cohort_comes_back_with_its_hash(suffix, tmp_path):
    cohort = Cohort(CASES, tmp_path, "study", ("a note",), (("too small", 3),))
    cohort.write(tmp_path / f"cohort.{suffix}")
    back = Cohort.read(tmp_path / f"cohort.{suffix}")
    assert back.digest() == cohort.digest() and back.root == tmp_path
    assert [(case.key, case.images, case.masks, case.patient, case.role, case.group) for case in back] == [
        (case.key, case.images, case.masks, case.patient, case.role, case.group) for case in cohort
    ]
    if suffix == "parquet":
        assert (back.name, back.notes, back.exclusions) == (cohort.name, cohort.notes, cohort.exclusions)


def test_the_hash_sees_every_change():
    cohort = Cohort(CASES, Path())
    assert Cohort(CASES[::-1], Path("elsewhere")).digest() == cohort.digest()
    for change in (
        {"role": "tune"},
        {"group": "h"},
        {"labels": {"y": 2}},
        {"images": {"t1": "x.nii"}},
        {"fields": {"age": 51}},
    ):
        assert cohort.with_cases((replace(CASES[1], **change), CASES[0], CASES[2])).digest() != cohort.digest()


def test_keys_are_unique_and_roles_known():
    with pytest.raises(CohortError, match="more than one case: a"):
        Cohort((CASES[0], CASES[0]), Path())
    with pytest.raises(CohortError, match="role 'validation'"):
        Cohort((Case("a", {}, role="validation"),), Path())


def test_a_csv_that_lies_elsewhere_still_finds_its_files(tmp_path):
    data, tables = tmp_path / "data", tmp_path / "tables"
    for folder in (data, tables):
        folder.mkdir()
    outside = str(tmp_path / "far.nii")
    cohort = Cohort((Case("a", {"t1": "a.nii", "t2": outside}, masks={"m": "m.nii"}), Case("b", {"t1": "b.nii"})), data)
    cohort.write(tables / "cohort.csv")
    back = Cohort.read(tables / "cohort.csv")
    places = [back.root / place for case in back for place in (*case.images.values(), *case.masks.values())]
    assert [place.resolve() for place in places] == [
        data / "a.nii",
        tmp_path / "far.nii",
        data / "m.nii",
        data / "b.nii",
    ]
    assert "t2" not in back.cases[1].images
