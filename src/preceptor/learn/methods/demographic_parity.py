"""Demographic parity: groups answered alike on average."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from preceptor.core.batch import Step
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.learn.groups import group_index, group_names
from preceptor.maths.fairness import demographic_parity


class DemographicParity(nn.Module):
    """Punishes that one group gets higher probabilities than another on average, for any number of groups.

    Where groups differ in how many are ill, this moves errors about: the gap in false positives can grow while the gap
    in positive answers shrinks. Measure both. The answer is ``(batch, class)``; the penalty, a scalar, compares means
    within the batch, so it needs the whole batch at once, and a batch large enough to hold every group.

    Args:
        field: The column that names the group.
        weight: Of the penalty.

    Returns:
        From `penalty`: the sum over groups (and classes that may occur together, or more than two exclusive ones) of
        (mean probability of the group - mean over all)^2; groups that a batch lacks contribute 0.

    Raises:
        RecipeError: The field has fewer than two values, or there is an answer per voxel.

    Source: Calders 2009 (doi 10.1109/ICDMW.2009.83) for the criterion; the squared distance of means is stated here.

    Example:
        >>> DemographicParity(field="sex", weight=5.0).whole_batch
        True
    """

    whole_batch = True

    def __init__(self, field: str, weight: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__()
        self.field = field
        self.weight = weight
        self.groups: tuple[str, ...] = ()

    @classmethod
    def example(cls) -> DemographicParity:
        return cls(field="sex")

    def setup(self, network: Any, cohort: Cohort) -> None:
        self.groups = group_names(cohort, self.field, "demographic_parity")

    def penalty(self, step: Step) -> Tensor:
        probability = self._probabilities(step)
        group = group_index(step.batch, self.field, self.groups)
        per_class = [demographic_parity(column, group) for column in probability.unbind(1)]
        return self.weight * torch.stack(per_class).sum()

    def _probabilities(self, step: Step) -> Tensor:
        """``(batch, class)`` of the classes that are compared."""
        answer = step.outputs["answer"].float()
        if answer.ndim != 2:
            raise RecipeError(
                "demographic_parity compares answers per case, and this task answers per voxel",
                where="methods.demographic_parity",
                expected="a classification task",
                code="parity_dense",
            )
        if any(target.is_floating_point() for target in step.batch.targets.values()):
            return answer.sigmoid()
        probability = answer.softmax(1)
        return probability[:, 1:] if probability.shape[1] == 2 else probability
