"""Known answers of the statistics that evidence rests on: overlap, surfaces, ranking, intervals, leakage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Evidence
from preceptor.core.slots import build
from preceptor.maths.intervals import Resamples, bootstrap, mean_statistic
from preceptor.maths.overlap import dice, iou, overlap
from preceptor.maths.roc import (
    auroc,
    auroc_statistic,
    average_precision,
    average_precision_statistic,
    curve,
)
from preceptor.maths.surface import surface_distances

GOLDEN = {"abs": 1e-6}


@pytest.fixture
def squares():
    """Two 8 x 8 masks: A rows 2-5 x columns 2-5, B rows 3-6 x columns 2-4."""
    first, second = np.zeros((2, 8, 8), dtype=bool)
    first[2:6, 2:6] = True
    second[3:7, 2:5] = True
    return first, second


@pytest.mark.answer("L14.1")
def test_overlap_of_two_squares(squares):
    counts = overlap(*(each.astype(np.int16) for each in squares), classes=2)
    assert (counts.both[1], counts.truth[1], counts.answer[1]) == (9, 16, 12)
    assert dice(counts)[1] == pytest.approx(0.642857143, **GOLDEN)
    assert iou(counts)[1] == pytest.approx(0.473684211, **GOLDEN)


@pytest.mark.answer("L14.1")
def test_voxels_that_nobody_labelled_enter_no_count(squares):
    truth, answer = (each.astype(np.int16) for each in squares)
    truth[6] = -1  # three answered voxels that nobody can judge
    assert dice(overlap(truth, answer, classes=2))[1] == pytest.approx(2 * 9 / (16 + 9))


@pytest.mark.answer("L14.1")
@pytest.mark.parametrize(
    ("spacing", "hausdorff", "directed", "pooled", "average", "mean_of_means", "within_one"),
    [
        ((1, 1), 1.414213562, 1.186396103, 1.0, 0.655191526, 0.650592232, 0.954545455),
        ((3, 1), 3.162277660, 3.073024947, 3.0, 1.280103530, 1.273428236, 0.681818182),
    ],
)
def test_surface_distances_of_two_squares(
    squares, spacing, hausdorff, directed, pooled, average, mean_of_means, within_one
):
    found = surface_distances(*squares, spacing)
    assert (len(found.forth), len(found.back)) == (12, 10)
    assert found.hausdorff == pytest.approx(hausdorff, **GOLDEN)
    assert found.percentile(95) == pytest.approx(directed, **GOLDEN)
    assert found.percentile(95, pooled=True) == pytest.approx(pooled, **GOLDEN)
    assert found.average() == pytest.approx(average, **GOLDEN)
    assert found.average(pooled=False) == pytest.approx(mean_of_means, **GOLDEN)
    assert found.within(1.0) == pytest.approx(within_one, **GOLDEN)
    turned = surface_distances(*reversed(squares), spacing)  # both directions count alike
    assert turned.percentile(95) == pytest.approx(directed, **GOLDEN)
    assert turned.within(1.0) == pytest.approx(within_one, **GOLDEN)


@pytest.mark.answer("L14.1")
def test_distances_to_nothing_are_undefined(squares):
    nothing = np.zeros((8, 8), dtype=bool)
    assert surface_distances(squares[0], nothing, (1, 1)) is None
    assert surface_distances(nothing, squares[1], (1, 1)) is None
    assert surface_distances(nothing, nothing, (1, 1)) is None


TRUTH = np.array((0, 1, 0, 1, 1, 0, 1, 0))
SCORE = np.array((0.1, 0.4, 0.4, 0.4, 0.8, 0.6, 0.9, 0.1))


@pytest.mark.answer("L14.2")
def test_auroc_counts_a_tie_as_one_half():
    assert auroc(TRUTH, SCORE) == pytest.approx(0.8125, **GOLDEN)
    resamples = Resamples.of(np.arange(8), 100)
    assert bootstrap(auroc_statistic(TRUTH, SCORE, resamples), resamples).value == pytest.approx(0.8125, **GOLDEN)
    points = curve(TRUTH, SCORE)
    area = np.trapezoid(points.sensitivity, points.false_positive_rate)
    assert area == pytest.approx(0.8125, **GOLDEN)


@pytest.mark.answer("L14.2")
def test_average_precision_steps_over_distinct_scores():
    assert average_precision(TRUTH, SCORE) == pytest.approx(0.833333333, **GOLDEN)
    resamples = Resamples.of(np.arange(8), 100)
    found = bootstrap(average_precision_statistic(TRUTH, SCORE, resamples), resamples)
    assert found.value == pytest.approx(0.833333333, **GOLDEN)


@pytest.mark.answer("L14.5")
def test_resampling_patients_covers_and_resampling_slices_does_not():
    """30 patients of 10 slices, patient and slice effect alike: 400 studies, the true mean being 0."""
    patients = np.repeat(np.arange(30), 10)
    covered, widths = {}, {}
    for way, clusters in (("slices", np.arange(300)), ("patients", patients)):
        intervals = []
        for seed in range(400):
            generator = np.random.default_rng(seed)
            values = generator.normal(size=30)[patients] + generator.normal(size=300)
            resamples = Resamples.of(clusters, 500, seed)
            found = bootstrap(mean_statistic(values, resamples), resamples, accelerated=False)
            intervals.append(found.interval(0.95)[:2])
        lower, upper = np.array(intervals).T
        covered[way], widths[way] = np.mean((lower <= 0) & (upper >= 0)), np.mean(upper - lower)
    assert covered["slices"] <= 0.70
    assert 0.88 <= covered["patients"] <= 0.97
    assert widths["patients"] / widths["slices"] == pytest.approx(0.729 / 0.313, rel=0.05)


def _nearest_neighbour_accuracy(labels, features, folds):
    right = 0
    for fold in np.unique(folds):
        known, asked = folds != fold, folds == fold
        gap = ((features[asked, None] - features[None, known]) ** 2).sum(-1)
        right += (labels[known][gap.argmin(1)] == labels[asked]).sum()
    return right / len(labels)


@pytest.mark.answer("L14.6")
def test_a_split_by_slice_reads_patients_and_is_refused():
    """Labels are drawn per patient at random: nothing can be learnt, and a split by slice learns it all."""
    patients = np.repeat(np.arange(60), 10)
    verdicts, by_patient_accuracy = [], []
    for seed in range(5):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 2, 60)[patients]
        features = generator.normal(size=(60, 50))[patients] + 0.3 * generator.normal(size=(600, 50))
        by_slice = generator.permutation(np.arange(600) % 5)
        by_patient = generator.permutation(np.arange(60) % 5)[patients]
        assert _nearest_neighbour_accuracy(labels, features, by_slice) >= 0.99
        by_patient_accuracy.append(_nearest_neighbour_accuracy(labels, features, by_patient))
        verdicts.append([_leak_verdict(patients, folds == 0) for folds in (by_slice, by_patient)])
    assert np.abs(np.array(by_patient_accuracy) - 0.5).max() <= 0.12
    assert verdicts == [[False, True]] * 5


def _leak_verdict(patients, tested):
    """Whether the gate lets a split pass, after the check that looks for shared patients."""
    roles = np.where(tested, "test", "train")
    cases = [
        Case(f"c{i}", {}, patient=f"p{p}", role=str(r)) for i, (p, r) in enumerate(zip(patients, roles, strict=True))
    ]
    problems = build("checks", "leaked_patients")(Cohort(tuple(cases), Path()), {}, None)
    return build("gates", "no_leak")(Evidence({}, problems=tuple(vars(each) for each in problems))).passed
