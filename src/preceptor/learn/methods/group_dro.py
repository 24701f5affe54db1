"""Group DRO: the groups that fare worst count most."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from preceptor.core.batch import Step
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.learn.groups import group_index, group_names
from preceptor.maths.group_weights import raise_worst


class GroupDro(nn.Module):
    """Minimises the loss of the group that fares worst: each step raises the shares of groups with a large loss.

    The objective becomes the sum over groups of share times the group's mean loss. A shortcut shows in a group where
    it does not hold, so groups are best the cells of field and class (`classes`). Without strong regularisation
    (weight decay, early stopping) a network that fits every training case leaves nothing to raise. Cases whose group is
    not known are a group of their own. Looks across samples, so it needs the whole batch at once.

    Args:
        field: The column that names the group.
        classes: How many classes to tell apart within each value of the field; None takes the field alone.
        rate: Step size of the shares.

    Returns:
        From `weight`: ``(batch,)`` factors: the share of each sample's group over the group's part of the batch.

    Raises:
        RecipeError: The field has fewer than two values; or `classes` and no class index per case.

    Source: Sagawa 2020 (arXiv:1911.08731), algorithm 1.

    Example:
        >>> GroupDro(field="site", classes=2).whole_batch
        True
    """

    whole_batch = True

    def __init__(
        self,
        field: str,
        classes: Annotated[int, Ge(2)] | None = None,
        rate: Annotated[float, Gt(0)] = 0.01,
    ) -> None:
        super().__init__()
        self.field = field
        self.classes = classes
        self.rate = rate
        self.groups: tuple[str, ...] = ()
        self.register_buffer("share", torch.zeros(0, dtype=torch.float64))

    @classmethod
    def example(cls) -> GroupDro:
        return cls(field="site")

    def setup(self, network: Any, cohort: Cohort) -> None:
        self.groups = group_names(cohort, self.field, "group_dro")
        number = (len(self.groups) + 1) * (self.classes or 1)
        self.share = torch.zeros(number, dtype=torch.float64)

    def weight(self, step: Step) -> Tensor:
        group = self._group(step)
        counts = next(iter(step.counts.values())).detach().double()
        with torch.no_grad():
            losses = step.loss_of(step.outputs["answer"]).detach().double()
        number = len(self.share)
        here = torch.zeros(number, dtype=torch.float64, device=losses.device).index_add(0, group, counts)
        total = torch.zeros_like(here).index_add(0, group, counts * losses)
        share = self._with_new(self.share.to(losses.device), here)
        self.share = raise_worst(share, total / here, self.rate)
        factor = self.share * here.sum() / here.clamp(min=1e-12)
        return factor[group].to(step.outputs["answer"].dtype)

    @staticmethod
    def _with_new(share: Tensor, here: Tensor) -> Tensor:
        """A group met for the first time gets an equal share; a cell that no case is in never holds any."""
        new = (share == 0) & (here > 0)
        known = int((share > 0).sum())
        equal = 1.0 / max(known + int(new.sum()), 1)
        return torch.where(new, equal, share * (known * equal))

    def _group(self, step: Step) -> Tensor:
        field = group_index(step.batch, self.field, self.groups)
        field = torch.where(field < 0, len(self.groups), field)
        if self.classes is None:
            return field
        target = next(iter(step.batch.targets.values()))
        if target.is_floating_point() or target.ndim != 1:
            raise RecipeError(
                "group_dro was asked for classes, and the target is no class per case",
                where="methods.group_dro.classes",
                expected="a classification task, or no `classes`",
                code="group_dro_classes",
            )
        return field * self.classes + target.clamp(min=0)
