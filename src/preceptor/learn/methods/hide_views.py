"""Hide views: learn to answer from whatever is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from preceptor.core.batch import Batch


class HideViews(nn.Module):
    """In training, hides some of a case's views, never all: the model meets every subset it may meet later.

    Each sample that is chosen keeps a subset drawn uniformly from the non-empty subsets of the views it has. Only
    `present` ``{view: (batch,)}`` changes: networks that answer from any subset (hemis, dual_net) do not look at the
    rest.

    Args:
        chance: Probability that a sample is chosen.

    Returns:
        From `on_batch`: the batch with fewer views present.

    Raises:
        KeyError: The batch has a view without `present`.

    Source: Havaei 2016 (arXiv:1607.05194), section 2.3; Neverova 2016 (arXiv:1501.00102), ModDrop.

    Example:
        >>> HideViews(chance=0.5).chance
        0.5
    """

    generator: torch.Generator | None = None

    def __init__(self, chance: Annotated[float, Ge(0), Le(1)] = 1.0) -> None:
        super().__init__()
        self.chance = chance

    @classmethod
    def example(cls) -> HideViews:
        return cls()

    def on_batch(self, batch: Batch) -> Batch:
        there = torch.stack([shown.bool() for shown in batch.present.values()]).cpu()
        kept = self._subset(there)
        device = batch.rows.device
        present = {view: row.to(device) for view, row in zip(batch.present, kept, strict=True)}
        return replace(batch, present=present)

    def _subset(self, there: Tensor) -> Tensor:
        """``(view, batch)``: a non-empty subset of what is there, uniform among them for the chosen samples."""
        chosen = torch.rand(there.shape[1], generator=self.generator) < self.chance
        kept = there.clone()
        waiting = chosen & there.any(0)
        while waiting.any():  # draw again what came out empty: the rest is uniform over non-empty subsets
            drawn = there & (torch.rand(there.shape, generator=self.generator) < 0.5)
            settled = waiting & drawn.any(0)
            kept = torch.where(settled, drawn, kept)
            waiting = waiting & ~settled
        return kept
