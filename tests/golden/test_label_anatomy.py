"""I12.10: hippocampi tell how their parts lie, so exchanged labels and flips along y and z are found in every case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build
from preceptor.intake.checks.label_anatomy import centres_mm
from preceptor.intake.read import read_image

ANTERIOR, POSTERIOR = "1", "2"


@pytest.fixture(scope="module")
def centres(request):
    """``{key: {value: (x, y, z)}}`` in millimetres, of every map as it is, flipped along each axis, and exchanged."""
    from tests.conftest import SHARED

    folder = SHARED / "hippocampus_msd_task04"
    if not folder.is_dir():
        pytest.skip("real data hippocampus_msd_task04 is not here")
    found = {}
    for path in sorted((folder / "labels").glob("*.nii.gz")):
        mask = read_image(folder, f"labels/{path.name}", is_label=True)
        assert np.allclose(mask.affine_mm[:3, :3], np.diag(np.abs(np.diag(mask.affine_mm[:3, :3]))))  # RAS
        found[path.name.split(".")[0]] = (centres_mm(mask), (np.array(mask.shape) - 1) * mask.spacing_mm)
    return found


def flipped(each, extent, axis):
    """Centres of the same map stored the other way round; the origin is 0 in these files or drops out of differences."""
    made = {value: list(place) for value, place in each.items()}
    for place in made.values():
        place[axis] = float(extent[axis]) - place[axis]
    return made


def told(centres, changed, **settings):
    """Keys that the check names where some cases' centres are changed."""
    check = build("checks", {"label_anatomy": settings})
    facts = {key: {"label": each} for key, (each, _) in (centres | changed).items()}
    cohort = Cohort(tuple(Case(key, {"image": "i"}, masks={"label": "m"}) for key in facts), Path())
    problems = check(cohort, facts, None)
    assert all(problem.severity == "error" for problem in problems)
    return {key for problem in problems for key in problem.cases}


@pytest.mark.answer("I12.10")
def test_the_parts_lie_alike_in_all_hippocampi(centres):
    apart = np.array([np.subtract(each[ANTERIOR], each[POSTERIOR]) for each, _ in centres.values()])
    assert len(apart) == 178
    assert (apart[:, 1] > 0).all() and (apart[:, 2] < 0).all()
    assert apart[:, 1].min() == pytest.approx(13.9, abs=0.05) and apart[:, 1].max() == pytest.approx(22.7, abs=0.05)
    assert apart[:, 2].min() == pytest.approx(-12.2, abs=0.05) and apart[:, 2].max() == pytest.approx(-0.97, abs=0.005)
    assert (apart[:, 0] > 0).any() and (apart[:, 0] < 0).any()
    assert told(centres, {}) == set()


@pytest.mark.answer("I12.10")
@pytest.mark.parametrize("fault", ["exchanged", "flipped along y", "flipped along z"])
def test_each_single_fault_is_found_in_every_case(centres, fault):
    for key, (each, extent) in centres.items():
        if fault == "exchanged":
            made = {ANTERIOR: each[POSTERIOR], POSTERIOR: each[ANTERIOR]}
        else:
            made = flipped(each, extent, "xyz".index(fault[-1]))
        assert told(centres, {key: (made, extent)}) == {key}


@pytest.mark.answer("I12.10")
def test_a_flip_from_left_to_right_cannot_be_found(centres):
    key = next(iter(centres))
    each, extent = centres[key]
    assert told(centres, {key: (flipped(each, extent, 0), extent)}) == set()


@pytest.mark.answer("I12.10")
def test_several_faults_at_once_and_what_was_confirmed(centres):
    keys = list(centres)[5:20:2]
    changed = {
        key: ({ANTERIOR: centres[key][0][POSTERIOR], POSTERIOR: centres[key][0][ANTERIOR]}, centres[key][1])
        for key in keys
    }
    assert told(centres, changed) == set(keys)
    assert told(centres, changed, confirmed=keys[:3]) == set(keys[3:])
    few = dict(list(centres.items())[:12])
    assert told(few, {next(iter(few)): changed[keys[0]]}) == set(), "a dozen cases make no rule"


@pytest.mark.answer("I12.10")
def test_a_spacing_twice_as_large_stands_apart(shared_data):
    """Volumes of 2382 to 4263 mm³, mean 3280, deviation 433: 8 times as much is 15.4 deviations of the logarithm."""
    folder = shared_data("hippocampus_msd_task04")
    volumes = []
    for path in sorted((folder / "labels").glob("*.nii.gz")):
        mask = read_image(folder, f"labels/{path.name}", is_label=True)
        volumes.append(np.count_nonzero(mask.array) * float(np.prod(mask.spacing_mm)))
    assert (min(volumes), max(volumes)) == pytest.approx((2382, 4263), abs=0.5)
    assert (np.mean(volumes), np.std(volumes)) == pytest.approx((3280, 433), abs=2)
    assert np.log(8) / np.std(np.log(volumes)) == pytest.approx(15.4, abs=0.1)
    check = build("checks", {"implausible_spacing": {}})
    task = build("tasks", {"segmentation": {"labels": {"anterior": 1, "posterior": 2}}})
    facts = {f"c{n}": {"images": {}, "volumes": {"label": volume}} for n, volume in enumerate(volumes)}
    cohort = Cohort(tuple(Case(key, {"image": "i"}, masks={"label": "m"}) for key in facts), Path())
    assert check(cohort, facts, task) == []
    facts["c7"]["volumes"]["label"] *= 8
    (problem,) = check(cohort, facts, task)
    assert (problem.code, problem.cases) == ("label_volume", ("c7",))
