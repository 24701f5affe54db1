"""An ensemble for the price of one long training: each cycle ends in a member, and the next begins from it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Fit, Nested
from preceptor.core.slots import build


class Snapshot:
    """A snapshot ensemble: cycles of the learning rate, one after the other, whose ends vote together.

    A cycle is the recipe's whole training (`train.epochs`, with its own schedule from the full rate down: take
    ``cosine``), begun from the weights that the cycle before kept: the best on the tune cases, or the last without any.
    The published form keeps the last always. A new cycle's high rate throws the network out of the minimum it was in;
    how far the members differ for it depends on that rate, and they differ less than those of `ensemble`: their
    disagreement (``epistemic``) understates what is not known.

    Args:
        cycles: How many trainings.
        kept: The last so many are members; None keeps all. The first are often poor.
        each: What one cycle is; a strategy itself.

    Raises:
        RecipeError: `kept` is more than `cycles`.

    Source: Huang 2017 (arXiv:1704.00109).

    Example:
        >>> Snapshot(cycles=6, kept=3).kept
        3
    """

    def __init__(
        self,
        cycles: Annotated[int, Ge(2)] = 5,
        kept: Annotated[int, Ge(1)] | None = None,
        each: Annotated[str | dict, Nested("strategies")] = "once",
    ) -> None:
        if kept is not None and kept > cycles:
            raise RecipeError(
                f"snapshot is to keep {kept} members of {cycles} cycles",
                where="strategy.snapshot.kept",
                expected=f"at most {cycles}",
                remedy="keep fewer, or train more cycles",
                code="snapshot_kept",
            )
        self.cycles = cycles
        self.kept = kept
        self.each = each

    @classmethod
    def example(cls) -> Snapshot:
        return cls(cycles=2)

    def bind(self, fit: Fit) -> Fit:
        inner = build("strategies", self.each).bind(fit)

        def snapshot(recipe, cohort, start=None, path=()):
            members = []
            for cycle in range(self.cycles):
                members.append(inner(recipe, cohort, start=start, path=(*path, cycle)))
                start = members[-1][-1].folder / "best"
            kept = members[-self.kept :] if self.kept else members
            return [fitted for cycle in kept for fitted in cycle]

        return snapshot
