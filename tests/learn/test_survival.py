"""Survival as it is learnt: what a follow-up says, what the losses make of it, and curves that mean what they say."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch

from preceptor.core.cohort import Case
from preceptor.core.errors import CohortError, RecipeError, Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.learn.follow_up import follow_up_of, interval_of, log_mean_hazard
from preceptor.learn.objectives.cox import Cox
from preceptor.learn.objectives.deephit import Deephit
from preceptor.learn.objectives.logistic_hazard import LogisticHazard
from preceptor.learn.tasks.survival import Survival
from preceptor.maths.survival_curves import kaplan_meier
from preceptor.prove.safeguards.baseline_hazard import BaselineHazard
from preceptor.prove.tuning_score import tuning_score

TIMES = (2.0, 4.0, 8.0)
TASK = Survival(time="months", event="death", times=[8, 2, 4, 4], unit="months")


def followed(**labels) -> Case:
    return Case("a", {}, labels=labels)


def targets(time, event) -> torch.Tensor:
    rows = [TASK.encode(followed(months=float(t), death=int(e)))["death"] for t, e in zip(time, event, strict=True)]
    return torch.from_numpy(np.stack(rows))


def exponential(cases: int, seed: int = 0, share: float = 0.12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risk, time and event of cases with the hazard ``share * exp(risk)``, lost from sight at random."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(0, 1, cases)
    whole, left = rng.exponential(1 / (share * np.exp(risk))), rng.uniform(1, 20, cases)
    return risk, np.minimum(whole, left), (whole <= left).astype(float)


# ---------------------------------------------------------------- what a follow-up says


def test_times_are_asked_for_once_and_in_order():
    assert TASK.question.times == TIMES
    assert TASK.question.curve_columns == ("survival_2", "survival_4", "survival_8")
    assert TASK.question.follow_up_columns == ("months", "death")
    assert Question("survival", "relapse", ("relapse",)).follow_up_columns == ("relapse_time", "relapse_event")


@pytest.mark.parametrize(
    ("time", "event", "place"),
    [
        (0, 1, 0), (2, 1, 0), (2.5, 1, 1), (8, 1, 2), (9, 1, 3),  # an event falls into the interval that holds it
        (0, 0, -1), (1.9, 0, -1), (2, 0, 0), (7, 0, 1), (8, 0, 2), (99, 0, 2),  # the last one followed through
    ],
)  # fmt: skip
def test_which_interval_a_follow_up_speaks_of_last(time, event, place):
    assert interval_of(time, event, TIMES) == place


@pytest.mark.parametrize("event", [True, 1, 1.0, "1", "true", "True"])
def test_an_event_is_read_however_a_table_holds_it(event):
    assert follow_up_of(followed(months="3.5", death=event), TASK.question) == (3.5, 1.0)


def test_fields_do_where_there_are_no_labels():
    case = Case("a", {}, fields={"months": 3, "death": 0})
    assert follow_up_of(case, TASK.question) == (3.0, 0.0)


@pytest.mark.parametrize("labels", [{}, {"months": 3}, {"death": 1}, {"months": float("nan"), "death": 1}])
def test_half_a_follow_up_is_none(labels):
    assert np.isnan(TASK.encode(followed(**labels))["death"]).all()


@pytest.mark.parametrize(
    "labels",
    [
        {"months": -1, "death": 1}, {"months": "soon", "death": 1}, {"months": float("inf"), "death": 0},
        {"months": 3, "death": 2}, {"months": 3, "death": "dead"}, {"months": 3, "death": -1},
    ],
)  # fmt: skip
def test_what_is_no_follow_up_is_refused_with_the_case_named(labels):
    with pytest.raises(CohortError) as caught:
        TASK.encode(followed(**labels))
    assert caught.value.problem.code == "follow_up_value" and "case a" in str(caught.value)


def test_one_column_for_both_is_refused():
    with pytest.raises(RecipeError):
        Survival(time="death", event="death", times=[1])


# ---------------------------------------------------------------- losses


def test_an_unlabelled_case_is_in_no_risk_set():
    target = targets([1, 2, 3, 4], [1, 0, 1, 1])
    output = torch.randn(4, 1, generator=torch.Generator().manual_seed(0))
    with_one_more = Cox().loss(
        torch.cat([output, torch.tensor([[9.0]])]), torch.cat([target, torch.full((1, 3), float("nan"))])
    )
    torch.testing.assert_close(with_one_more[:4], Cox().loss(output, target))
    assert with_one_more[4] == 0


def test_cox_is_told_apart_by_its_ties():
    target = targets([1, 1, 2], [1, 1, 1])
    output = torch.tensor([[2.0], [1.0], [0.0]])
    assert Cox("breslow").loss(output, target).sum().item() == pytest.approx(1.815211929, abs=1e-5)
    assert Cox().loss(output, target).sum().item() == pytest.approx(1.208270493, abs=1e-5)


def test_a_batch_without_an_event_teaches_cox_nothing():
    target = targets([1, 2, 3], [0, 0, 0])
    output = torch.randn(3, 1, requires_grad=True)
    loss = Cox().loss(output, target)
    loss.sum().backward()
    assert (loss == 0).all() and (output.grad == 0).all() and Cox().count(target).sum() == 0


def test_hazards_without_an_image_are_the_life_tables():
    """The most likely hazard of an interval is the share that had the event, of those followed through or to it."""
    _, time, event = exponential(300)
    target = targets(time, event)
    logits = torch.zeros(1, 3, requires_grad=True)
    steps = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        steps.zero_grad()
        loss = LogisticHazard().loss(logits.expand(300, -1), target).sum()
        loss.backward()
        return loss

    steps.step(closure)
    ends = (0.0, *TIMES)
    happened = [((time > low) & (time <= high) & (event == 1)).sum() for low, high in zip(ends, TIMES)]  # noqa: B905
    through = [(time >= high).sum() - ((time == high) & (event == 1)).sum() for high in TIMES]
    expected = [d / (d + n) for d, n in zip(happened, through, strict=True)]
    assert torch.sigmoid(logits[0]).tolist() == pytest.approx(expected, abs=1e-3)
    curve = LogisticHazard().decode(logits, TASK.question).survival[0].detach().numpy()
    assert np.abs(curve - kaplan_meier(time, event == 1).at(TIMES)).max() < 0.05


@pytest.mark.parametrize("objective", [LogisticHazard(), Deephit(ranking=0.0)])
def test_who_was_lost_within_an_interval_says_nothing_of_it(objective):
    output = torch.randn(1, objective.width(TASK.question), requires_grad=True)
    through, lost = (objective.loss(output, targets([t], [0])) for t in (4, 7.9))
    assert torch.equal(through, lost) and through > 0
    early = objective.loss(output, targets([1.0], [0]))
    early.sum().backward()
    assert early == 0 and (output.grad == 0).all()


@pytest.mark.parametrize("objective", [LogisticHazard(), Deephit(ranking=0.0)])
def test_an_event_after_the_last_time_is_survival_until_then(objective):
    output = torch.randn(1, objective.width(TASK.question))
    assert torch.equal(objective.loss(output, targets([30], [1])), objective.loss(output, targets([30], [0])))


def test_ranking_looks_across_the_batch_and_costs_the_wrong_order():
    assert Deephit().whole_batch and not Deephit(ranking=0.0).whole_batch
    target = targets([1, 7], [1, 1])
    right = torch.tensor([[4.0, 0, 0, 0], [0, 0, 4.0, 0]])
    ranked, plain = (Deephit(ranking=each).loss(right, target) for each in (1.0, 0.0))
    turned, plain_turned = (Deephit(ranking=each).loss(right.flip(0), target) for each in (1.0, 0.0))
    assert (turned - plain_turned).sum() > 100 * (ranked - plain).sum() > 0


def test_deephit_reads_its_curve_as_what_is_left():
    output = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))
    left = 1 - output.softmax(1).cumsum(1)[:, :3]
    torch.testing.assert_close(Deephit().decode(output, TASK.question).survival, left)


def test_the_risk_of_a_curve_is_the_log_hazard_ratio_where_hazards_are_proportional():
    ratio = torch.tensor([[-2.0], [0.0], [1.5]])
    log_survival = -torch.tensor([[0.05, 0.2, 0.7]]) * ratio.exp()
    risk = log_mean_hazard(log_survival)
    torch.testing.assert_close(risk - risk[1], ratio)


def test_sure_survivors_have_a_finite_risk():
    decoded = LogisticHazard().decode(torch.full((1, 3), -200.0), TASK.question)
    assert torch.isfinite(decoded.probability).all() and (decoded.survival == 1).all()


# ---------------------------------------------------------------- curves of a risk


def predictions(risk, time, event) -> Predictions:
    table = pandas.DataFrame({"truth_time": time, "truth_event": event, "answer": risk})
    return Predictions(table, TASK.question, None)


def test_breslows_curves_are_those_that_the_cases_were_drawn_from():
    risk, time, event = exponential(20_000)  # the baseline varies by 1.4 % at that number
    fitted = BaselineHazard().with_state(BaselineHazard().fit(predictions(risk, time, event), lambda: iter(())))
    for ratio in (-1.0, 0.0, 1.0):
        found = fitted(Prediction("a", TASK.question, np.array([ratio]))).survival
        assert np.abs(found - np.exp(-0.12 * np.array(TIMES) * np.exp(ratio))).max() < 0.03


def test_a_shift_of_all_risks_changes_no_curve():
    risk, time, event = exponential(200)
    curves = []
    for shift in (0.0, 40.0, -40.0):
        state = BaselineHazard().fit(predictions(risk + shift, time, event), lambda: iter(()))
        found = BaselineHazard().with_state(state)(Prediction("a", TASK.question, np.array([0.3 + shift])))
        curves.append(found.survival)
    np.testing.assert_allclose(curves[1:], [curves[0]] * 2, rtol=1e-9)


def test_no_event_no_baseline():
    with pytest.raises(Refusal):
        BaselineHazard("calibrate").fit(predictions([0.0, 1.0], [1.0, 2.0], [0.0, 0.0]), lambda: iter(()))


def test_tuning_prefers_the_better_order_and_knows_unlabelled_cases():
    score, higher = tuning_score(TASK.question)
    risk, time, event = exponential(60)
    truths = [*targets(time, event).numpy(), np.full(3, np.nan)]

    def scored(risks) -> float:
        return score([Prediction("a", TASK.question, np.array([each])) for each in [*risks, 50.0]], truths)

    assert not higher and scored(risk) < scored(np.zeros(60)) < scored(-risk)
    assert score([Prediction("a", TASK.question, np.array([1.0]))], [np.array([2.0, 0.0, 0.0])]) == 0.0
