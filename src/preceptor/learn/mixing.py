"""Two cases in one: who is mixed with whom, and by how much."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from preceptor.core.batch import Batch


def numbers(generator: torch.Generator | None) -> np.random.Generator:
    """Dice of numpy's that follow a method's own generator, so that a resumed training throws the same."""
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))


def partners(batch: Batch, rng: np.random.Generator) -> np.ndarray:
    """``(batch,)`` the sample that each is mixed with: a shuffle. Who lacks another's view stays alone.

    A view that one of the two has not can't be mixed.
    """
    order = rng.permutation(len(batch))
    there = np.stack([shown.bool().cpu().numpy() for shown in batch.present.values()])
    alike = (there == there[:, order]).all(0)
    return np.where(alike, order, np.arange(len(batch)))


def shares(alpha: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """``(batch,)`` the part that stays a sample's own, at least a half.

    The two of a pair are interchangeable, so the larger part is called its own: keys, fields and rows are then its.
    """
    drawn = rng.beta(alpha, alpha, size=size)
    return np.maximum(drawn, 1 - drawn)


def along(share: Tensor, like: Tensor) -> Tensor:
    """A number a sample, shaped to multiply a tensor of these axes."""
    return share.to(like.device).view(-1, *[1] * (like.ndim - 1))
