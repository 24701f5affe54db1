"""How images stand out: noise, blur, values cut off, spoilt slices, another kind; in a cohort and before a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.checking import check_cohort, fit_checks, read_facts, read_problems, write_checked
from preceptor.intake.survey import check_sample
from preceptor.intake.write import write_image
from preceptor.maths import quality


def textured(seed, noise=0.05, shape=(40, 40)):
    """Soft blobs with a little noise, 0 to about 1; fewer than one pixel in a thousand lies at an end of the range."""
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.normal(size=shape), 3)
    return ((smooth - smooth.min()) / np.ptp(smooth) + generator.normal(0, noise, shape)).astype(np.float32)


def opened(array, key="case", affine_mm=None):
    return Sample(key, {"image": Image(array[None], np.eye(4) if affine_mm is None else affine_mm)})


def reports(check, samples, role=None):
    cases = tuple(Case(key, {"image": ""}, role=role) for key in samples)
    facts = {case.key: json.loads(json.dumps(check.look(case, samples[case.key], None))) for case in cases}
    return check, Cohort(cases, Path()), facts


usual = {f"usual {seed}": opened(textured(seed)) for seed in range(40)}
ODD = {
    "noisy": (textured(100, noise=0.4), "image_noisy"),
    "blurred": (gaussian_filter(textured(101), 2), "image_blurred"),
    "dark": (np.maximum(textured(102), 0.45), "image_dark_cut"),
    "bright": (np.minimum(textured(103), 0.5), "image_bright_cut"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_stands_out_in_a_cohort_is_named_and_before_a_model_refused(name):
    array, code = ODD[name]
    check, cohort, facts = reports(build("checks", "image_quality"), usual | {"odd": opened(array)})
    problems = {each.code: each for each in check(cohort, facts, None)}
    assert problems[code].cases == ("odd",) and problems[code].severity == "warning"
    assert "the others" in problems[code].what

    check, cohort, facts = reports(check, usual, role="train")
    learnt = check.with_state(check.fit(cohort, facts))
    assert check_sample(opened(textured(200)), [learnt]) == []
    refused = {each.code: each for each in check_sample(opened(array), [learnt])}
    assert refused[code].severity == "error" and "any the model learnt from" in refused[code].what


def test_few_images_say_nothing_of_what_is_usual():
    few = dict(list(usual.items())[:15])
    check, cohort, facts = reports(build("checks", "image_quality"), few | {"odd": opened(ODD["noisy"][0])})
    assert check(cohort, facts, None) == []


def test_limits_come_from_training_cases_alone():
    check, cohort, facts = reports(build("checks", "image_quality"), usual | {"odd": opened(ODD["noisy"][0])})
    roles = {case.key: "test" if case.key == "odd" else "train" for case in cohort}
    dealt = cohort.with_cases(Case(case.key, case.images, role=roles[case.key]) for case in cohort)
    changed = facts | {"odd": {"image": dict.fromkeys(facts["odd"]["image"], 1e6)}}
    assert check.fit(dealt, facts) == check.fit(dealt, changed)


def test_empty_and_repeated_slices():
    volume = np.stack([textured(seed) for seed in range(9)], axis=-1)
    assert quality.spoilt_slices(volume) == (0, 0)
    margins = np.pad(volume, ((2, 2), (0, 0), (3, 1)))
    assert quality.spoilt_slices(margins) == (0, 0), "margins are no fault"
    repeated, empty = volume.copy(), volume.copy()
    repeated[..., 4] = repeated[..., 3]
    empty[..., 5:7] = 0
    assert quality.spoilt_slices(repeated) == (0, 1) and quality.spoilt_slices(empty) == (2, 0)
    check = build("checks", "image_quality")
    (problem,) = check_sample(opened(repeated), [check])
    assert (problem.code, problem.severity) == ("slices_repeated", "error")
    assert "1 volume has slices that repeat the one before" in problem.what


def test_noise_is_taken_in_the_finest_planes():
    """Slices 5 mm apart differ by anatomy, not by noise."""
    volume = np.stack([textured(seed, noise=0.02) for seed in range(12)], axis=1)
    planes = quality.planes_of(volume, (1.0, 5.0, 1.0))
    assert planes.shape == (12, 40, 40)
    assert quality.noise_deviation(planes) == pytest.approx(0.02, rel=0.15)
    assert quality.planes_of(volume, (1.0, 1.0, 5.0)).shape == (32, 40, 12)
    assert len(quality.planes_of(np.zeros((8, 8, 300)), (1.0, 1.0, 1.0))) <= 32


def test_an_outlying_image_is_named_by_what_is_odd_in_it():
    grid = np.linspace(-1, 1, 48)
    x, y = np.meshgrid(grid, grid, indexing="ij")

    def ring(seed):
        generator = np.random.default_rng(seed)
        radius = np.hypot(x - generator.uniform(-0.03, 0.03), y - generator.uniform(-0.03, 0.03))
        return (np.exp(-((radius - 0.6) ** 2) / 0.02) + generator.normal(0, 0.05, x.shape)).astype(np.float32)

    rings = {f"ring {seed}": opened(ring(seed)) for seed in range(60)}
    check, cohort, facts = reports(build("checks", "outlying_images"), rings)
    assert check(cohort, facts, None) == []
    bar = (np.abs(x) < 0.2).astype(np.float32) + 0.05 * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    check, cohort, facts = reports(check, rings | {"bar": opened(bar)})
    problems = check(cohort, facts, None)
    assert problems and all(each.cases == ("bar",) and each.code == "image_outlying" for each in problems)
    assert "unlike the others" in problems[0].what


def test_a_checked_cohort_is_kept_with_its_facts_and_what_the_checks_learn(tmp_path):
    for number in range(30):
        write_image(tmp_path / f"{number:02d}.nii.gz", Image(textured(number, shape=(24, 24, 6))[None], np.eye(4)))
    cases = tuple(Case(f"{number:02d}", {"image": f"{number:02d}.nii.gz"}) for number in range(30))
    checks = ["image_quality", "unreadable"]
    checked = check_cohort(Cohort(cases, tmp_path), checks, {"train": 0.8, "test": 0.2, "by": "image"}, 0, None)
    assert set(checked.facts) == {"image_quality"}
    write_checked(tmp_path, checked.problems, checked.facts)
    assert read_problems(tmp_path) == checked.problems and read_problems(tmp_path / "elsewhere") is None
    learnt = fit_checks(checks, checked.cohort, read_facts(tmp_path))
    assert learnt[1] is None and set(learnt[0]["image"]) == {"noise", "blur", "dark", "bright"}
