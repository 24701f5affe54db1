"""What the evaluators measure from stored predictions, and what they say of what can't be measured."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from sklearn import metrics

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Evidence, Predictions
from preceptor.core.slots import build
from preceptor.maths.intervals import paired_difference
from tests.prove.answered import NOBODY, binary, classes, labels, maps, numbers


def measure(name, predictions, **settings):
    return build("evaluators", {name: settings})(predictions, NOBODY)


def told(finding, text):
    return any(text in note for note in finding.notes)


@pytest.fixture
def scored():
    """60 patients of 1 to 3 cases, scores in tenths: many ties."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(60), generator.integers(1, 4, 60))
    truth = generator.integers(0, 2, 60)[patients]
    effect = generator.normal(0.4, 0.25, 60)[patients]
    score = np.clip(np.round(truth * 0.25 + effect + generator.normal(0, 0.1, len(patients)), 1), 0, 1)
    return truth, score, patients


# ---------------------------------------------------------------- ranking


def test_roc_and_average_precision_are_those_of_scikit_learn(scored):
    truth, score, patients = scored
    predictions = binary(truth, score, patients)
    area, precision = measure("roc", predictions), measure("average_precision", predictions)
    assert area.value == pytest.approx(metrics.roc_auc_score(truth, score))
    assert precision.value == pytest.approx(metrics.average_precision_score(truth, score))
    assert area.clusters == 60 and area.cases == len(truth)
    assert "60 patients" in area.method and "2000 resamples" in area.method
    assert area.interval[0] < area.value < area.interval[1]


def test_the_intervals_are_those_of_a_loop_over_scikit_learn(scored):
    """The same draws, one resample after the other, with the cases of every drawn patient repeated."""
    truth, score, patients = scored
    predictions = binary(truth, score, patients)
    names = np.unique(patients.astype(str))
    members = [np.flatnonzero(patients.astype(str) == name) for name in names]
    for name, reference in (("roc", metrics.roc_auc_score), ("average_precision", metrics.average_precision_score)):
        finding = measure(name, predictions, resamples=300)
        from preceptor.maths.intervals import Resamples

        counts = Resamples.of(predictions.table["cluster"].astype(str), 300, 0).counts.astype(int)
        looped = []
        for column in counts.T:
            drawn = np.concatenate([np.tile(rows, times) for rows, times in zip(members, column, strict=True)])
            looped.append(reference(truth[drawn], score[drawn]))
        assert finding.bootstrap.values == pytest.approx(looped, abs=1e-12)
        assert finding.interval == pytest.approx(np.quantile(looped, [0.025, 0.975]), abs=1e-12)


def test_the_interval_is_wider_by_patient_than_by_image(scored):
    truth, score, patients = scored
    apart = measure("roc", binary(truth, score))
    together = measure("roc", binary(truth, score, patients))
    assert np.diff(together.interval) > 1.1 * np.diff(apart.interval)
    assert "images" in apart.method and "patients" in together.method


def test_curve_of_the_roc_holds_its_area_and_its_band(scored):
    truth, score, patients = scored
    finding = measure("roc", binary(truth, score, patients))
    rate, middle, lower, upper = (np.array(axis) for axis in finding.curves["roc"].values())
    assert list(finding.curves["roc"]) == ["false_positive_rate", "sensitivity", "lower", "upper"]
    assert np.trapezoid(middle, rate) == pytest.approx(finding.value, abs=0.02)
    assert (lower <= middle).all() and (middle <= upper).all() and (np.diff(middle) >= 0).all()


def test_classes_are_held_against_the_rest():
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 3, 90)
    probability = generator.dirichlet([1, 1, 1], 90) + 0.4 * np.eye(3)[truth]
    probability /= probability.sum(1, keepdims=True)
    finding = measure("roc", classes(truth, probability))
    assert finding.value == pytest.approx(metrics.roc_auc_score(truth, probability, multi_class="ovr"))
    assert list(finding.parts) == ["a", "b", "c"]
    assert finding.value == pytest.approx(np.mean([part.value for part in finding.parts.values()]))


def test_missing_labels_stay_missing():
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 2, (80, 3)).astype(float)
    probability = generator.random((80, 3))
    truth[generator.random((80, 3)) < 0.3] = np.nan
    truth[:, 2] = np.where(np.isnan(truth[:, 2]), np.nan, 1.0)  # never absent: no AUROC
    finding = measure("roc", labels(truth, probability))
    known = ~np.isnan(truth[:, 0])
    assert finding.parts["a"].value == pytest.approx(metrics.roc_auc_score(truth[known, 0], probability[known, 0]))
    assert finding.parts["a"].cases == known.sum()
    assert np.isnan(finding.parts["c"].value) and finding.parts["c"].interval is None
    assert finding.value == pytest.approx((finding.parts["a"].value + finding.parts["b"].value) / 2)
    assert told(finding, "c has no positive or no negative case")


