"""Cohorts: built, checked, dealt into roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cohort import Cohort
from ..core.errors import Problem
from ..recipe.load import load_recipe

if TYPE_CHECKING:
    from ..prove.label_keeping import LabelKeeping


def build_cohort(source: str | Path, out: str | Path | None = None, *, unpack_to: str | Path | None = None) -> Cohort:
    """A cohort from a folder, a zip archive, a table, ``dataset.json``, nnU-Net raw or BIDS; the layout is recognised.

    Args:
        source: The folder or file.
        out: ``.parquet`` or ``.csv`` to write it to.
        unpack_to: Folder for an archive's files, which the cohort needs from then on; new or empty.

    Raises:
        CohortError: The data is absent or not recognised, an archive is damaged or unsafe, or it has no folder to go to;
            or the table exists already, or is neither ``.parquet`` nor ``.csv``.
    """
    from ..intake.cohort import build_cohort as from_dataset
    from ..intake.cohort import detect_layout
    from ..intake.tables import refuse_existing
    from ..intake.unpacking import is_archive, unpack_for_good

    if out is not None:
        refuse_existing(Path(out))
    place = Path(source)
    if is_archive(place):
        place = unpack_for_good(place, None if unpack_to is None else Path(unpack_to))
    cohort = from_dataset(detect_layout(place), Path(source).stem)
    if out is not None:
        cohort.write(Path(out))
    return cohort


def check_cohort(
    source: str | Path,
    checks: Sequence[Any] | None = None,
    *,
    keep: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Problem]:
    """Every problem of a cohort (a recipe's, or one written by `build_cohort`), in one go.

    Args:
        source: A recipe (``.yaml``) or a cohort (``.parquet``, ``.csv``).
        checks: Which checks; by default the recipe's, or all of them.
        keep: Folder to keep what was seen in (the images in small), so that a look that was stopped goes on where it
            was.
        progress: Told ``(label, done, total)``.

    Raises:
        CohortError: The cohort is absent, or the folder to keep the survey in holds something else.
    """
    from ..core.slots import build, names
    from ..intake import checking
    from ..intake.cohort import build_cohort as from_dataset

    source = Path(source)
    look = partial(checking.check_cohort, progress=progress, keep=None if keep is None else Path(keep))
    if source.suffix in (".yaml", ".yml"):
        recipe = load_recipe(source)
        cohort = from_dataset(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
        task = build("tasks", recipe.task)
        return look(cohort, checks or recipe.checks, recipe.split, recipe.seed, task)[1]
    return look(Cohort.read(source), checks or list(names("checks")), None, 0, None)[1]


def check_made(
    bundle: str | Path,
    made: str | Path,
    real: str | Path | None = None,
    *,
    margin: float = 0.05,
    least: float = 0.6,
    seed: int = 0,
) -> LabelKeeping:
    """Whether made images (a generator's, or what `augment` wrote) still show what their labels say.

    Args:
        bundle: A model that learnt from real images: the judge.
        made: The cohort of made images, or the enlarged cohort that `augment` wrote.
        real: Real images with truth that the judge has not seen; None for the enlarged cohort's test cases.
        margin: How far below real images a class may lie, at the lower end of the difference's interval.
        least: What the judge must reach with real images to be one.
        seed: Of the resamples behind the intervals.

    Returns:
        ``.verdict`` with its reasons, and ``.classes`` one by one.

    Raises:
        CohortError: There is nothing to compare, or made images have held-out parents.
        BundleError: The bundle is damaged.
    """
    from ..deliver.checking_made import check_made as check_with

    return check_with(
        Path(bundle), Path(made), None if real is None else Path(real), margin=margin, least=least, seed=seed
    )


def split_cohort(
    source: str | Path, settings: Mapping[str, Any], seed: int = 0, out: str | Path | None = None
) -> Cohort:
    """Give the cases of a cohort their roles, by patient.

    Args:
        source: A cohort file.
        settings: As a recipe's `split` section.
        seed: Of the split.
        out: ``.parquet`` or ``.csv`` to write the cohort with its roles to.

    Raises:
        CohortError: The cohort is absent or can't be dealt so, or the table exists already, or is neither ``.parquet`` nor
            ``.csv``.
    """
    from ..intake.split import split
    from ..intake.tables import refuse_existing

    if out is not None:
        refuse_existing(Path(out))
    cohort = split(Cohort.read(Path(source)), dict(settings), seed)
    if out is not None:
        cohort.write(Path(out))
    return cohort
