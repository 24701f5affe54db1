"""Known answers of hostile input: thousands of damaged files, each read or refused by name; bombs, links, deep nesting."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fuzzing.campaign import tried
from tests.fuzzing.readers import READERS
from tests.fuzzing.seeds import KINDS, write_seeds

#: Kinds whose libraries load in less time than a fast test has.
LIGHT = tuple(kind for kind in ("nifti", "nifti_gz", "png", "jpeg", "bmp", "npy", "npz", "coco", "geojson", "mdai"))


HEAVY = tuple(kind for kind in KINDS if kind not in LIGHT)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Path:
    """Whole files of the light kinds."""
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(folder, LIGHT)
    return folder


def outcomes(found) -> dict[str, int]:
    read = sum(number for (_, outcome), number in found.outcomes.items() if outcome == "read")
    return {"read": read, "refused": found.files - read - len(found.findings)}


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("kind", LIGHT)
def test_what_is_damaged_was_right(kind, seeds, tmp_path):
    for whole in sorted((seeds / kind).iterdir()):
        READERS[kind](Path(shutil.copy(whole, tmp_path)))


@pytest.mark.slow
@pytest.mark.answer("I12.3")
def test_what_is_damaged_and_slow_to_load_was_right(tmp_path):
    write_seeds(tmp_path, HEAVY)
    for kind in HEAVY:
        for whole in sorted((tmp_path / kind).iterdir()):
            READERS[kind](whole)


@pytest.mark.answer("I12.3")
def test_three_hundred_damaged_files_are_read_or_refused(seeds):
    found = tried(seeds, [(kind, number) for number in range(300 // len(LIGHT)) for kind in LIGHT])
    assert not found.findings
    assert found.files == 300 and min(outcomes(found).values()) > 60


@pytest.mark.slow
@pytest.mark.answer("I12.3")
def test_five_thousand_damaged_files_are_read_or_refused(tmp_path):
    write_seeds(tmp_path)
    files = [(kind, number) for number in range(-(-5000 // len(KINDS))) for kind in KINDS][:5000]
    found = tried(tmp_path, files)
    assert not found.findings, found.findings[:20]
    assert found.files == 5000 and min(outcomes(found).values()) > 1000
    assert {kind for kind, outcome in found.outcomes if outcome == "read"} == set(KINDS)
