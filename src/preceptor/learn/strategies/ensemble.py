"""Several trainings that differ in their seed alone and vote together."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from preceptor.core.plugins import Fit, Nested
from preceptor.core.slots import build


class Ensemble:
    """A deep ensemble: the same training with other seeds; their probabilities are averaged.

    Args:
        members: How many trainings.
        each: What one member is; a strategy itself.

    Source: Lakshminarayanan 2017 (arXiv:1612.01474).

    Example:
        >>> Ensemble(members=3).members
        3
    """

    def __init__(
        self, members: Annotated[int, Ge(2)] = 5, each: Annotated[str | dict, Nested("strategies")] = "once"
    ) -> None:
        self.members = members
        self.each = each

    @classmethod
    def example(cls) -> Ensemble:
        return cls(members=2)

    def bind(self, fit: Fit) -> Fit:
        inner = build("strategies", self.each).bind(fit)

        def ensemble(recipe, cohort, start=None, path=()):
            return [
                fitted
                for member in range(self.members)
                for fitted in inner(recipe, cohort, start=start, path=(*path, member))
            ]

        return ensemble