def test_what_is_undefined_has_no_interval_and_says_so():
    finding = measure("roc", binary([1, 1, 1], [0.2, 0.3, 0.4]))
    assert np.isnan(finding.value) and finding.interval is None and told(finding, "undefined")
    alone = measure("roc", binary([0, 1, 0, 1], [0.2, 0.3, 0.4, 0.6], patients=["p"] * 4))
    assert alone.value == 0.75 and alone.interval is None and told(alone, "one patient")


def test_degenerate_resamples_are_counted():
    finding = measure("roc", binary([1, 0, 0, 0, 0], [0.9, 0.1, 0.2, 0.3, 0.95]))
    assert finding.bootstrap.degenerate > 400  # the one positive case is not drawn in a third of them
    assert told(finding, f"undefined in {finding.bootstrap.degenerate} of 2000 resamples")
    assert told(finding, "only 5 images")


def test_unlabelled_and_refused_cases_are_told(scored):
    truth, score, patients = scored
    truth = truth.copy()
    truth[:4] = -1
    accepted = np.arange(len(truth)) > 6
    finding = measure("roc", binary(truth, score, patients, accepted=accepted))
    assert finding.cases == len(truth) - 4
    assert told(finding, "4 cases without a truth") and told(finding, "7 cases that a safeguard refused")
    assert finding.value == pytest.approx(metrics.roc_auc_score(truth[4:], score[4:]))


def test_a_part_for_each_site_where_both_classes_exist(scored):
    truth, score, patients = scored
    site = np.where(patients % 3 == 0, "north", np.where(patients % 3 == 1, "south", "west"))
    truth = np.where(site == "west", 1, truth)
    finding = measure("roc", binary(truth, score, patients, **{"field:site": site}), by=["site", "scanner"])
    south = site == "south"
    assert finding.parts["site=south"].value == pytest.approx(metrics.roc_auc_score(truth[south], score[south]))
    assert finding.parts["site=south"].interval is not None
    assert np.isnan(finding.parts["site=west"].value)
    assert told(finding, "no field 'scanner'")
    assert Evidence({"roc": finding})["roc.site=south"].name == "roc.site=south"


def test_two_measures_of_the_same_cases_are_compared_in_pairs(scored):
    truth, score, patients = scored
    generator = np.random.default_rng(3)
    better = np.clip(score + 0.25 * truth + generator.normal(0, 0.02, len(score)), 0, 1)
    first, second = (measure("roc", binary(truth, each, patients)) for each in (better, score))
    difference = paired_difference(first.bootstrap, second.bootstrap)
    assert difference.value == pytest.approx(first.value - second.value)
    lower, upper = difference.interval(0.95)[:2]
    assert lower > 0
    apart = np.hypot(np.diff(first.interval), np.diff(second.interval)).item()
    assert upper - lower < 0.9 * apart
    with pytest.raises(ValueError, match="same resamples"):
        paired_difference(first.bootstrap, measure("roc", binary(truth, score, patients), seed=1).bootstrap)


def test_a_case_without_a_probability_is_an_error():
    with pytest.raises(CohortError, match="1 of 3 predictions hold no probability"):
        measure("roc", binary([0, 1, 1], [0.1, np.nan, 0.4]))


# ---------------------------------------------------------------- calibration


def test_calibration_of_two_classes_is_of_the_second(scored):
    truth, score, patients = scored
    finding = measure("calibration", binary(truth, score, patients), bins=5)
    which = np.minimum((score * 5 + 1e-9).astype(int), 4)
    gaps = [abs(truth[which == at].mean() - score[which == at].mean()) * (which == at).sum() for at in np.unique(which)]
    assert finding.value == pytest.approx(sum(gaps) / len(truth))
    assert finding.higher_is_better is False
    assert finding.parts["brier"].value == pytest.approx(metrics.brier_score_loss(truth, score))
    floored = np.clip(score, 1e-12, 1 - 1e-12)
    assert finding.parts["log_loss"].value == pytest.approx(metrics.log_loss(truth, floored), rel=1e-6)
    cases = finding.curves["reliability"]["cases"]
    assert sum(cases) == len(truth)
    assert "5 bins" in finding.definition


