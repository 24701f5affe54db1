"""One kind of phantom as a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePath
from tempfile import mkdtemp
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.plugins import Nested
from preceptor.core.slots import spec
from preceptor.intake.burned_in.planted_text import BurnedText
from preceptor.intake.synthesis.drawn_study import Order, synthesise


class Synthetic:
    """One kind of phantom: drawn on disk when it is first asked for, found again afterwards.

    The same study as ``preceptor synthesise`` writes, in a folder named by the kind and a hash of these settings. Broken
    off, it goes on where it stopped; the same settings make the same bytes.

    Args:
        root: Folder that `folder` is relative to.
        kind: A phantom, such as ``shepp_logan`` or ``{trivial: {noise: 0.1}}``.
        number: How many cases.
        format: ``nifti``, ``png`` (two axes), or ``dicom``: an MR series, a radiograph where flat.
        seed: Everything drawn follows from it.
        burned_text: Share of the cases with a made-up name burned into their pixels; the field ``burned_text`` says
            which, and its box.
        folder: Where the study is written, inside `root`.

    Raises:
        RecipeError: The folder leads out of `root`.

    Source: own generator; each kind names its own source.

    Example:
        >>> made = Synthetic(Path(mkdtemp()), {"trivial": {"size": [16, 16]}}, number=2, format="png")
        >>> [case.labels["label"] for case in made.cases()]
        ['left', 'right']
    """

    def __init__(
        self,
        root: Path,
        kind: Annotated[str | dict[str, Any], Nested("phantoms")],
        number: Annotated[int, Ge(1), Le(100_000)] = 200,
        format: Literal["nifti", "png", "dicom"] = "nifti",  # noqa: A002  the recipe's word
        seed: Annotated[int, Ge(0)] = 0,
        burned_text: Annotated[float, Ge(0), Le(1)] = 0.0,
        folder: str = "synthetic",
    ) -> None:
        if PurePath(folder).is_absolute() or ".." in PurePath(folder).parts:
            raise RecipeError(
                "the phantoms' folder leads out of the recipe's",
                expected="a name, or a path without '..' inside the recipe's folder",
                code="phantom_folder",
            )
        self.root, self.kind, self.number, self.format, self.seed = root, kind, number, format, seed
        self.burned_text, self.folder = burned_text, folder

    @classmethod
    def example(cls) -> Synthetic:
        return cls(Path(mkdtemp(prefix="preceptor-synthetic-")), {"trivial": {"size": [16, 12]}}, 4, "png")

    @property
    def order(self) -> Order:
        """The settings, as the synthesis takes them."""
        text = BurnedText(self.burned_text) if self.burned_text else None
        return Order(self.kind, self.number, self.format, self.seed, text)

    @cached_property
    def _study(self) -> Cohort:
        order = self.order
        digest = hashlib.sha256(json.dumps(order.record, sort_keys=True).encode()).hexdigest()[:8]
        return synthesise(order, Path(self.root) / self.folder / f"{spec(self.kind)[0]}-{digest}")

    @property
    def cohort_root(self) -> Path:
        return self._study.root

    @property
    def notes(self) -> tuple[str, ...]:
        """For the report: that these are phantoms."""
        return self._study.notes

    def cases(self) -> Iterator[Case]:
        yield from self._study
