"""Evidential classification: an answer as a Dirichlet distribution, and how it is scored.

``alpha = evidence + 1``, ``S = sum alpha``, probability ``alpha / S``, vacuity ``K / S``. The class axis is axis 1.

Source: Sensoy 2018 (arXiv:1806.01768).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def dirichlet(logits: Tensor, evidence: Literal["exp", "softplus"] = "exp", clamp: float = 10.0) -> Tensor:
    """``(batch, class, *space)`` concentrations above 1.

    Args:
        logits: Same shape.
        evidence: How a logit becomes evidence. "exp" of the logit clamped to ``[-clamp, clamp]``, or "softplus".
            There is no "relu": it loses whole classes, for a class without evidence gets no gradient.
        clamp: Bound of the logit under "exp".
    """
    return 1 + (logits.clamp(-clamp, clamp).exp() if evidence == "exp" else functional.softplus(logits))


def vacuity(alpha: Tensor) -> Tensor:
    """``(batch, *space)`` K / S: 1 without any evidence, towards 0 with much. Not a detector of foreign inputs."""
    return alpha.shape[1] / alpha.sum(1)


def squared_risk(alpha: Tensor, truth: Tensor) -> Tensor:
    """``(batch, *space)`` expected squared error under the Dirichlet: error of the mean plus variance.

    Args:
        alpha, truth: ``(batch, class, *space)``; `truth` is one-hot.

    Source: eq. 5.
    """
    total = alpha.sum(1, keepdim=True)
    mean = alpha / total
    return ((truth - mean) ** 2 + mean * (1 - mean) / (total + 1)).sum(1)


def likelihood_risk(alpha: Tensor, truth: Tensor) -> Tensor:
    """``(batch, *space)`` type-II likelihood: log S - log alpha of the truth.  Source: eq. 3."""
    return (truth * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1)


def digamma_risk(alpha: Tensor, truth: Tensor) -> Tensor:
    """``(batch, *space)`` expected cross-entropy under the Dirichlet.  Source: eq. 4."""
    return (truth * (torch.digamma(alpha.sum(1, keepdim=True)) - torch.digamma(alpha))).sum(1)


def misleading(alpha: Tensor, truth: Tensor) -> Tensor:
    """The concentrations with the evidence for the truth taken out: only what speaks for wrong classes is left."""
    return truth + (1 - truth) * alpha


def divergence_from_uniform(alpha: Tensor) -> Tensor:
    """``(batch, *space)`` KL(Dir(alpha) || Dir(1)): 0 where there is no evidence at all."""
    total = alpha.sum(1, keepdim=True)
    constant = torch.lgamma(total[:, 0]) - math.lgamma(alpha.shape[1]) - torch.lgamma(alpha).sum(1)
    return constant + ((alpha - 1) * (torch.digamma(alpha) - torch.digamma(total))).sum(1)
