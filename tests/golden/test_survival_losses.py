"""Known answers of losses of time to an event: Cox, DeepHit, discrete hazards, effects that change over time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.maths.survival_losses import (
    cox,
    cox_case_control,
    cox_time,
    cox_time_baseline,
    deephit_likelihood,
    deephit_ranking,
    hazard_survival,
    logistic_hazard,
)

GOLDEN = {"abs": 1e-6}
TIME, EVENT = torch.arange(1.0, 6, dtype=torch.float64), torch.tensor([1, 0, 1, 1, 0])
SCORE = torch.tensor([0.5, -0.2, 0.1, 0.8, -1.0], dtype=torch.float64)
INTERVAL, ENDED = torch.tensor([1, 2, 0]), torch.tensor([1, 0, 1])


def listed(values):
    return values.detach().tolist()


@pytest.mark.answer("L4.1")
def test_cox_of_five_cases_and_its_gradient():
    score = SCORE.clone().requires_grad_()
    terms = cox(score, TIME, EVENT)
    assert float(terms.detach().sum()) == pytest.approx(2.679986978, **GOLDEN)
    assert float(terms.detach().sum() / EVENT.sum()) == pytest.approx(0.893328993, **GOLDEN)
    assert float(terms.detach().mean()) == pytest.approx(0.535997396, **GOLDEN)
    terms.sum().backward()
    assert listed(score.grad) == pytest.approx(
        [-0.732612765, 0.132780571, -0.521956367, 0.820810594, 0.300977967], **GOLDEN
    )


@pytest.mark.answer("L4.1")
@pytest.mark.parametrize(
    ("scores", "breslow", "efron"),
    [((0.0, 1, 2), 3.815211929, 3.632034579), ((2.0, 1, 0), 1.815211929, 1.208270493)],
)
def test_cox_with_events_at_one_time(scores, breslow, efron):
    time, event = torch.tensor([1.0, 1, 2]), torch.ones(3)
    for order in ([0, 1, 2], [1, 2, 0], [2, 1, 0]):
        score = torch.tensor(scores, dtype=torch.float64)[order]
        assert float(cox(score, time[order], event).sum()) == pytest.approx(breslow, **GOLDEN)
        assert float(cox(score, time[order], event, "efron").sum()) == pytest.approx(efron, **GOLDEN)


@pytest.mark.answer("L4.1")
def test_cox_is_the_same_for_shifted_scores_and_zero_without_an_event():
    for ties in ("breslow", "efron"):
        moved = cox(SCORE + 500, TIME, EVENT, ties)
        assert listed(moved) == pytest.approx(listed(cox(SCORE, TIME, EVENT, ties)), abs=1e-9)
        score = SCORE.clone().requires_grad_()
        nothing = cox(score, TIME, torch.zeros(5), ties)
        nothing.sum().backward()
        assert float(nothing.detach().abs().sum()) == 0 and not score.grad.isnan().any()


@pytest.mark.answer("L4.1")
@pytest.mark.parametrize("seed", range(5))
def test_cox_finds_the_coefficients_that_made_the_data(seed):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(1000, 3))
    whole = generator.exponential(1 / (0.1 * np.exp(features @ [0.8, -0.5, 0.0])))
    left = generator.uniform(0, 30, 1000)
    time, event = torch.as_tensor(np.minimum(whole, left)), torch.as_tensor(whole <= left)
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")
    given = torch.as_tensor(features)

    def closure():
        optimizer.zero_grad()
        loss = cox(given @ weights, time, event).sum() / event.sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert 0.6 < float(event.double().mean()) < 0.72
    assert (weights.detach() - torch.tensor([0.8, -0.5, 0.0])).abs().max() <= 0.15


@pytest.mark.answer("L4.4")
def test_deephit_of_three_cases():
    logits = torch.tensor([(1, 0, -1, 0.5, 0), (0, 0.5, 1, 0, -0.5), (0.2, 0.1, 0, -0.1, 0.3)], dtype=torch.float64)
    likelihood = deephit_likelihood(logits, INTERVAL, ENDED)
    assert listed(likelihood) == pytest.approx([1.907300370, 1.468045107, 1.519416331], **GOLDEN)
    ranking = deephit_ranking(logits, INTERVAL, ENDED, sigma=0.1)
    assert float(ranking.total) == pytest.approx(6.994263094, **GOLDEN) and ranking.pairs == 3
    assert float(ranking.per_square) == pytest.approx(0.777140344, **GOLDEN)
    assert float(ranking.per_pair) == pytest.approx(2.331421031, **GOLDEN)
    assert float(0.2 * likelihood.mean() + 0.8 * ranking.per_square) == pytest.approx(0.948029730, **GOLDEN)


@pytest.mark.answer("L4.4")
def test_deephit_pairs_at_one_time_and_finite_gradients():
    logits = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    same, event = torch.tensor([1, 1, 1]), torch.tensor([1, 0, 1])
    ranking = deephit_ranking(logits, same, event, sigma=1e-3)
    assert ranking.pairs == 2  # each event against the censored one, never event against event
    ranking.total.backward()
    assert logits.grad.isfinite().all()
    assert float(deephit_ranking(logits, same, torch.zeros(3)).per_pair) == 0


@pytest.mark.answer("L4.5")
def test_hazards_in_intervals():
    logits = torch.tensor([(-1, -0.5, 0, 0.5), (-2, -1, -1, 0), (0, 0.3, 0.1, -0.2)], dtype=torch.float64)
    terms = logistic_hazard(logits, INTERVAL, ENDED)
    assert listed(terms) == pytest.approx([1.287338672, 0.753451386, 0.693147181], **GOLDEN)
    assert float(terms.mean()) == pytest.approx(0.911312412, **GOLDEN)
    survival = hazard_survival(logits)[0]
    assert listed(survival) == pytest.approx([0.731058579, 0.455054234, 0.227527117, 0.085900740], **GOLDEN)


@pytest.fixture
def changing():
    """``g(t, x) = x (0.5 - 0.3 t)`` at the events of the five cases."""
    feature = torch.tensor([1.0, 0, 2, 1, 0], dtype=torch.float64)
    return feature, feature[None] * (0.5 - 0.3 * TIME[EVENT.bool()])[:, None]


@pytest.mark.answer("L4.6")
def test_effects_that_change_over_time(changing):
    _, at_events = changing
    terms = cox_time(at_events, TIME, EVENT)
    assert listed(terms) == pytest.approx([1.580804720, 1.551250514, 1.103186049], **GOLDEN)
    assert float(terms.sum()) == pytest.approx(4.235241283, **GOLDEN)


@pytest.mark.answer("L4.6")
def test_the_baseline_of_effects_that_change(changing):
    _, at_events = changing
    time, steps = cox_time_baseline(at_events, TIME, EVENT)
    assert listed(time) == [1, 3, 4]
    assert listed(torch.cumsum(steps, 0)) == pytest.approx([0.168502495, 0.640278716, 1.308466489], **GOLDEN)
    survival = torch.exp(-(steps * torch.exp(0.5 - 0.3 * time)).sum())
    assert float(survival) == pytest.approx(0.425767141, **GOLDEN)


@pytest.mark.answer("L4.6")
def test_one_control_in_place_of_the_risk_set(changing):
    _, at_events = changing
    events = torch.nonzero(EVENT)[:, 0]
    case = at_events.gather(1, events[:, None])[:, 0]
    controls = at_events.gather(1, torch.tensor([[2], [4], [4]]))
    terms = cox_case_control(case, controls)
    assert listed(terms) == pytest.approx([0.798138869, 1.171100666, 1.103186049], **GOLDEN)
    assert float(terms.mean()) == pytest.approx(1.024141861, **GOLDEN)
