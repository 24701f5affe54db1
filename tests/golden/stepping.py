"""Methods outside of the loop: a step made by hand, and experiments on plain numbers instead of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from preceptor.core.batch import Batch, Step
from preceptor.core.cohort import Case, Cohort


class Numbers(nn.Module):
    """Features and an answer from a row of numbers."""

    def __init__(self, features: nn.Module, answer: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.answer = answer

    def forward(self, image: Tensor) -> Tensor:
        return self.answer(self.features(image))


def cohort_of(field: str, values: Sequence[Any], roles: Sequence[str] = ("train",)) -> Cohort:
    """A case for each value of a field, enough for a method to know its groups."""
    cases = [
        Case(f"case-{i}", {"image": "x"}, fields={field: value}, role=roles[i % len(roles)])
        for i, value in enumerate(values)
    ]
    return Cohort(tuple(cases), Path())


def step_of(
    network: nn.Module,
    image: Tensor,
    targets: Mapping[str, Tensor],
    *,
    fields: Mapping[str, Any] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    methods: Sequence[Any] = (),
    progress: float = 0.0,
    watch: str = "features",
    counts: Mapping[str, Tensor] | None = None,
    loss_of: Callable[[Tensor], Tensor] | None = None,
) -> Step:
    """One forward pass, as the loop would show it to methods."""
    number = len(image)
    batch = Batch(
        images={"image": image},
        present={"image": torch.ones(number, dtype=torch.bool)},
        targets=dict(targets),
        rows=torch.arange(number),
        keys=[f"case-{i}" for i in range(number)],
        fields=dict(fields or {}),
        masks=dict(masks or {}),
    )
    for method in methods:
        if hasattr(method, "on_batch"):
            batch = method.on_batch(batch)
    seen: dict[str, Tensor] = {}
    module = dict(network.named_modules()).get(watch)
    handle = module.register_forward_hook(lambda m, g, output: seen.update({watch: output})) if module else None
    output = network(batch.images["image"])
    if handle is not None:
        handle.remove()
    return Step(
        batch=batch,
        outputs={"answer": output},
        losses={},
        counts=dict(counts or {}),
        progress=progress,
        epoch=0,
        activation=lambda name: seen[name],
        rerun=lambda other: {"answer": network(other.images["image"])},
        loss_of=loss_of or (lambda other: other),
        network=network,
    )
