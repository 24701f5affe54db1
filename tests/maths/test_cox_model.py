"""A linear Cox model against answers that are known, and against the loss that networks are trained with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.maths.cox_model import _Followed, choose_ridge, fit_cox
from preceptor.maths.survival_losses import cox

# Weeks of remission in acute leukaemia, 21 patients on placebo and 21 on 6-MP: Gehan 1965, after Freireich 1963.
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
TIME = np.array([*PLACEBO, *TREATED], dtype=float)
EVENT = np.array([1] * 21 + [1] * 9 + [0] * 12)
GROUP = np.array([[1.0]] * 21 + [[0.0]] * 21)


def drawn(cases: int = 400, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (cases, 3))
    whole = rng.exponential(10 / np.exp(features @ [0.8, -0.5, 0.0]))
    lost = rng.uniform(0, 30, cases)
    time = np.minimum(whole, lost)
    return features, np.ceil(time) if ties else time, whole <= lost


@pytest.mark.parametrize(("ties", "expected"), [("breslow", 1.5092), ("efron", 1.5721)])
def test_the_leukaemia_trial(ties, expected):
    """The textbook answers of R's coxph and of Stata's stcox to these 42 patients."""
    assert fit_cox(GROUP, TIME, EVENT, ties=ties)[0] == pytest.approx(expected, abs=5e-5)


def test_three_cases_by_hand():
    """1/(2 + u) * u/(1 + u) is highest where u * u = 2."""
    found = fit_cox(np.array([[0.0], [1.0], [0.0]]), np.array([1.0, 2, 3]), np.array([1, 1, 1]))
    assert found[0] == pytest.approx(np.log(2) / 2, abs=1e-9)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_its_derivatives_are_those_of_the_loss(ties):
    features, time, event = drawn()
    weights = np.array([0.3, -0.2, 0.1])
    given = torch.from_numpy(features)

    def loss(at):
        return cox(given @ at, torch.from_numpy(time), torch.from_numpy(event), ties).sum()

    at = torch.from_numpy(weights).requires_grad_()
    followed = _Followed.of(features, time, event, ties)
    slope, curvature = followed.derivatives(weights)
    assert followed.log_likelihood(weights) == pytest.approx(-loss(at).item(), rel=1e-10)
    np.testing.assert_allclose(slope, -torch.autograd.grad(loss(at), at)[0].numpy(), rtol=1e-8, atol=1e-8)
    around = 1e-5 * np.eye(3)
    numeric = [(followed.derivatives(weights - h)[0] - followed.derivatives(weights + h)[0]) / 2e-5 for h in around]
    np.testing.assert_allclose(curvature, numeric, rtol=1e-6, atol=1e-5)


@pytest.mark.answer("L4.1")
def test_coefficients_that_data_were_drawn_with_come_back():
    for seed in range(5):
        features, time, event = drawn(1000, seed, ties=False)
        assert np.abs(fit_cox(features, time, event) - [0.8, -0.5, 0.0]).max() <= 0.15


def test_a_ridge_draws_towards_nothing_and_tames_what_has_no_answer():
    features, time, event = drawn()
    sizes = [float(np.abs(fit_cox(features, time, event, ridge=each)).sum()) for each in (0.0, 10.0, 1000.0, 1e7)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 1e-3
    perfect = np.arange(5.0)[:, None]
    with pytest.raises(ValueError, match="ridge"):
        fit_cox(perfect, 10 - perfect[:, 0], np.ones(5))
    assert np.isfinite(fit_cox(perfect, 10 - perfect[:, 0], np.ones(5), ridge=0.1)).all()


def test_far_apart_features_do_not_overflow():
    features, time, event = drawn()
    assert np.isfinite(fit_cox(300 * features, time, event, ridge=1.0)).all()


def test_nobody_with_the_event_teaches_nothing():
    features, time, _ = drawn(10)
    assert (fit_cox(features, time, np.zeros(10)) == 0).all()


def test_the_ridge_that_is_chosen_follows_what_there_is_to_learn():
    features, time, event = drawn()
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (400, 40))
    candidates = [0.1, 10.0, 1e4]
    assert choose_ridge(features, time, event, candidates) < 1e4
    assert choose_ridge(noise, time, event, candidates) == 1e4
