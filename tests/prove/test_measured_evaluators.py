"""Evaluators of times, places, counts, objects and images, from stored predictions and from other tools' tables."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.core.slots import build
from preceptor.maths.concordance import antolini, harrell
from preceptor.maths.survival_curves import Steps, kaplan_meier
from preceptor.maths.survival_measures import brier, time_dependent_auc
from preceptor.prove.foreign import read_foreign

NOBODY = Cohort((), None)
TIMES = (6.0, 12.0, 24.0)


def measure(name, predictions, cohort=NOBODY, **settings):
    return build("evaluators", {name: settings})(predictions, cohort)


def told(finding, text):
    return any(text in note for note in finding.notes)


def survival(cases=200, seed=0, shift=0.0, **changes) -> Predictions:
    """Patients with proportional hazards, whose curves are right but for a `shift` of the log hazard."""
    generator = np.random.default_rng(seed)
    score = generator.normal(size=cases)
    whole = generator.exponential(20 * np.exp(-score))
    left = generator.uniform(5, 50, cases)
    table = pandas.DataFrame(
        {
            "key": [f"case-{at}" for at in range(cases)],
            "patient": [f"patient-{at // 2}" for at in range(cases)],
            "cluster": [f"patient-{at // 2}" for at in range(cases)],
            "role": "test",
            "truth_time": np.minimum(whole, left),
            "truth_event": (whole <= left).astype(float),
            "answer": score,
            "accepted": True,
        }
        | {f"survival_{time:g}": np.exp(-time / 20 * np.exp(score + shift)) for time in TIMES}
    )
    question = Question("survival", "death", ("death",), exclusive=False, unit="months")
    return Predictions(table.assign(**changes), question, None)


# ---------------------------------------------------------------- survival


def test_concordance_and_its_parts_are_those_of_the_definitions():
    predictions = survival()
    table = predictions.table
    time, event = table["truth_time"].to_numpy(), table["truth_event"].to_numpy() == 1
    finding = measure("concordance", predictions)
    assert finding.value == pytest.approx(harrell(time, event, table["answer"].to_numpy()))
    curves = table[[f"survival_{each:g}" for each in TIMES]].to_numpy()
    assert finding.parts["antolini"].value == pytest.approx(antolini(time, event, curves, np.array(TIMES)))
    assert finding.clusters == 100 and finding.interval[0] < finding.value < finding.interval[1]
    assert 0.65 < finding.value < 0.85 and abs(finding.parts["uno"].value - finding.value) < 0.05
    assert told(finding, f"{int(event.sum())} events")


def test_a_table_without_curves_has_a_concordance_and_no_brier_score():
    predictions = survival()
    bare = Predictions(
        predictions.table.drop(columns=[f"survival_{each:g}" for each in TIMES]), predictions.question, None
    )
    assert "antolini" not in measure("concordance", bare).parts
    for name in ("survival_brier", "survival_calibration"):
        finding = measure(name, bare)
        assert np.isnan(finding.value) and told(finding, "no curves are stored")
    auc = measure("survival_auc", bare)
    assert len(auc.parts) == 3 and 0.6 < auc.value < 0.95


def test_brier_score_beside_a_model_that_knows_nothing():
    predictions = survival()
    table = predictions.table
    time, event = table["truth_time"].to_numpy(), table["truth_event"].to_numpy() == 1
    finding = measure("survival_brier", predictions)
    each = [brier(time, event, table[f"survival_{at:g}"].to_numpy(), at) for at in TIMES]
    assert [finding.parts[f"at_{at:g}"].value for at in TIMES] == pytest.approx(each)
    assert finding.value == pytest.approx((6 * (each[0] + each[1]) / 2 + 12 * (each[1] + each[2]) / 2) / 18)
    constant = [brier(time, event, np.full(200, kaplan_meier(time, event).at(at)), at) for at in TIMES]
    assert finding.parts["explained"].value == pytest.approx(
        1 - finding.value / ((6 * (constant[0] + constant[1]) / 2 + 12 * (constant[1] + constant[2]) / 2) / 18)
    )
    assert finding.parts["explained"].interval[0] > 0
    assert measure("survival_brier", survival(shift=1.5)).value > finding.value
    assert list(finding.curves["brier_score"]) == ["time (months)", "brier_score", "lower", "upper"]


def test_the_chance_to_be_followed_comes_from_the_training_cases():
    predictions = survival()
    trained = survival(seed=9).table
    cases = tuple(
        Case(f"t{at}", {}, labels={"death_time": row.truth_time / 2, "death_event": row.truth_event}, role="train")
        for at, row in enumerate(trained.itertuples())
    )
    finding = measure("survival_auc", predictions, Cohort(cases, None), times=[12.0])
    assert told(finding, "estimated on 200 training cases")
    table = predictions.table
    from preceptor.maths.survival_curves import censoring_distribution

    followed = censoring_distribution(trained["truth_time"].to_numpy() / 2, trained["truth_event"].to_numpy() == 1)
    expected = time_dependent_auc(
        table["truth_time"].to_numpy(),
        table["truth_event"].to_numpy() == 1,
        1 - table["survival_12"].to_numpy(),
        12.0,
        followed,
    )
    assert isinstance(followed, Steps) and finding.value == pytest.approx(expected)
    assert finding.value != measure("survival_auc", predictions, times=[12.0]).value


def test_calibration_at_a_horizon_finds_who_underestimates():
    good, low = measure("survival_calibration", survival(600), horizon=12.0), None
    low = measure("survival_calibration", survival(600, shift=-0.7), horizon=12.0)
    assert good.value < 0.06 < low.value
    assert good.parts["observed_expected"].interval[0] < 1 < good.parts["observed_expected"].interval[1]
    assert low.parts["observed_expected"].interval[0] > 1.1
    curve = good.curves["calibration"]
    assert len(curve["predicted_risk"]) == 5 and curve["predicted_risk"] == sorted(curve["predicted_risk"])


def test_times_that_nobody_was_followed_to_are_left_out():
    finding = measure("survival_auc", survival(), times=[12.0, 500.0])
    assert list(finding.parts) == ["at_12"] and told(finding, "1 time before the first event")


def test_survival_that_can_not_be_is_refused():
    for changes, words in (
        ({"truth_event": 2.0}, "other than 0 and 1"),
        ({"truth_time": -1.0}, "below 0"),
        ({"answer": np.nan}, "no prediction"),
        ({"survival_24": 1.2}, "leave 0..1"),
    ):
        with pytest.raises(CohortError, match=words):
            measure("concordance", survival(**changes))


def test_a_survival_table_of_another_tool(tmp_path):
    table = survival().table.drop(columns=["cluster", "role", "answer", "accepted"]).assign(unit="months")
    table.to_csv(tmp_path / "theirs.csv", index=False)
    predictions = read_foreign(tmp_path / "theirs.csv")
    assert predictions.question.task == "survival" and predictions.question.unit == "months"
    assert 0.65 < measure("concordance", predictions).value < 0.85  # the risk is read off the curves
    table.drop(columns="truth_event").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(CohortError, match="no column 'truth_event'"):
        read_foreign(tmp_path / "less.csv")


# ---------------------------------------------------------------- places


def located(truth, answer, unit="mm", labels=("lesion",)) -> Predictions:
    keys = [f"case-{at}" for at in range(len(truth))]
    told = [None if each is None else json.dumps(each) for each in truth]
    table = pandas.DataFrame({"key": keys, "cluster": keys, "truth": told, "answer": list(map(json.dumps, answer))})
    return Predictions(table, Question("localisation", "truth", labels, exclusive=False, unit=unit), None)


def test_boxes_hit_boxes_and_points_hit_what_they_lie_in_or_near():
    box = [{"box": [0, 0, 0, 10, 10, 10]}]
    point = [{"point": [5, 5, 5]}]
    for truth, answer, found in (
        (box, [{"box": [1, 0, 0, 11, 10, 10], "score": 1}], 1),
        (box, [{"box": [9, 9, 9, 19, 19, 19], "score": 1}], 0),
        (box, [{"point": [9, 9, 9], "score": 1}], 1),
        (box, [{"point": [11, 5, 5], "score": 1}], 0),
        (point, [{"box": [0, 0, 0, 6, 6, 6], "score": 1}], 1),
        (point, [{"point": [5, 5, 9], "score": 1}], 1),
        (point, [{"point": [5, 5, 11], "score": 1}], 0),
    ):
        assert measure("froc", located([truth] * 2, [answer] * 2), within=5.0).value == found, (truth, answer)


def test_a_second_mark_is_free_in_froc_and_wrong_in_average_precision():
    truth = [[{"box": [0, 0, 10, 10]}], [{"box": [0, 0, 10, 10]}]]
    twice = [{"box": [0, 0, 10, 10], "score": 0.9}, {"box": [0, 0, 10, 9], "score": 0.8}]
    late = [{"box": [0, 0, 10, 10], "score": 0.1}]
    predictions = located(truth, [twice, late])
    assert measure("froc", predictions, rates=[0.001]).value == 1
    assert measure("detection_precision", predictions, overlaps=[0.5]).value == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_overlaps_and_classes_are_averaged_and_named():
    truth = [[{"box": [0, 0, 10, 10], "label": "a"}, {"box": [50, 50, 60, 60], "label": "b"}]] * 3
    answer = [
        [{"box": [0, 0, 10, 8], "label": "a", "score": 0.9}, {"box": [50, 50, 60, 60], "label": "b", "score": 0.5}]
    ] * 3
    finding = measure("detection_precision", located(truth, answer, labels=("a", "b", "c")), overlaps=[0.5, 0.9])
    assert finding.parts["a"].value == 0.5 and finding.parts["b"].value == 1
    assert finding.value == 0.75 and finding.parts["at_0.9"].value == 0.5
    assert told(finding, "no lesion is a c")


def test_rows_nobody_looked_at_are_not_measured_and_bad_places_are_refused():
    truth = [[{"point": [1, 1]}], None, [{"point": [2, 2]}]]
    answer = [[{"point": [1, 1], "score": 1}], [{"point": [1, 1], "score": 1}], []]
    finding = measure("froc", located(truth, answer))
    assert finding.value == 0.5 and finding.cases == 2 and told(finding, "1 case without a truth")
    for wrong in (
        [{"box": [0, 0, 1]}],
        [{"box": [5, 5, 1, 1]}],
        [{"score": 1}],
        [{"point": [1, 1], "label": "x"}],
        {"a": 1},
    ):
        with pytest.raises(CohortError):
            measure("froc", located(truth, [wrong] * 3, labels=("lesion", "other")))


def test_a_table_of_places_of_another_tool(tmp_path):
    predictions = located(
        [[{"point": [1, 1], "label": "nodule"}], []], [[{"point": [1, 2], "score": 0.5, "label": "nodule"}], []]
    )
    predictions.table[["key", "truth", "answer"]].to_csv(tmp_path / "theirs.csv", index=False)
    read = read_foreign(tmp_path / "theirs.csv")
    assert read.question.task == "localisation" and read.question.classes == ("nodule",)
    assert measure("froc", read).value == 1


# ---------------------------------------------------------------- numbers


def test_counts_are_near_within_a_tenth_and_an_empty_image_only_when_nothing_is_counted():
    truth, answer = np.array([10.0, 10, 20, 0, 0, 50]), np.array([11.0, 12, 18, 0, 1, 50])
    keys = list("abcdef")
    table = pandas.DataFrame({"key": keys, "cluster": keys, "truth": truth, "answer": answer})
    predictions = Predictions(table, Question("counting", "truth", ("nuclei",), exclusive=False), None)
    finding = measure("counting", predictions)
    assert finding.value == pytest.approx((1 + 2 + 2 + 0 + 1 + 0) / 6)
    assert finding.parts["near"].value == pytest.approx(4 / 6)
    assert finding.parts["bias"].value == pytest.approx(2 / 6)
    error = answer - truth
    assert finding.parts["upper_limit"].value == pytest.approx(error.mean() + 1.959964 * error.std(ddof=1), abs=1e-5)
    assert finding.parts["lower_limit"].value == pytest.approx(error.mean() - 1.959964 * error.std(ddof=1), abs=1e-5)


def test_regression_error_explains_itself():
    generator = np.random.default_rng(0)
    truth = generator.normal(60, 10, 80)
    answer = truth + generator.normal(2, 5, 80)
    keys = [f"{at}" for at in range(80)]
    table = pandas.DataFrame({"key": keys, "cluster": keys, "truth": truth, "answer": answer})
    finding = measure("regression_error", Predictions(table, Question("regression", "age", ("age",)), None))
    assert finding.value == pytest.approx(np.sqrt(np.mean((answer - truth) ** 2)))
    assert finding.parts["r_squared"].value == pytest.approx(
        1 - np.sum((answer - truth) ** 2) / np.sum((truth - truth.mean()) ** 2)
    )
    outside = (answer - truth < finding.parts["lower_limit"].value) | (
        answer - truth > finding.parts["upper_limit"].value
    )
    assert outside.mean() < 0.1 and finding.parts["bias"].value == pytest.approx(np.mean(answer - truth))


def test_a_table_says_that_it_counts(tmp_path):
    pandas.DataFrame(
        {"key": ["a", "b"], "truth": [3, 4], "answer": [3, 5], "task": "counting", "unit": "cells"}
    ).to_csv(tmp_path / "theirs.csv", index=False)
    read = read_foreign(tmp_path / "theirs.csv")
    assert read.question.task == "counting" and measure("counting", read).unit == "cells"


# ---------------------------------------------------------------- objects and images


def stored(folder, pairs, task, **columns) -> Predictions:
    from PIL import Image

    rows = []
    for at, (truth, answer) in enumerate(pairs):
        for name, array in (("truth", truth), ("answer", answer)):
            Image.fromarray(array).save(folder / f"{at}-{name}.png")
        rows.append({"key": f"{at}", "cluster": f"{at}", "truth_path": f"{at}-truth.png", "answer": f"{at}-answer.png"})
    question = Question(task, "truth", ("nuclei",), exclusive=False, dense=True)
    return Predictions(pandas.DataFrame(rows).assign(**columns), question, folder)


def test_objects_are_measured_image_by_image_and_pooled(tmp_path):
    one, two = np.zeros((2, 16, 16), np.uint16)
    one[2:6, 2:6], one[8:12, 8:12] = 300, 2
    two[:4, :4] = 1
    nothing = np.zeros((16, 16), np.uint16)
    half = one.copy()
    half[8:12, 8:12] = 0
    finding = measure("panoptic_quality", stored(tmp_path, [(one, half), (two, two), (nothing, nothing)], "instances"))
    assert finding.value == pytest.approx((1 / 1.5 + 1) / 2) and finding.cases == 2
    assert finding.parts["pooled"].value == pytest.approx(2 / 2.5)
    assert finding.parts["f1_at_0.9"].value == finding.value
    assert told(finding, "3 objects, 2 answered") and told(finding, "1 image without an object")


def test_what_a_lesion_does_to_the_error_in_its_region(tmp_path):
    generator = np.random.default_rng(0)
    truth = generator.integers(90, 110, (64, 64)).astype(np.uint8)
    truth[20:24, 20:24] = 250
    answer = truth.copy()
    answer[20:24, 20:24] = 100  # the lesion is gone
    region = np.zeros((64, 64), np.uint8)
    region[20:24, 20:24] = 1
    from PIL import Image

    Image.fromarray(region).save(tmp_path / "region.png")
    predictions = stored(tmp_path, [(truth, answer)] * 2, "translation", region_path="region.png")
    finding = measure("image_quality", predictions, data_range=255)
    assert finding.value > 0.95  # the whole image looks right
    assert finding.parts["error_inside"].value == 150 and finding.parts["error_outside"].value == 0
    assert finding.parts["psnr"].unit == "dB" and finding.parts["error"].value == pytest.approx(150 * 16 / 64**2)


# ---------------------------------------------------------------- lesions in translations


def test_lesions_of_another_tools_translations(tmp_path):
    table = pandas.DataFrame({"key": list("abcd"), "truth_lesion": [0, 0, 1, 1], "answer_lesion": [0, 1, 1, 1]})
    table.assign(task="translation").to_csv(tmp_path / "theirs.csv", index=False)
    finding = measure("hallucination", read_foreign(tmp_path / "theirs.csv"))
    assert finding.value == 0.5 and finding.parts["disappearance"].value == 0
    assert np.isnan(measure("image_quality", read_foreign(tmp_path / "theirs.csv")).value)
    table.drop(columns="answer_lesion").assign(task="translation").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(CohortError, match="no column 'answer_lesion'"):
        read_foreign(tmp_path / "less.csv")


def test_a_detector_that_errs_on_true_images_judges_nobody():
    keys = [f"{at}" for at in range(40)]
    there = np.repeat([0, 1], 20)
    columns = {"key": keys, "cluster": keys, "truth_lesion": there, "answer_lesion": there}
    question = Question("translation", "mr", ("mr",), exclusive=False, dense=True)
    for wrong, judged in ((0, True), (1, True), (3, False)):
        own = there.copy()
        own[:wrong] = 1
        finding = measure(
            "hallucination", Predictions(pandas.DataFrame(columns | {"detector_lesion": own}), question, None)
        )
        assert (finding.value == 0) is judged and told(finding, "can't judge") is not judged
        assert finding.parts["detector_error"].value == pytest.approx(wrong / 40)
    with pytest.raises(CohortError, match="2 images with a known truth were not looked at"):
        seen = np.where(np.arange(40) < 2, np.nan, there)
        measure("hallucination", Predictions(pandas.DataFrame(columns | {"answer_lesion": seen}), question, None))
