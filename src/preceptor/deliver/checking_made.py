"""Made images before they are trained on: does a sealed model still find what their labels say?"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError
from preceptor.core.slots import build, spec
from preceptor.prepare.enlarge import COPY
from preceptor.prove.label_keeping import LabelKeeping, keeps_labels
from preceptor.recipe.load import load_recipe

from .bundle import Bundle
from .evaluating import read_cohort
from .predicting import answer_cohort


def check_made(
    bundle: Path, made: Path, real: Path | None = None, *, margin: float = 0.05, least: float = 0.6, seed: int = 0
) -> LabelKeeping:
    """Let a bundle that learnt from real images look for the labels of made ones; see `keeps_labels`.

    Args:
        bundle: What `seal` wrote.
        made: A cohort of made images with the labels they were made to have: from a generator, or what `augment` wrote,
            of which the copies count.
        real: A cohort of real images with truth. None where `made` is what `augment` wrote: its test cases then. That
            the bundle has not learnt from them is for the caller to know; its own test cases are the right ones.
        margin, least, seed: As of `keeps_labels`.

    Raises:
        CohortError: There are no made images or no held-out ones, or made images have held-out parents.
        BundleError: The bundle is damaged.
    """
    sealed = Bundle.open(bundle)
    whole = read_cohort(made)
    copies = whole.select(lambda case: _copy(case.fields.get(COPY)) > 0)
    if real is not None:
        held_out = read_cohort(real)
    else:
        held_out = whole.select(lambda case: case.role in ("test", "external") and not _copy(case.fields.get(COPY)))
    wanted = copies if len(copies) or real is None else whole
    for what, cohort in (("made image", wanted), ("held-out real image", held_out)):
        if not len(cohort):
            raise CohortError(
                f"there is no {what} to look at",
                where=made.name if what == "made image" or real is None else real.name,
                expected="what `preceptor augment` wrote, or a cohort of made images and one of real ones",
                remedy="name the real images with --real",
                code="nothing_to_compare",
            )
    with tempfile.TemporaryDirectory(prefix="preceptor-") as name:
        answers = []
        for part, cohort in (("made", wanted), ("real", held_out)):
            folder = Path(name) / part
            folder.mkdir()
            tested = cohort.with_cases(replace(case, role="test") for case in cohort)
            answers.append(answer_cohort(sealed, tested, folder, "auto", _task(sealed, made)))
        return keeps_labels(answers[0], answers[1], margin=margin, least=least, seed=seed)


def _task(sealed: Bundle, made: Path) -> Any:
    """The bundle's task, that knows the value which `augment` wrote where a copy shows what lay outside the image."""
    name, given = spec(sealed.recipe.task)
    beside = made.parent / "recipe.yaml"
    if "unlabelled" not in given or not beside.is_file():
        return sealed.task
    added = spec(load_recipe(beside).task)[1].get("unlabelled")
    return build(
        "tasks", {name: given | {"unlabelled": sorted({*(given["unlabelled"] or ()), *(added or ())}) or None}}
    )


def _copy(value: object) -> int:
    """Which copy a case is: 0 for one that is none."""
    return int(value) if isinstance(value, (int, float)) and value == value else 0