def test_a_probability_that_means_what_it_says_has_slope_one():
    generator = np.random.default_rng(4)
    logit = generator.normal(0, 2, 1500)
    truth = (generator.random(1500) < 1 / (1 + np.exp(-logit))).astype(int)
    honest = measure("calibration", binary(truth, 1 / (1 + np.exp(-logit))), resamples=200)
    boastful = measure("calibration", binary(truth, 1 / (1 + np.exp(-2 * logit))), resamples=200)
    lower, upper = honest.parts["slope"].interval
    assert lower < 1 < upper
    assert boastful.parts["slope"].interval[1] < 0.7
    assert boastful.value > honest.value + 0.02
    assert boastful.parts["slope"].value == pytest.approx(honest.parts["slope"].value / 2, rel=1e-4)


def test_calibration_of_several_classes_is_of_the_top_one():
    generator = np.random.default_rng(5)
    probability = generator.dirichlet([1, 1, 1], 300)
    truth = np.array([generator.choice(3, p=each) for each in probability])
    finding = measure("calibration", classes(truth, probability))
    top, right = probability.max(1), probability.argmax(1) == truth
    which = np.minimum((top * 10).astype(int), 9)
    gaps = [abs(right[which == at].mean() - top[which == at].mean()) * (which == at).sum() for at in np.unique(which)]
    assert finding.value == pytest.approx(sum(gaps) / 300, abs=1e-6)
    assert {"a", "b", "c", "brier", "log_loss"} <= set(finding.parts)
    assert finding.parts["log_loss"].value == pytest.approx(metrics.log_loss(truth, probability))


def test_calibration_of_labels_leaves_out_what_nobody_looked_at():
    generator = np.random.default_rng(6)
    probability = generator.random((200, 2))
    truth = (generator.random((200, 2)) < probability).astype(float)
    truth[:50, 0] = np.nan
    finding = measure("calibration", labels(truth, probability))
    alone = measure("calibration", binary(truth[50:, 0].astype(int), probability[50:, 0]))
    assert finding.parts["a"].value == pytest.approx(alone.value)
    assert finding.value == pytest.approx((finding.parts["a"].value + finding.parts["b"].value) / 2)
    entries = np.r_[(truth[50:, 0] - probability[50:, 0]) ** 2, (truth[:, 1] - probability[:, 1]) ** 2]
    assert finding.parts["brier"].value == pytest.approx(entries.mean())


