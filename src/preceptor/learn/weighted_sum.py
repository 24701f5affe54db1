"""The recipe's objectives as one weighted sum, normalised by how much is labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from preceptor.core.batch import Batch
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.core.slots import build, spec


@dataclass(frozen=True)
class Term:
    """One objective of the sum.

    Args:
        name: Unique in the sum.
        objective: The plug-in.
        weight: Factor in the sum.
        output: Name of the network's output it reads.
    """

    name: str
    objective: Any
    weight: float
    output: str


class WeightedSum:
    """``loss = sum over objectives of weight * sum_i loss_i * factor_i * count_i / total count``.

    Args:
        given: The recipe's `objective` section: a list of ``name`` or ``{name: {weight, output, ...}}``.
        question: What the task asks.

    Raises:
        RecipeError: Two objectives of one output ask for different widths.
    """

    def __init__(self, given: Sequence[Any], question: Question) -> None:
        self.question = question
        self.terms: list[Term] = []
        for each in given:
            name, parameters = spec(each)
            weight, output = parameters.pop("weight", 1.0), parameters.pop("output", "answer")
            unique = name if name not in {term.name for term in self.terms} else f"{name}_{len(self.terms)}"
            self.terms.append(Term(unique, build("objectives", {name: parameters}), float(weight), output))
        widths = {term.objective.width(question) for term in self.terms if term.output == "answer"}
        if len(widths) > 1:
            raise RecipeError(
                f"the objectives ask for different numbers of output channels: {sorted(widths)}",
                where="objective",
                expected="one width for one output",
                remedy="name another output for one of them: {edge: {output: edge}}",
                code="objective_width",
            )
        self.width = widths.pop()

    @property
    def whole_batch(self) -> bool:
        return any(getattr(term.objective, "whole_batch", False) for term in self.terms)

    def set_progress(self, progress: float) -> None:
        """Tell objectives that anneal how far the training is (0..1)."""
        for term in self.terms:
            if hasattr(term.objective, "progress"):
                term.objective.progress = progress

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """``{term: (batch,)}``: needs targets alone, so it is known before the forward pass."""
        return {term.name: self._count(term.objective, batch) for term in self.terms}

    def losses(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``{term: (batch,)}``, each the mean over what that sample has labelled."""
        weight = batch.masks.get("weight")
        return {term.name: self._loss(term.objective, outputs[term.output], batch, weight) for term in self.terms}

    def _truths(self, batch: Batch) -> list[tuple[Tensor, Tensor | None]]:
        """The target with its share (None: all of it), and the partners' where samples are two cases in one."""
        target = batch.targets[self.question.target]
        partner = None if batch.mixed is None else batch.mixed.targets.get(self.question.target)
        if batch.mixed is None or partner is None:
            return [(target, None)]
        return [(target, batch.mixed.share), (partner, 1 - batch.mixed.share)]

    def _count(self, objective: Any, batch: Batch) -> Tensor:
        counts = [(objective.count(target).float(), share) for target, share in self._truths(batch)]
        parts = [count if share is None else share * count for count, share in counts]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def _loss(
        self, objective: Any, output: Tensor, batch: Batch, weight: Tensor | None, coarser: bool = False
    ) -> Tensor:
        """Of one truth, or of two by their shares and by how much each has labelled."""
        truths = [
            (self._on_grid(target, output) if coarser else target, share) for target, share in self._truths(batch)
        ]
        parts = [_scored(objective, output, target, weight) for target, _ in truths]
        if len(parts) == 1:
            return parts[0]
        counts = [share * objective.count(target).float() for target, share in truths if share is not None]
        total = counts[0] + counts[1]
        together = counts[0] * parts[0] + counts[1] * parts[1]
        return torch.where(total > 0, together / torch.where(total > 0, total, 1), 0.0)

    def _on_grid(self, target: Tensor, output: Tensor) -> Tensor:
        """A dense target on the grid of a coarser output."""
        if self.question.dense and output.shape[2:] != target.shape[-(output.ndim - 2) :]:
            return _to_grid(target, output.shape[2:])
        return target

    def total(
        self,
        losses: Mapping[str, Tensor],
        counts: Mapping[str, Tensor],
        totals: Mapping[str, float],
        factor: Tensor | None = None,
    ) -> Tensor:
        """The scalar to go backward from.

        Args:
            losses, counts: Of this batch.
            totals: ``{term: summed counts of the whole step}``, over all its batches and processes.
            factor: ``(batch,)`` product of the methods' sample weights.
        """
        result = torch.zeros((), device=next(iter(losses.values())).device)
        for term in self.terms:
            if totals[term.name] == 0:
                continue
            share = counts[term.name] / totals[term.name]
            result = result + term.weight * (losses[term.name] * (share if factor is None else share * factor)).sum()
        return result

    def of(self, output: Tensor, batch: Batch) -> Tensor:
        """``(batch,)`` weighted losses of another output (auxiliary head, coarser scale) against the same target."""
        target, weight = batch.targets[self.question.target], batch.masks.get("weight")
        if weight is not None and self._on_grid(target, output) is not target:
            weight = _to_grid(weight, output.shape[2:])
        terms = [term for term in self.terms if term.output == "answer"]
        return sum(
            (term.weight * self._loss(term.objective, output, batch, weight, coarser=True) for term in terms),
            start=torch.zeros(len(batch), device=output.device),
        )

    def decode(self, output: Tensor) -> Decoded:
        """The first objective reads the answer."""
        return self.terms[0].objective.decode(output.float(), self.question)


def _scored(objective: Any, output: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    return (
        objective.loss(output.float(), target, weight) if weight is not None else objective.loss(output.float(), target)
    )


def _to_grid(target: Tensor, shape: Sequence[int]) -> Tensor:
    """Bring a dense target to a coarser grid by nearest neighbour."""
    lifted = target if target.ndim == len(shape) + 2 else target[:, None]
    resized = functional.interpolate(lifted.float(), size=tuple(shape), mode="nearest")
    return (resized if target.ndim == len(shape) + 2 else resized[:, 0]).to(target.dtype)
