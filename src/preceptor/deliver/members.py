"""A finished run's networks with their prepared cases, for whoever looks at the run again after it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Cohort, Sample
from preceptor.intake.case import open_case
from preceptor.learn.model import Model
from preceptor.prepare.store import prepare_sample
from preceptor.prove.shortcuts.material import Member

from .group import Group, prepare_states, with_states


@dataclass(frozen=True)
class Originals:
    """Prepared cases, made from their originals when asked for.

    Args:
        cohort: Leads to the originals.
        steps: Of preparation, with what they were fitted to.
        masks: Which masks to read too; None for all of them.
    """

    cohort: Cohort
    steps: tuple[Any, ...]
    masks: tuple[str, ...] | None = ()

    def sample(self, key: str) -> Sample:
        """One prepared case.

        Raises:
            PrepareError: Its images can't be read any more.
        """
        return prepare_sample(open_case(self.cohort.root, self.cohort[key], masks=self.masks), self.steps)


def member_of(
    recipe: Any,
    folder: Path,
    group: Group,
    cohort: Cohort,
    task: Any,
    device: str,
    networks: Mapping[str, Any] | None,
    masks: tuple[str, ...] | None = (),
) -> Member:
    """The networks of one group with the cases as they were prepared for it.

    Args:
        recipe: The resolved recipe.
        folder: The run's.
        group: Fits that vote together.
        cohort: Whom the run saw.
        task: Of the recipe.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        networks: Networks of the caller's own, by name.
        masks: Which masks of a case to read; None for all of them.
    """
    weights = [folder / "fits" / name / "best.safetensors" for name in group.members]
    own = None if networks is None else dict(networks)
    model = Model.load(recipe, task.question, group.inputs, weights, device=_device(device), networks=own)
    steps, _ = with_states("transforms", recipe.prepare, prepare_states(folder / "fits" / group.name))
    return Member(model, Originals(cohort, steps, masks))


def _device(wanted: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
