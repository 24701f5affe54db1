"""Whatever is wrong with a cohort, no check and no refused split repeats a patient's identifier or a file's name."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from PIL import Image as Pillow

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.slots import names
from preceptor.intake.checking import check_cohort
from preceptor.intake.split import refuse_leak, split
from preceptor.learn.tasks.classification import Classification

from .test_crops import texture

SECRET = "CANARY"


def planted(folder, *, roles: bool) -> Cohort:
    """Films of people under ids that differ in case and spaces, on both sides of the split; copies, lost and broken files."""
    ids = [f"{SECRET}-{n:02}" for n in range(12)]
    ids[6], ids[7], ids[8] = ids[0], f" {ids[1].lower()}", f"{ids[2]} "
    cases = []
    for number, patient in enumerate(ids):
        path = folder / f"{SECRET}{number}.png"
        Pillow.fromarray(texture(3 if number == 9 else number, 48)).save(path)
        fields = {"PatientName": f"{SECRET} {number // 2}", "site": "AB"[number % 2], "birth_date": "1931-02-03"}
        role = ("train", "test")[number // 6] if roles else None
        label = {"finding": ("no", "yes")[number % 2]}
        cases.append(Case(f"case-{number}", {"image": path.name}, patient, labels=label, fields=fields, role=role))
    (folder / f"{SECRET}4.png").write_bytes(b"broken")
    (folder / f"{SECRET}5.png").unlink()
    return Cohort(tuple(cases), folder)


def told(problems) -> str:
    return "\n".join(f"{problem} {asdict(problem)}" for problem in problems)


def test_no_check_names_anyone(tmp_path):
    cohort = planted(tmp_path, roles=True)
    problems = check_cohort(
        cohort, list(names("checks")), {"given": True}, 0, Classification(["no", "yes"], "finding")
    ).problems
    codes = {problem.code for problem in problems}
    assert {"leak", "duplicates_across_split", "file_absent", "leaked_patients"} <= codes, codes
    assert SECRET.lower() not in told(problems).lower()


@pytest.mark.parametrize(
    "settings",
    [
        {"by": "image", "train": 0.5, "test": 0.5},
        {"by": "nothing", "train": 0.5, "test": 0.5},
        {"by": "site", "train": 0.3, "tune": 0.3, "test": 0.4},
        {"by": "patient", "train": 0.5, "test": 0.5, "time": "birth_date"},
        {"by": "patient", "train": 0.5, "test": 0.5, "time": "PatientName"},
        {"by": "patient", "train": 0.5, "test": 0.5, "stratify": "PatientName"},
        {"by": "patient", "train": 1.0, "external": {"PatientName": ["nobody"]}},
        {"given": True},
    ],
)
def test_no_refused_split_names_anyone(tmp_path, settings):
    cohort = planted(tmp_path, roles=False)
    given = {
        "tune": 0.0,
        "calibrate": 0.0,
        "test": 0.0,
        "stratify": None,
        "time": None,
        "adapt": None,
        "external": None,
    }
    try:
        made = split(cohort, given | {"given": False} | settings, 0)
    except CohortError as error:
        assert SECRET.lower() not in told([error.problem, *error.problems]).lower() + str(error).lower()
    else:
        assert SECRET not in " ".join([*made.notes, *(reason for reason, _ in made.exclusions)])


def test_a_person_on_two_sides_is_not_named(tmp_path):
    with pytest.raises(CohortError) as refused:
        refuse_leak(planted(tmp_path, roles=True))
    assert "case-0" in str(refused.value) and SECRET.lower() not in str(refused.value).lower()
