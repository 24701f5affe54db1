"""What holds for every data set: cases with keys of their own, sources that open, the same order twice."""

from __future__ import annotations

from preceptor.core.cohort import Case, Cohort
from preceptor.intake.case import open_case

from .plugins import each, example


@each("datasets")
def test_gives_cases_that_make_a_cohort(slot, name):
    dataset = example(slot, name)
    cases = tuple(dataset.cases())
    assert cases and all(isinstance(case, Case) for case in cases)
    assert all(case.images for case in cases), "a case has an image"
    Cohort(cases, dataset.cohort_root)  # refuses keys that stand twice and roles that are none


@each("datasets")
def test_its_sources_open(slot, name):
    dataset = example(slot, name)
    assert dataset.cohort_root.is_dir()
    for case in dataset.cases():
        opened = open_case(dataset.cohort_root, case)
        assert set(opened.images) == set(case.images) and set(opened.masks) == set(case.masks)


@each("datasets")
def test_sources_stay_below_the_root(slot, name):
    for case in example(slot, name).cases():
        for source in (*case.images.values(), *case.masks.values()):
            assert not source.startswith(("/", "..")) and "/../" not in source


@each("datasets")
def test_the_same_order_twice(slot, name):
    dataset = example(slot, name)
    assert list(dataset.cases()) == list(dataset.cases())


@each("datasets")
def test_keys_hold_no_file_name_unless_asked(slot, name):
    """A file's name often holds a patient's: a key made of it needs `keep_names`."""
    dataset = example(slot, name)
    if getattr(dataset, "keep_names", False):
        return
    for case in dataset.cases():
        assert "/" not in case.key and "\\" not in case.key
        assert case.key and case.key.strip() == case.key
