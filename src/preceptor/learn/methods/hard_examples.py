"""Hard examples: draw more often what the last losses were high on."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from preceptor.core.batch import EpochEnd, Index, Step


class HardExamples(nn.Module):
    """Draws cases, and the kinds of places that patches of a case are centred on, in proportion to their last losses.

    A row of the index is a case, or with patches a case and a kind of place: anywhere, on one of its structures, on a
    boundary. No volume is read to find what is hard. What has not been drawn yet counts as hard as the mean. Wrong labels
    are hard too: look at what is drawn most before trusting a high `strength`. Probabilities no longer tell how common a
    class is: recalibrate on cases drawn as they come.

    Args:
        strength: Share of the draws that goes by the losses; the rest is drawn as it would be without.
        memory: How much of a row's hardness is kept from one epoch to the next; 0 takes the last epoch's loss alone.

    Returns:
        From `sampler`: ``(row,)`` probabilities that sum to one.

    Raises:
        Nothing of its own.

    Source: drawing in proportion to loss, Katharopoulos and Fleuret 2018 (arXiv:1803.00942), without its weights, which
    would take the emphasis back.

    Example:
        >>> hard = HardExamples(strength=1.0)
        >>> index = Index(["a", "b"], np.arange(2), -np.ones(2), np.ones(2) / 2)
        >>> hard.sampler(index).tolist()
        [0.5, 0.5]
        >>> hard.note(torch.tensor([0, 1, 1]), torch.tensor([3.0, 1.0, 1.0]))
        >>> hard.after_epoch(EpochEnd(0, None, True, None, {}))
        >>> hard.sampler(index).tolist()
        [0.75, 0.25]
    """

    def __init__(
        self, strength: Annotated[float, Gt(0), Le(1)] = 0.5, memory: Annotated[float, Ge(0), Lt(1)] = 0.5
    ) -> None:
        super().__init__()
        self.strength = strength
        self.memory = memory
        self.hardness = torch.zeros(0, dtype=torch.float64)  # (row,) NaN where never drawn
        self.seen = torch.zeros(2, 0, dtype=torch.float64)  # losses of this epoch by row: their sum, and how many

    @classmethod
    def example(cls) -> HardExamples:
        return cls()

    def sampler(self, index: Index) -> np.ndarray:
        share = np.asarray(index.share, dtype=float)
        if len(self.hardness) != len(share):
            self.hardness = torch.full((len(share),), torch.nan, dtype=torch.float64)
            self.seen = torch.zeros(2, len(share), dtype=torch.float64)
        hardness = self.hardness.numpy()
        known = np.isfinite(hardness)
        mean = np.average(hardness[known], weights=share[known]) if share[known].sum() > 0 else 0.0
        if mean <= 0:
            return share / share.sum()
        by_loss = share * np.where(known, hardness, mean)
        return (1 - self.strength) * share / share.sum() + self.strength * by_loss / by_loss.sum()

    def penalty(self, step: Step) -> None:
        """Adds nothing: it looks at the losses here since `after_step` is told of a step's last micro-batch alone."""
        with torch.no_grad():
            losses = torch.stack([each.detach().double() for each in step.losses.values()]).sum(0).cpu()
            labelled = torch.stack([each.detach() for each in step.counts.values()]).sum(0).cpu() > 0
        rows = step.batch.rows.cpu()
        self.note(rows[labelled], losses[labelled])

    def note(self, rows: Tensor, losses: Tensor) -> None:
        """Take down the losses of some rows.

        Args:
            rows: ``(example,)`` of the index.
            losses: ``(example,)``, 0 or more.
        """
        both = torch.stack([losses.double().clamp(min=0), torch.ones(len(rows), dtype=torch.float64)])
        self.seen.index_add_(1, rows, both)

    def after_epoch(self, end: EpochEnd) -> None:
        """What was drawn becomes known for the next epoch; until then its order stands, also for one who resumes half-way."""
        total, number = _over_processes(self.seen)
        last = torch.where(number > 0, total / number.clamp(min=1), torch.nan)
        blended = self.memory * self.hardness + (1 - self.memory) * last
        self.hardness = torch.where(blended.isfinite(), blended, torch.where(last.isfinite(), last, self.hardness))
        self.seen = torch.zeros_like(self.seen)

    def get_extra_state(self) -> dict[str, Any]:
        hardness = [None if math.isnan(each) else each for each in self.hardness.tolist()]
        return {"hardness": hardness, "seen": self.seen.tolist()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        hardness = [math.nan if each is None else each for each in state["hardness"]]
        self.hardness = torch.tensor(hardness, dtype=torch.float64)
        self.seen = torch.tensor(state["seen"], dtype=torch.float64)


def _over_processes(seen: Tensor) -> Tensor:
    """The sum over all processes: each has drawn its own share, and all must draw alike."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return seen
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    summed = seen.to(device, copy=True)
    torch.distributed.all_reduce(summed)
    return summed.cpu()
