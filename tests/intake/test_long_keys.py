"""Keys are hashes: where two cases of a very large cohort get one by chance, all keys of the cohort are longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Pillow

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.naming import _DIGITS, case_key, long_keys
from preceptor.intake.synthesis.phantom_planes import write_planes

from .test_zipped_cohorts import GREY, np


@pytest.fixture
def short():
    """Keys of one digit: of 40 cases some share one."""
    before = _DIGITS.set(1)
    yield
    _DIGITS.reset(before)


def write(folder, number=40):
    rows = ["path,patient,label"]
    for each in range(number):
        Pillow.fromarray(np.full((4, 4), each, np.uint8)).save(folder / f"{each}.png")
        rows.append(f"{each}.png,{each // 2},{each % 2}")
    (folder / "cases.csv").write_text("\n".join([*rows, "gone.png,9,1"]))
    return build("datasets", {"table": {"file": "cases.csv", "image": "path", "patient": "patient"}}, root=folder)


def test_keys_are_short_where_they_tell_cases_apart(tmp_path):
    assert {len(case.key) for case in build_cohort(write(tmp_path))} == {len("case-") + 8}


def test_keys_that_meet_by_chance_are_made_longer(tmp_path, short):
    dataset = write(tmp_path)
    cohort = build_cohort(dataset)
    assert len(cohort) == 40 and {len(case.key) for case in cohort} == {len("case-") + 16}
    assert cohort.exclusions == (("the image file is absent", 1),), "what is left out is counted once"
    assert [case.key for case in cohort] == [case.key for case in build_cohort(write(tmp_path))]
    assert len(case_key("x")) == len("case-") + 1, "afterwards they are as before"


class Twice:
    """Two cases of one name."""

    cohort_root = Path()

    def cases(self):
        yield from (Case(case_key("p/1"), {"image": name}) for name in "ab")


def test_cases_of_one_name_are_still_refused():
    with pytest.raises(CohortError) as refused:
        build_cohort(Twice())
    assert refused.value.problem.code == "key_twice"


def test_long_keys_of_series_find_their_files(tmp_path, short):
    """Two series in one folder are read by their keys, long as they are, when keys are short again."""
    for number in range(20):
        about = {"patient": f"{number}", "study": f"{number}", "series": f"{number}"}
        write_planes(tmp_path / "all" / f"{number}", GREY + number, np.diag([1.0, 1.0, 2.0, 1.0]), about=about)
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in (tmp_path / "all").rglob("*"):
        if path.is_file():
            path.rename(folder / f"{path.parent.name}-{path.name}")
    cohort = build_cohort(build("datasets", {"dicom": {"folder": "mixed"}}, root=tmp_path))
    assert len(cohort) == 20 and all("::series-" in case.images["image"] for case in cohort)
    lowest = sorted(int(open_case(cohort.root, case).reference.array.min()) for case in cohort)
    assert lowest == list(range(20))


def test_long_keys_begin_as_short_ones():
    with long_keys():
        long = case_key("p/1")
    assert long.startswith(case_key("p/1")) and len(long) == len(case_key("p/1")) + 8
