"""A cohort's files stay inside the folders it may read from."""

from __future__ import annotations

import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.intake.confining import refuse_outside


def cohort(root, *sources):
    return Cohort(tuple(Case(f"case-{i}", {"image": source}) for i, source in enumerate(sources)), root)


def test_files_inside_pass(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"")
    refuse_outside(cohort(tmp_path, "a.nii", "series"), [tmp_path])


@pytest.mark.parametrize("source", ["link.nii", "linked/a.nii", "../outside/a.nii", "series", "link.nii::2"])
def test_what_leads_outside_is_refused_by_key(tmp_path, source):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "series").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.nii").write_bytes(b"")
    (inside / "good.nii").write_bytes(b"")
    (inside / "link.nii").symlink_to(outside / "a.nii")
    (inside / "linked").symlink_to(outside)
    (inside / "series" / "1.dcm").symlink_to(outside / "a.nii")
    with pytest.raises(CohortError, match="outside the allowed folders") as caught:
        refuse_outside(cohort(inside, "good.nii", source), [inside])
    (problem,) = caught.value.problems
    assert problem.cases == ("case-1",) and "a.nii" not in str(caught.value)
    refuse_outside(cohort(inside, source), [inside, outside])
