"""Known answers of evidential classification."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.slots import build
from preceptor.maths import evidential

from .seeds import seeds

#: alpha, class, first term, variance, risk, divergence, vacuity, type-II likelihood, digamma risk.
TABLE = [
    ((1, 1, 1), 0, 0.66666667, 0.16666667, 0.83333333, 0.0, 1.0, 1.09861229, 1.5),
    ((10, 1, 1), 0, 0.04166667, 0.02243590, 0.06410256, 0.0, 0.25, 0.18232156, 0.19090909),
    ((1, 10, 1), 0, 1.54166667, 0.02243590, 1.56410256, 2.28915137, 0.25, 2.48490665, 3.01987734),
    ((2, 3, 4), 2, 0.46913580, 0.06419753, 0.53333333, 0.55119738, 0.33333333, 0.81093022, 0.88452381),
]


@pytest.mark.answer("L2.1")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_table(row):
    alpha, label, first, variance, risk, divergence, vacuity, likelihood, digamma = row
    concentration = torch.tensor([alpha], dtype=torch.float64)
    truth = torch.nn.functional.one_hot(torch.tensor([label]), 3).double()
    assert first + variance == pytest.approx(risk, abs=2e-8)
    assert evidential.squared_risk(concentration, truth).item() == pytest.approx(risk, abs=1e-6)
    wrong = evidential.misleading(concentration, truth)
    assert evidential.divergence_from_uniform(wrong).item() == pytest.approx(divergence, abs=1e-6)
    assert evidential.vacuity(concentration).item() == pytest.approx(vacuity, abs=1e-6)
    assert evidential.likelihood_risk(concentration, truth).item() == pytest.approx(likelihood, abs=1e-6)
    assert evidential.digamma_risk(concentration, truth).item() == pytest.approx(digamma, abs=1e-6)


@pytest.mark.answer("L2.1")
def test_the_loss_is_the_risk_plus_a_growing_part_of_the_divergence():
    """Evidence (0, 9, 0) under softplus and exp: logits that give alpha (1, 10, 1) to six digits."""
    logits = torch.tensor([[-20.0, np.log(9.0), -20.0]], dtype=torch.float64)
    objective = build("objectives", {"evidential": {"annealing": 0.5, "clamp": 20.0}})
    for progress, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
        objective.progress = progress
        loss = objective.loss(logits, torch.tensor([0])).item()
        assert loss == pytest.approx(1.56410256 + share * 2.28915137, abs=1e-5)


@pytest.mark.answer("L2.1")
def test_divergence_agrees_with_torch():
    alpha = torch.tensor([[2.5, 1.0, 7.0, 3.2]], dtype=torch.float64)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Dirichlet(alpha), torch.distributions.Dirichlet(torch.ones_like(alpha))
    )
    assert torch.allclose(evidential.divergence_from_uniform(alpha), expected, atol=1e-9)


@pytest.mark.answer("L2.1")
def test_risk_agrees_with_draws():
    alpha = torch.tensor([[2.0, 3.0, 4.0]], dtype=torch.float64)
    truth = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    drawn = np.random.default_rng(0).dirichlet(alpha[0].numpy(), 400_000)
    expected = ((truth.numpy() - drawn) ** 2).sum(1).mean()
    assert evidential.squared_risk(alpha, truth).item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.answer("L2.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_doubt_tells_right_from_wrong_on_digits(seed):
    from scipy.ndimage import rotate
    from sklearn.metrics import recall_score, roc_auc_score
    from sklearn.model_selection import train_test_split

    images, labels = _digits()
    first, second = train_test_split(np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=seed)
    network, objective = _train(images[first], labels[first], seed)

    def answer(pictures):
        with torch.no_grad():
            decoded = objective.decode(network(torch.tensor(pictures, dtype=torch.float32).flatten(1)), None)
        return decoded.probability.argmax(1).numpy(), decoded.uncertainty.numpy()

    answered, doubt = answer(images[second])
    right = answered == labels[second]
    turned = np.stack([rotate(image, 15, reshape=False, order=1) for image in images[second]])
    noise = np.random.default_rng(seed).random((len(second), 8, 8))
    assert right.mean() >= 0.95
    assert recall_score(labels[second], answered, average=None).min() >= 0.85
    assert roc_auc_score(~right, doubt) >= 0.90
    assert answer(turned)[1].mean() >= 2 * doubt.mean()
    both = np.concatenate([answer(noise)[1], doubt])
    assert roc_auc_score(np.repeat([1, 0], [len(noise), len(doubt)]), both) >= 0.75


def _digits():
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images / 16, digits.target


def _train(images, labels, seed, epochs=100):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    objective = build("objectives", {"evidential": {"annealing": 0.5}})
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    features, target = torch.tensor(images, dtype=torch.float32).flatten(1), torch.tensor(labels)
    for epoch in range(epochs):
        objective.progress = epoch / epochs
        for rows in torch.randperm(len(features)).split(32):
            optimizer.zero_grad()
            objective.loss(network(features[rows]), target[rows]).mean().backward()
            optimizer.step()
    return network, objective