def test_calibration_of_dense_answers_reads_the_stored_voxels(tmp_path):
    generator = np.random.default_rng(7)
    blank = np.zeros((4, 4, 4))
    predictions = maps(tmp_path, [(blank, blank)] * 30, patients=np.arange(30) // 2)
    probability = generator.dirichlet([4, 1, 1], 30 * 50)
    truth = np.array([generator.choice(3, p=each) for each in probability])
    columns = {f"probability_{name}": probability[:, at] for at, name in enumerate(predictions.question.classes)}
    voxels = pandas.DataFrame({"key": np.repeat(predictions.table["key"], 50).to_numpy(), "truth": truth, **columns})
    stored = Predictions(predictions.table, predictions.question, tmp_path, voxels)
    finding = measure("calibration", stored)
    flat = measure("calibration", classes(truth, probability))
    assert finding.value == pytest.approx(flat.value)
    assert finding.cases == 30 and finding.clusters == 15
    assert set(finding.parts) == {"anterior", "posterior", "brier", "log_loss"}
    with pytest.raises(CohortError, match="no stored sample of voxels"):
        measure("calibration", predictions)


def test_voxels_of_a_case_that_calibrated_another_fit_stay_out(tmp_path):
    blank = np.zeros((4, 4, 4))
    one = maps(tmp_path, [(blank, blank)] * 4)
    both = pandas.concat([one.table.assign(fit="0", role="test"), one.table.assign(fit="1", role="calibrate")])
    voxels = pandas.DataFrame({"key": list(one.table["key"]) * 2, "fit": ["0"] * 4 + ["1"] * 4, "truth": 1})
    for at, name in enumerate(one.question.classes):
        voxels[f"probability_{name}"] = np.where(voxels["fit"] == "0", [0.0, 1.0, 0.0][at], [1.0, 0.0, 0.0][at])
    predictions = Predictions(both.reset_index(drop=True), one.question, tmp_path, voxels)
    assert measure("calibration", predictions.role("test")).value == pytest.approx(0.0)
    assert measure("calibration", predictions.role("calibrate")).value == pytest.approx(1.0)


# ---------------------------------------------------------------- answers and numbers


def test_confusion_is_read_from_the_answers():
    generator = np.random.default_rng(8)
    truth = generator.integers(0, 2, 120)
    probability = np.clip(0.3 * truth + generator.random(120) * 0.7, 0, 1)
    finding = measure("confusion", binary(truth, probability))
    said = (probability >= 0.5).astype(int)
    assert finding.value == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    assert finding.parts["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, said))
    assert finding.parts["sensitivity"].value == pytest.approx(metrics.recall_score(truth, said))
    assert finding.parts["specificity"].value == pytest.approx(metrics.recall_score(1 - truth, 1 - said))
    for name, positive in (("positive_predictive_value", 1), ("negative_predictive_value", 0)):
        expected = metrics.precision_score(truth, said, pos_label=positive)
        assert finding.parts[name].value == pytest.approx(expected)


def test_confusion_of_labels_leaves_out_what_nobody_looked_at():
    truth = np.array([[1, np.nan], [0, 1], [1, 0], [0, np.nan]])
    probability = np.array([[0.9, 0.9], [0.9, 0.9], [0.1, 0.1], [0.1, 0.1]])
    finding = measure("confusion", labels(truth, probability))
    assert finding.parts["a.sensitivity"].value == 0.5 and finding.parts["b.sensitivity"].value == 1.0
    assert finding.parts["accuracy"].value == pytest.approx(4 / 6)
    assert finding.parts["b.sensitivity"].cases == 1


def test_a_class_that_no_case_has_does_not_enter_the_mean():
    finding = measure("confusion", classes([0, 0, 1, 1], np.eye(3)[[0, 2, 1, 1]]))
    assert finding.value == pytest.approx(0.75)
    assert told(finding, "no case is c")


def test_mean_absolute_error_with_its_bias():
    generator = np.random.default_rng(9)
    truth = generator.normal(60, 10, 50)
    answer = truth + generator.normal(2, 3, 50)
    truth[:3] = np.nan
    finding = measure("mean_absolute_error", numbers(truth, answer, np.arange(50) // 2))
    error = (answer - truth)[3:]
    assert finding.value == pytest.approx(np.abs(error).mean())
    assert finding.parts["bias"].value == pytest.approx(error.mean())
    assert finding.parts["root_mean_square"].value == pytest.approx(np.sqrt((error**2).mean()))
    assert finding.unit == "years" and finding.higher_is_better is False
    assert told(finding, "3 cases without a truth") and len(finding.per_case) == 47


@pytest.mark.parametrize("perfect", [True, False])
def test_a_value_of_one_in_every_resample_is_not_certain(perfect):
    """12 patients told apart without error: the next one may still be wrong."""
    truth = np.arange(12) % 2
    score = np.where(truth == 1, 0.9, 0.1) if perfect else np.where(truth == 1, 0.1, 0.9)
    area, matrix = (measure(name, binary(truth, score)) for name in ("roc", "confusion"))
    assert area.value == matrix.value == (1.0 if perfect else 0.0)
    lower, upper = area.interval  # six on the rarer side: 0.025 ** (1 / 6)
    assert (lower, upper) == pytest.approx((0.5407, 1.0) if perfect else (0.0, 0.4593), abs=1e-4)
    assert "Clopper-Pearson" in area.method
    assert matrix.parts["accuracy"].interval[0 if perfect else 1] == pytest.approx(
        0.7354 if perfect else 0.2646, abs=1e-4
    )


def test_the_brier_score_is_taken_apart_and_events_are_counted(scored):
    truth, score, patients = scored  # in tenths: a bin holds one probability, and the parts add up
    found = measure("calibration", binary(truth, score, patients), bins=10)
    from preceptor.maths.calibration import murphy

    expected = murphy(truth, np.where(score == 1, 0.9, score))
    in_bins = measure("calibration", binary(truth, np.where(score == 1, 0.9, score), patients), bins=10)
    parts = [in_bins.parts[part].value for part in ("reliability", "resolution", "uncertainty")]
    assert parts == pytest.approx(expected)
    assert parts[0] - parts[1] + parts[2] == pytest.approx(in_bins.parts["brier"].value)
    assert found.parts["observed_to_expected"].value == pytest.approx(truth.sum() / score.sum())
    assert found.parts["resolution"].higher_is_better and not found.parts["reliability"].higher_is_better
