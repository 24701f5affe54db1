"""`Recipe`: everything that was decided, with defaults written back. Two equal recipes have one digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from preceptor.core.errors import Problem

from .schema import Train
from .yaml import write_yaml

#: Settings that cannot change a result: they are no part of the digest.
_WITHOUT_EFFECT = ("workers", "checkpoint_every_minutes")

#: ``{name: {parameter: value}}``: a plug-in with every parameter written out.
Spec = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. Plug-ins are ``{name: {parameter: value}}`` with every parameter written out.

    Args:
        study: Short name; the run's folder starts with it.
        seed: Every random draw follows from it.
        cohort: The data set.
        task, network, strategy: One plug-in each.
        objective: Terms of the sum; beside their parameters they may hold ``weight`` and ``output``.
        split: `Split` as a mapping, or None where the cases keep the roles their data set gives them.
        prepare, augment: Transforms in order.
        methods, safeguards, evaluate, explain, gates, checks: Plug-ins in order.
        train: Settings of the loop.
        name: Title for reports.
        folder: What paths in the recipe are relative to.
        warnings: What the check found that does not stop a run.
    """

    study: str
    seed: int
    cohort: Spec
    task: Spec
    network: Spec
    objective: tuple[Spec, ...]
    split: Mapping[str, Any] | None = None
    prepare: tuple[Spec, ...] = ()
    augment: tuple[Spec, ...] = ()
    methods: tuple[Spec, ...] = ()
    strategy: Spec = field(default_factory=lambda: {"once": {}})
    train: Train = field(default_factory=Train)
    safeguards: tuple[Spec, ...] = ()
    evaluate: tuple[Spec, ...] = ()
    explain: tuple[Spec, ...] = ()
    gates: tuple[Spec, ...] = ()
    checks: tuple[Spec, ...] = ()
    name: str = ""
    folder: Path = Path()
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def sections(self) -> dict[str, Any]:
        """Every section but the folder, as JSON."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        del record["folder"], record["warnings"]
        record["train"] = asdict(self.train)
        return json.loads(json.dumps(record))

    def digest(self) -> str:
        """Eight letters that stand for everything decided; what cannot change a result is left out."""
        record = self.sections()
        for key in _WITHOUT_EFFECT:
            del record["train"][key]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:8]

    def to_yaml(self, beside: Path | None = None) -> str:
        """The recipe as a file that runs again to the same numbers.

        Args:
            beside: Folder the file will lie in. The paths inside then stay right: a ``folder`` line leads from there
                to the folder of the original recipe.
        """
        record = {key: value for key, value in self.sections().items() if value is not None}
        if beside is not None:
            record["folder"] = Path(os.path.relpath(self.folder.resolve(), beside.resolve())).as_posix()
        return write_yaml(record)

    @classmethod
    def of(cls, filled: Mapping[str, Any], folder: Path, warnings: tuple[Problem, ...] = ()) -> Recipe:
        """Make a recipe of filled sections."""
        record: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in filled.items()
        }
        record["train"] = Train(**record["train"])
        return cls(**record, folder=folder, warnings=warnings)
