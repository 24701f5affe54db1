"""`Workshop`: what `runs.py` hands to a training, so that the loop imports no later stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from preceptor.core.cohort import Cohort
from preceptor.core.plugins import Prediction, Task

from .journal import Journal


@dataclass(frozen=True)
class Workshop:
    """Everything around one run that is not in its recipe.

    Args:
        folder: The run's folder; trainings write below ``fits/``.
        task: The task, made once.
        fabric: Lightning Fabric: device, precision, processes.
        prepare: ``prepare(cohort) -> Store``: the cohort prepared, fitted steps fitted on its training cases.
        score: ``score(predictions, truths) -> number`` on the tune cases; for early stopping and search.
        higher_is_better: Of the score.
        journal: Where progress goes.
        networks: Networks handed in from Python, by name: a module, or ``f(inputs, width) -> module``.
        rehearse: Two cases, one epoch.
    """

    folder: Path
    task: Task
    fabric: Any
    prepare: Callable[[Cohort], Any]
    score: Callable[[Sequence[Prediction], Sequence[Any]], float]
    higher_is_better: bool
    journal: Journal
    networks: Mapping[str, torch.nn.Module | Callable[..., torch.nn.Module]] = field(default_factory=dict)
    rehearse: bool = False
