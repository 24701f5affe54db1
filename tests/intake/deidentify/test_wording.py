"""Words that stay and words that go."""

from __future__ import annotations

import pytest

from preceptor.intake.deidentify.codes import is_public_code
from preceptor.intake.deidentify.wording import cleaned, is_code_string, vocabulary, without_own, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t1 mprage sag 1mm", "t1 mprage sag 1mm"),
        ("CT chest 5 mm for Dr Arden, 03/02/2021", "CT chest 5 mm for"),
        ("MR brain Mr. Quillfeather", "MR brain"),
        ("MS follow-up 4", "MS follow up 4"),
        ("knee 20210310 1234567", "knee"),
        ("12 March 2021 abdomen", "abdomen"),
        ("Smith, Quillfeather, Zebedee", ""),
    ],
)
def test_descriptions_keep_the_trades_words(text, expected):
    assert cleaned(text) == expected


def test_a_patients_own_words_go_even_where_they_are_the_trades():
    assert cleaned("brain chest", words_of("Chest^Anna")) == "brain"
    assert without_own("SOMATOM of Anna, 23.04.1951", words_of("Chest^Anna"), dates=False) == "SOMATOM of ,"
    assert "smith" not in vocabulary() and "axial" in vocabulary() and len(vocabulary()) > 5000


def test_code_strings_and_codes():
    for value in (b"ORIGINAL", b"FLUID_ATTENUATED", b"ISO_IR 100", b"SCOORD3D", b"MONOCHROME2", b"FFDL", b""):
        assert is_code_string(value), value
    for value in (b"QUILLFEATHER", b"MRN7734019", b"19510423", "GRÜN".encode("latin-1")):
        assert not is_code_string(value), value
    assert is_public_code("SCT", "39607008") and not is_public_code(
        "SCT", "39607009"
    )  # the last digit checks the others
    assert is_public_code("DCM", "113100") and not is_public_code("DCM", "QUILLFEATHER")
    assert is_public_code("UCUM", "mm2/s") and is_public_code("UCUM", "[hnsf'U]") is False
    assert not is_public_code("99LOCAL", "113100")
