"""Mixup: learn between cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import nn

from preceptor.core.batch import Batch, Mixed
from preceptor.learn.mixing import along, numbers, partners, shares


class Mixup(nn.Module):
    """In training, lays a second case over each, see-through, and asks for both answers in the same shares.

    Every view is mixed alike, ``share * own + (1 - share) * partner``, and so is the loss: it works with any objective and any
    task, label maps included (the answer per voxel is then asked to lie between two anatomies, for which `cutmix` is the better
    choice). Masks of weights are mixed as images are; other marks stay the larger part's. Two cases that do not have the same
    views are not mixed.

    Args:
        alpha: Of the Beta distribution that shares are drawn from; small values leave most cases nearly as they are.
        chance: How often a batch is mixed. A batch that one method has mixed is left alone by another: `cutmix` is asked first.

    Returns:
        From `on_batch`: the batch with mixed images, and what they were mixed of.

    Source: Zhang 2018 (arXiv:1710.09412), eq. 1 and 2; one share is drawn a case, not a batch.

    Example:
        >>> Mixup(alpha=0.4).alpha
        0.4
    """

    generator: torch.Generator | None = None

    def __init__(self, alpha: Annotated[float, Gt(0)] = 0.2, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.chance = chance

    @classmethod
    def example(cls) -> Mixup:
        return cls()

    def on_batch(self, batch: Batch) -> Batch:
        if batch.mixed is not None:  # another method has mixed this batch
            return batch
        rng = numbers(self.generator)
        if rng.random() >= self.chance:
            return batch
        order = torch.from_numpy(partners(batch, rng)).to(batch.rows.device)
        drawn = torch.from_numpy(shares(self.alpha, len(batch), rng)).float().to(batch.rows.device)
        share = torch.where(order == torch.arange(len(batch), device=order.device), 1.0, drawn)
        images = {view: _blend(image, image[order], share) for view, image in batch.images.items()}
        masks = dict(batch.masks)
        if "weight" in masks:
            masks["weight"] = _blend(masks["weight"], masks["weight"][order], share)
        targets = {name: target[order] for name, target in batch.targets.items()}
        return replace(batch, images=images, masks=masks, mixed=Mixed(share, targets))


def _blend(own: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Bit for bit its own where the share is 1, whatever the partner holds."""
    weight = along(share, own)
    return torch.where(weight == 1, own, weight * own + (1 - weight) * other)
