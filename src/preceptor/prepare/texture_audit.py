"""Texture audit: does a step wipe out the grain by which a disease might be told?

Diseases are often told by texture: the mesh of a fibrotic lung, the coarse echo of a cirrhotic liver, the grain of a
tumour's matrix. A blur, a coarse grid or an equalisation can remove it before the network sees it, and nothing in the
loss says so. Here it is tried out: into the same training images fine and coarse grain is planted, both go through the
recipe's steps, and after each a simple classifier tells patches of one from patches of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import CohortError, PrepareError
from preceptor.core.image import Image
from preceptor.core.plugins import Task, Transform
from preceptor.core.slots import build, spec
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.split import split
from preceptor.maths.linear_probe import folds_of, probe_matrix, probe_scores
from preceptor.maths.roc import auroc
from preceptor.maths.similarity import foreground
from preceptor.maths.texture import grain, texture_features
from preceptor.recipe.resolve import Recipe

from .compose import prepare_sample
from .decided import generator, number_of
from .store import encoded
from .vary import vary

#: Deviation of the smoothing of either grain, in voxels of the image as it was read.
_FINE, _COARSE = 0.5, 1.1
#: Voxels along each side of a patch, and patches of a case.
_PATCH, _PATCHES = 12, 12
_FOLDS = 4


@dataclass(frozen=True)
class TextureRow:
    """What was left of a planted difference in texture after a step.

    Args:
        step: Name of the step; ``as read`` before any.
        section: ``prepare`` (with all steps before it) or ``augment`` (by itself, after all of prepare).
        auroc: Of telling fine from coarse grain, by patches of cases that the classifier was not fitted on.
        kept: ``auroc - 0.5`` as a share of what it was before the step; of augmentation, after all of prepare.
        control: The same AUROC where both have the same grain: what chance gives here.
        wiped: Whether the step is named as one that takes texture away.
    """

    step: str
    section: str
    auroc: float
    kept: float
    control: float
    wiped: bool


@dataclass(frozen=True)
class TextureAudit:
    """The table.

    Args:
        rows: In the order of the recipe.
        cases: How many cases were looked at.
        strength: Deviation of the planted grain, as a share of the foreground's own.
        least_kept: A step that keeps less is named.
    """

    rows: tuple[TextureRow, ...]
    cases: int
    strength: float
    least_kept: float

    @property
    def wiped(self) -> tuple[str, ...]:
        """The steps that take texture away."""
        return tuple(row.step for row in self.rows if row.wiped)

    @property
    def sentence(self) -> str:
        if not self.wiped:
            return "Every step keeps the planted texture."
        share = f"{1 - self.least_kept:.0%}"
        return f"Planted texture is lost, {share} or more of it, by: {', '.join(self.wiped)}."

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "wiped": list(self.wiped), "sentence": self.sentence}


def audit_texture(
    samples: Sequence[Sample],
    prepare: Sequence[tuple[str, Transform]],
    augment: Sequence[tuple[str, Transform]] = (),
    *,
    task: Task | None = None,
    strength: float = 0.3,
    least_kept: float = 0.8,
    seed: int = 0,
    tell: Callable[[str, int, int], None] | None = None,
) -> TextureAudit:
    """Plant fine and coarse grain in the same images and see after which step they can still be told apart.

    A step that happens by chance is made to happen. What is fitted is fitted on the images as they are, without grain.

    Args:
        samples: Training cases as they were read, four or more.
        prepare, augment: Names and steps, in order; not fitted yet.
        task: Reads the masks, which augmentation may look at; None where there are none.
        strength: Deviation of the grain, as a share of the foreground's own deviation.
        least_kept: A step that keeps a smaller share is named.
        seed: Of grain, patches and draws.
        tell: Told ``(what, done, total)``.

    Raises:
        CohortError: There are fewer than four cases.
        PrepareError: A case can't be prepared, or shows nothing.
    """
    if len(samples) < _FOLDS:
        raise CohortError(
            f"{len(samples)} cases are too few to tell textures apart by cases that were not learnt from",
            expected=f"{_FOLDS} or more training cases",
            code="too_few_cases",
        )
    planted = [tuple(_planted(sample, strength, seed, *kind) for kind in _KINDS) for sample in samples]
    rows: list[TextureRow] = []
    total, done = 1 + len(prepare) + len(augment), 0

    def measure(step: str, section: str, versions: Sequence[tuple[Sample, ...]], before: TextureRow | None) -> None:
        nonlocal done
        score, control = _told_apart(versions, (0, 1), seed), _told_apart(versions, (0, 2), seed)
        # Below a tenth above chance there is nothing left to lose.
        lost_before = before is not None and before.auroc - 0.5 < 0.1
        kept = 1.0 if before is None or lost_before else max(score - 0.5, 0.0) / (before.auroc - 0.5)
        rows.append(TextureRow(step, section, score, kept, control, kept < least_kept))
        done += 1
        if tell is not None:
            tell(f"texture after {step}", done, total)

    measure("as read", "prepare", planted, None)
    fitted: list[Transform] = []
    prepared = planted
    for name, step in prepare:
        if hasattr(step, "fit"):
            state = step.fit(prepare_sample(sample, fitted) for sample in samples)
            step = step.with_state(state)  # type: ignore[attr-defined]
        fitted.append(step)
        prepared = [tuple(prepare_sample(each, fitted) for each in versions) for versions in planted]
        measure(name, "prepare", prepared, rows[-1])
    base = rows[-1]
    if task is not None:
        prepared = [tuple(_read_by(task, each) for each in versions) for versions in prepared]
    for name, step in augment:
        varied = [
            tuple(_varied(each, step, task.mask if task else None, seed) for each in versions) for versions in prepared
        ]
        measure(name, "augment", varied, base)
    return TextureAudit(tuple(rows), len(samples), strength, least_kept)


def audit_recipe(
    recipe: Recipe,
    *,
    cases: int = 8,
    strength: float = 0.3,
    least_kept: float = 0.8,
    tell: Callable[[str, int, int], None] | None = None,
) -> TextureAudit:
    """Audit a recipe's steps on a few of its training cases; see `audit_texture`.

    Args:
        recipe: Its cohort is split; nothing is trained.
        cases: How many, spread over the training cases.
        strength, least_kept, tell: As in `audit_texture`.

    Raises:
        CohortError: There are fewer than four training cases.
        PrepareError: A case can't be read or prepared.
    """
    task = build("tasks", recipe.task)
    cohort = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
    if recipe.split is not None:
        cohort = split(cohort, recipe.split, recipe.seed)
    train = cohort.with_role("train")
    places = np.unique(np.linspace(0, max(len(train) - 1, 0), min(cases, len(train))).round().astype(int))
    samples = [open_case(cohort.root, train[place]) for place in places] if train else []
    steps, varied = (
        [(spec(each)[0], build("transforms", each, root=recipe.folder)) for each in section]
        for section in (recipe.prepare, recipe.augment)
    )
    return audit_texture(
        samples, steps, varied, task=task, strength=strength, least_kept=least_kept, seed=recipe.seed, tell=tell
    )


#: Width of the grain and which draw of it: fine, coarse, and fine drawn anew for the control.
_KINDS = ((_FINE, 0), (_COARSE, 1), (_FINE, 2))


def _planted(sample: Sample, strength: float, seed: int, width: float, draw: int) -> Sample:
    """The case with grain in the foreground of every view; the background stays as it was."""
    rng = generator(seed, number_of(sample.key), draw)
    images = {}
    for view, image in sample.images.items():
        array = image.array.astype(np.float32)
        inside = foreground(array)
        if not inside.any():
            raise PrepareError("the image is one value everywhere", where=f"case {sample.key}", code="blank")
        noise = grain(image.shape, width, rng) * (strength * float(array[inside].std()))
        images[view] = image.with_array(np.where(inside, array + noise, array).astype(np.float32))
    return replace(sample, images=images)


def _read_by(task: Task, sample: Sample) -> Sample:
    """The prepared case as the loader gives it to augmentation."""
    sample = encoded(sample, task)
    return replace(sample, mask_values={task.mask: dict(enumerate(task.question.classes))} if task.mask else {})


def _varied(sample: Sample, step: Transform, mask: str | None, seed: int) -> Sample:
    """One draw: the same for every version of a case."""
    if getattr(step, "chance", 1.0) != 1.0:
        step = copy(step)
        step.chance = 1.0  # type: ignore[attr-defined]
    return vary(sample, [step], generator(seed, 1, number_of(sample.key)), mask).sample


def _told_apart(versions: Sequence[tuple[Sample, ...]], pair: tuple[int, int], seed: int) -> float:
    """AUROC of telling two kinds of grain apart in patches at the same places."""
    features, truth, case = [], [], []
    for number, kinds in enumerate(versions):
        first, second = (next(iter(kinds[kind].images.values())) for kind in pair)
        for patches in _patches(first, second, generator(seed, 2, number)):
            for value, patch in enumerate(patches):
                features.append(texture_features(patch))
                truth.append(value)
                case.append(number)
    truths = np.array(truth)
    matrix = probe_matrix(np.stack(features), folds_of(np.array(case), _FOLDS, seed))
    return auroc(truths, probe_scores(matrix, truths[:, None], 2)[:, 1, 0])


def _patches(first: Image, second: Image, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Patches of both images at the same places; of one plane where the image is a volume."""
    pictures = [image.array.reshape(-1, *image.shape)[0].astype(np.float32) for image in (first, second)]
    shape = pictures[0].shape
    lengths = [min(_PATCH, size) if axis < 2 else 1 for axis, size in enumerate(shape)]
    centres = _centres(foreground(pictures[0] + pictures[1]), lengths)
    for centre in centres[rng.integers(len(centres), size=_PATCHES)]:
        starts = [
            int(np.clip(middle - length // 2, 0, size - length))
            for middle, length, size in zip(centre, lengths, shape, strict=True)
        ]
        where = tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
        yield pictures[0][where].squeeze(), pictures[1][where].squeeze()


def _centres(inside: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """``(place, axis)``: where a patch lies in the foreground as far as may be, for an edge drowns all grain."""
    from scipy.ndimage import uniform_filter

    share = uniform_filter(inside.astype(np.float32), lengths, mode="constant")
    return np.argwhere(share >= min(0.99, float(share.max()) - 0.01))
