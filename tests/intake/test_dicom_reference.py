"""The reference page of DICOM says what is so: its tables are those that the tests and the files give."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from .dicom_reference import PAGE, absent_tests, between, outcomes, supported


def test_every_test_that_the_table_names_is_there():
    assert absent_tests() == []


def test_the_page_says_what_is_supported():
    """Out of date: python -m tests.intake.dicom_reference FOLDER."""
    assert between(PAGE.read_text(encoding="utf-8"), "supported") == supported()


def test_the_page_says_what_became_of_the_test_files(shared_data):
    if find_spec("libjpeg"):
        pytest.skip("with the extra jpeg-gpl more files are read")
    assert between(PAGE.read_text(encoding="utf-8"), "outcomes") == outcomes(shared_data("dicom_zoo"))
