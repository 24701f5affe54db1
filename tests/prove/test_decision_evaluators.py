"""Thresholds chosen elsewhere, predictive values at the clinic's prevalence, and the good that acting does."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Predictions
from preceptor.core.slots import build
from preceptor.maths.comparison import net_benefit
from preceptor.maths.decisions import choose_threshold, predictive_values
from preceptor.prove.judging import judge, stated
from tests.prove.answered import BINARY, NOBODY, binary, classes, labels, maps


def measure(name, predictions, **settings):
    return build("evaluators", {name: settings})(predictions, NOBODY)


def told(finding, text):
    return any(text in note for note in finding.notes)


def together(**by_role):
    """Predictions of several roles as one table; keys stay apart."""
    tables = [each.table.assign(role=role, key=role + each.table["key"]) for role, each in by_role.items()]
    first = next(iter(by_role.values()))
    return Predictions(pandas.concat(tables, ignore_index=True), first.question, first.folder)


# ---------------------------------------------------------------- thresholds

TRUTH = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1, 1])
SCORE = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


@pytest.mark.parametrize(
    ("rule", "at", "expected"),
    [
        ("youden", None, 0.75),  # sensitivity .6 + specificity 1 = 1.6, as is .35: the higher one, being met first
        ("sensitivity", 0.8, 0.55),
        ("sensitivity", 1.0, 0.35),
        ("specificity", 0.8, 0.55),
        ("specificity", 1.0, 0.75),
        ("specificity", 0.6, 0.35),
    ],
)
def test_thresholds_by_rule(rule, at, expected):
    found = choose_threshold(TRUTH, SCORE, rule, at)
    assert found == pytest.approx(expected)
    said = found <= SCORE
    if rule == "sensitivity":
        assert said[TRUTH == 1].mean() >= at
    if rule == "specificity":
        assert (~said)[TRUTH == 0].mean() >= at


def test_a_threshold_that_calls_nobody_or_all_positive():
    against = choose_threshold(np.array([1, 0]), np.array([0.2, 0.9]), "specificity", 1.0)
    assert against > 0.9
    assert choose_threshold(np.array([1, 0]), np.array([0.5, 0.5]), "sensitivity", 1.0) == 0.5
    with pytest.raises(ValueError, match="one kind is absent"):
        choose_threshold(np.ones(3), SCORE[:3], "youden")
    with pytest.raises(ValueError, match="how much"):
        choose_threshold(TRUTH, SCORE, "sensitivity")


def test_the_operating_point_is_chosen_on_tune_and_measured_on_test():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 600)
    score = np.clip(0.5 + 0.2 * (2 * truth - 1) + generator.normal(0, 0.2, 600), 0, 1)
    tune, test = binary(truth[:200], score[:200]), binary(truth[200:], score[200:])
    asked = {"operating_point": {"rule": "sensitivity", "at": 0.9}}
    evidence = judge(together(tune=tune, test=test), NOBODY, [asked], [])
    found = evidence["operating_point"]
    chosen = choose_threshold(truth[:200], score[:200], "sensitivity", 0.9)
    said = score[200:] >= chosen
    assert found.parts["threshold"].value == pytest.approx(chosen)
    assert found.parts["sensitivity"].value == pytest.approx(said[truth[200:] == 1].mean())
    assert found.parts["specificity"].value == pytest.approx((~said)[truth[200:] == 0].mean())
    assert found.value == pytest.approx((found.parts["sensitivity"].value + found.parts["specificity"].value) / 2)
    assert told(found, "chosen on 200 tuning cases by sensitivity of at least 0.9")
    # What was chosen is named for another cohort, and gives the same there without any tuning case.
    again = stated([asked, "roc"], evidence)
    assert again[1] == "roc" and again[0]["operating_point"]["at"] == pytest.approx(chosen)
    same = judge(together(test=test), NOBODY, again, [])["operating_point"]
    assert same.parts["specificity"].value == found.parts["specificity"].value
    assert told(same, "named beforehand")


def test_without_tuning_cases_a_rule_is_refused():
    test = binary([0, 1, 0, 1], [0.2, 0.7, 0.4, 0.9])
    for name in ("youden", {"rule": "sensitivity", "at": 0.9}):
        settings = {"rule": name} if isinstance(name, str) else name
        with pytest.raises(CohortError) as caught:
            judge(test, NOBODY, [{"operating_point": settings}], [])
        assert caught.value.problem.code == "no_tune_predictions"
        with pytest.raises(CohortError, match="no case with the role 'tune'"):
            measure("operating_point", test, **settings)
    one_sided = together(tune=binary([1, 1], [0.2, 0.7]), test=test)
    with pytest.raises(CohortError, match="one kind is absent"):
        judge(one_sided, NOBODY, [{"operating_point": {"rule": "youden"}}], [])
    for wrong in ({"rule": "sensitivity"}, {"rule": "youden", "at": 0.5}, {"rule": "threshold", "at": 7.0}):
        with pytest.raises(RecipeError):
            build("evaluators", {"operating_point": wrong})


def test_every_fold_and_every_class_has_its_own_threshold():
    tune = classes([0, 1, 2] * 10, np.eye(3)[[0, 1, 2] * 10] * 0.6 + 0.4 / 3)
    other = Predictions(tune.table.assign(fit="1", key="b" + tune.table["key"]), tune.question, tune.folder)
    for name in other.question.classes:
        other.table[f"probability_{name}"] = other.table[f"probability_{name}"] ** 2
    both = Predictions(pandas.concat([tune.table, other.table]), tune.question, tune.folder)
    state = build("evaluators", {"operating_point": {"rule": "youden"}}).fit(both)
    assert set(state["thresholds"]) == {"0", "1"} and set(state["thresholds"]["0"]) == {"a", "b", "c"}
    said = 0.6 + 0.4 / 3, 0.4 / 3
    assert state["thresholds"]["0"]["a"] == pytest.approx(sum(said) / 2)
    assert state["thresholds"]["1"]["a"] == pytest.approx((said[0] ** 2 + said[1] ** 2) / 2)
    evaluator = build("evaluators", {"operating_point": {"rule": "youden"}}).with_state(state)
    found = evaluator(both, NOBODY)
    assert found.value == 1.0 and told(found.parts["a"], "thresholds") and set(found.parts) == {"a", "b", "c"}
    assert evaluator.stated(found)["operating_point"]["at"].keys() == {"a", "b", "c"}
    with pytest.raises(CohortError, match="no threshold was chosen for the fit 2"):
        evaluator(Predictions(both.table.assign(fit="2"), both.question, both.folder), NOBODY)


def test_a_recipe_without_a_tune_share_is_told():
    from preceptor.recipe.check_roles import check_roles
    from preceptor.recipe.made import Made
    from preceptor.recipe.report import Report

    report = Report("recipe", {})
    shares = {"train": 0.8, "tune": 0.0, "calibrate": 0.0, "test": 0.2, "adapt": None, "external": None, "given": False}
    point = build("evaluators", {"operating_point": {"rule": "youden"}})
    made = {name: [] for name in ("methods", "safeguards", "evaluate")}
    made["evaluate"] = [Made(("evaluate", 0), "operating_point", {}, point)]
    check_roles({"split": shares, "strategy": {"once": {}}}, made, report)
    (problem,) = report.problems
    assert problem.code == "no_tune_share" and "choose what they are measured by" in problem.remedy


# ---------------------------------------------------------------- predictive values


def test_bayes_by_hand():
    # Sensitivity .9, specificity .95, one in a hundred: 9 of 58.5 alarms are true.
    positive, negative = predictive_values(np.array(0.9), np.array(0.95), 0.01)
    assert positive == pytest.approx(0.009 / (0.009 + 0.0495)) and negative == pytest.approx(0.9405 / (0.9405 + 0.001))
    nobody, _ = predictive_values(np.array(0.0), np.array(1.0), 0.1)
    assert np.isnan(nobody)


def test_predictive_values_are_those_of_a_cohort_with_that_mix():
    generator = np.random.default_rng(1)
    truth = np.repeat([1, 0], 400)
    score = np.clip(0.5 + 0.25 * (2 * truth - 1) + generator.normal(0, 0.2, 800), 0, 1)
    found = measure("predictive_values", binary(truth, score), prevalences=[0.5, 0.02])
    said = score >= 0.5
    assert found.value == pytest.approx(truth[said].mean()), "half are ill here: that is the test set's own"
    sensitivity, specificity = said[truth == 1].mean(), (~said)[truth == 0].mean()
    rare = found.parts["positive at 0.02"]
    assert rare.value == pytest.approx(0.02 * sensitivity / (0.02 * sensitivity + 0.98 * (1 - specificity)))
    assert rare.value < 0.3 < 0.85 < found.value and rare.interval[0] < rare.value < rare.interval[1]
    assert found.parts["negative at 0.02"].value > 0.99
    assert told(found, f"sensitivity {sensitivity:.3f}, specificity {specificity:.3f}")
    curve = found.curves["predictive"]
    assert curve["prevalence"][0] == pytest.approx(0.001) and np.all(np.diff(curve["positive_predictive_value"]) > 0)


def test_no_false_alarm_seen_is_no_promise():
    truth = np.repeat([1, 0], 30)
    found = measure("predictive_values", binary(truth, np.where(truth, 0.8, 0.2)), prevalences=[0.01])
    assert found.value == 1.0
    # Specificity at least .8843 (exact, 30 of 30): at one in a hundred an alarm may be right one time in twelve.
    assert found.interval[0] == pytest.approx(0.01 * 0.8843 / (0.01 * 0.8843 + 0.99 * 0.1157), abs=1e-3)
    assert found.interval[1] == 1.0 and "Clopper-Pearson" in found.method


def test_predictive_values_of_one_label_alone_and_of_all():
    truth = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (10, 1))
    said = np.where(truth, 0.9, 0.1)
    said[0] = 1 - said[0]
    found = measure("predictive_values", labels(truth, said), prevalences=[0.2])
    assert set(found.parts) == {"a", "b"} and "mean over 2 classes" in found.definition
    one = measure("predictive_values", labels(truth, said), prevalences=[0.2], of="b")
    assert one.value == found.parts["b"].value
    with pytest.raises(RecipeError):
        build("evaluators", {"predictive_values": {"prevalences": [1.5]}})
    assert not build("evaluators", {"predictive_values": {"prevalences": [0.1], "of": "x"}}).suits(BINARY)


# ---------------------------------------------------------------- decision curves


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5])
def test_net_benefit_is_that_by_hand(threshold):
    generator = np.random.default_rng(2)
    truth = generator.random(500) < 0.3
    score = np.clip(0.3 + 0.3 * (truth - 0.3) + generator.normal(0, 0.15, 500), 0.01, 0.99)
    found = measure("decision_curve", binary(truth.astype(int), score), threshold=threshold)
    assert found.value == pytest.approx(net_benefit(truth, score, threshold))
    everybody = net_benefit(truth, np.ones(500), threshold)
    assert found.parts["treat_all"].value == pytest.approx(everybody)
    assert found.parts["advantage"].value == pytest.approx(found.value - max(everybody, 0))
    assert found.interval[0] < found.value < found.interval[1]
    curve = found.curves["decision"]
    at = int(np.argmin(np.abs(np.array(curve["threshold"]) - threshold)))
    assert curve["net_benefit"][at] == pytest.approx(net_benefit(truth, score, curve["threshold"][at]))
    assert all(low <= value <= high for value, low, high in zip(*list(curve.values())[1:], strict=True))


def test_the_worth_is_said_in_words_and_a_useless_model_has_none():
    generator = np.random.default_rng(3)
    truth = (generator.random(800) < 0.2).astype(int)
    sees = np.clip(0.2 + 0.5 * (truth - 0.2) + generator.normal(0, 0.1, 800), 0.01, 0.99)
    assert told(measure("decision_curve", binary(truth, sees), threshold=0.2), "more true alarms for present in 100")
    guesses = measure("decision_curve", binary(truth, generator.random(800)), threshold=0.2)
    assert guesses.parts["advantage"].value <= 0 and not told(guesses, "more true alarms")
    assert told(measure("decision_curve", binary(truth, 1 - sees), threshold=0.2), "acting on everybody, or on nobody")


def test_another_prevalence_moves_the_benefit_and_not_the_rates():
    truth, score = np.repeat([1, 0], 100), np.r_[np.full(80, 0.9), np.full(20, 0.1), np.full(90, 0.1), np.full(10, 0.9)]
    found = measure("decision_curve", binary(truth, score), threshold=0.25, prevalence=0.04)
    assert found.value == pytest.approx(0.8 * 0.04 - 0.1 * 0.96 / 3)
    assert "prevalence 0.04" in found.definition


def test_dense_answers_are_no_decisions(tmp_path):
    given = maps(tmp_path, [(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))])
    for name, settings in (
        ("decision_curve", {"threshold": 0.1}),
        ("predictive_values", {"prevalences": [0.1]}),
        ("operating_point", {"rule": "youden"}),
    ):
        assert not build("evaluators", {name: settings}).suits(given.question)


@pytest.mark.slow
def test_intervals_at_another_prevalence_cover():
    """Sensitivity .85 and specificity .9 are true; so is the predictive value at 5 %. 60 ill and 120 healthy."""
    true = predictive_values(np.array(0.85), np.array(0.9), 0.05)[0]
    benefit = 0.85 * 0.3 - 0.1 * 0.7 * (0.2 / 0.8)
    covered = []
    for seed in range(80):
        generator = np.random.default_rng(seed)
        truth = np.repeat([1, 0], (60, 120))
        said = np.where(truth, generator.random(180) < 0.85, generator.random(180) < 0.1)
        given = binary(truth, np.where(said, 0.9, 0.1))
        found = measure("predictive_values", given, prevalences=[0.05], resamples=400)
        gained = measure("decision_curve", given, threshold=0.2, prevalence=0.3, resamples=400)
        covered.append(
            [each.interval[0] <= value <= each.interval[1] for each, value in ((found, true), (gained, benefit))]
        )
    assert (np.mean(covered, 0) >= 0.88).all() and (np.mean(covered, 0) <= 0.99).all()
