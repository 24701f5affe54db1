"""CORAL: features that vary together in the same way in either domain."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from preceptor.core.batch import Step
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.learn.groups import group_index, group_names
from preceptor.maths.subspaces import coral_distance


class Coral(nn.Module):
    """Pulls the covariances of the domains' features together while the network learns.

    Cases of the target domain take part with the role "adapt": their labels are hidden, their domain is known. Features
    ``(batch, channel, *space)`` are averaged over space. Of several domains every two are compared. It needs large
    batches with both domains in them: a domain with fewer than two cases in a batch does not count there. Domains with
    different shares of the classes are pulled together too far, as by any method that compares features alone.

    Args:
        field: The column that names the domain (site, scanner …).
        layer: The module whose output is the features.
        weight: Of the distance; Sun & Saenko weigh it so that at the end it is as large as the loss.

    Returns:
        From `penalty`: the mean distance ``||Ca - Cb||^2 / (4 d^2)`` over pairs of domains, a scalar.

    Raises:
        RecipeError: The field has fewer than two values, or the network has no such layer.

    Source: Sun & Saenko 2016 (arXiv:1607.01719), eq. 1.

    Example:
        >>> Coral(field="site").layer
        'pooled'
    """

    whole_batch = True

    def __init__(self, field: str, layer: str = "pooled", weight: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__()
        self.field = field
        self.layer = layer
        self.weight = weight
        self.domains: tuple[str, ...] = ()

    @classmethod
    def example(cls) -> Coral:
        return cls(field="site")

    def setup(self, network: nn.Module, cohort: Cohort) -> None:
        self.domains = group_names(cohort, self.field, "coral")
        modules = dict(network.named_modules())
        if self.layer not in modules:
            raise RecipeError(
                f"the network has no module '{self.layer}'",
                where="methods.coral.layer",
                expected=f"one of {', '.join(name for name in modules if name and '.' not in name)}, or one inside of these",
                code="layer_unknown",
            )

    def penalty(self, step: Step) -> Tensor:
        domain = group_index(step.batch, self.field, self.domains)
        features = step.activation(self.layer).float()
        features = features.flatten(2).mean(-1) if features.ndim > 2 else features
        there = [features[domain == each] for each in range(len(self.domains))]
        there = [each for each in there if len(each) > 1]
        if len(there) < 2:
            return features.new_zeros(())
        return self.weight * torch.stack([coral_distance(a, b) for a, b in combinations(there, 2)]).mean()
