"""Adaptation to another domain: gradient reversal and its schedules, and a check of what is left to tell apart."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """The features as they are; on the way back their gradient is multiplied by ``-strength``.

    Source: Ganin 2016 (arXiv:1505.07818), section 4.2.
    """
    return _Reversal.apply(features, strength)


def reversal_strength(progress: float, steepness: float = 10.0) -> float:
    """``2 / (1 + exp(-steepness * progress)) - 1``: 0 at the beginning of the training, near 1 at its end.

    Args:
        progress: 0..1.
        steepness: How early it rises.

    Source: Ganin 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-steepness * progress)) - 1


def annealed_rate(initial: float, progress: float) -> float:
    """The learning rate that goes with it: ``initial / (1 + 10 progress)^0.75``.  Source: Ganin 2016, section 5.2.2."""
    return initial / (1 + 10 * progress) ** 0.75


def fresh_probe_accuracy(features: Tensor, domain: Tensor, seed: int = 0, hidden: int = 32, steps: int = 400) -> float:
    """How well a newly trained classifier tells the domains apart: what adaptation has left in the features.

    The features are standardised, a two-layer network is trained on a random half and tested on the other. The accuracy
    of the domain head that took part in the training says nothing: it was fooled, which is not the same.

    Args:
        features: ``(case, feature)``.
        domain: ``(case,)`` index.
        seed: Of the halving and the network.
        hidden: Numbers in the hidden layer.
        steps: Full-batch Adam steps.

    Returns:
        Accuracy on the other half, 0..1.
    """
    generator = torch.Generator().manual_seed(seed)
    standard = (features - features.mean(0)) / features.std(0).clamp_min(1e-6)
    order = torch.randperm(len(features), generator=generator)
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    sizes = [(features.shape[1], hidden), (hidden, int(domain.max()) + 1)]
    weights = [torch.randn(size, generator=generator) * math.sqrt(2 / size[0]) for size in sizes]
    biases = [torch.zeros(size[1]) for size in sizes]
    parameters = [each.requires_grad_() for each in (*weights, *biases)]

    def logits(rows: Tensor) -> Tensor:
        return torch.relu(standard[rows] @ weights[0] + biases[0]) @ weights[1] + biases[1]

    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(logits(first), domain[first]).backward()
        optimizer.step()
    with torch.no_grad():
        return float((logits(second).argmax(1) == domain[second]).float().mean())
