"""Serial occlusion: performance with what a clinician would look at covered, and with everything but that covered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Finding
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction, Task
from preceptor.maths.association import rank_statistic
from preceptor.maths.intervals import Bootstrap, Resamples, Statistic, average_of, bootstrap, paired_difference
from preceptor.maths.roc import auroc_statistic
from preceptor.prepare.compose import resample_like

#: ``(*space,)`` bool of a prepared case; None where nothing is known of it.
Region = Callable[[Sample], np.ndarray | None]
Fill = Literal["mean", "minimum", "zero"]


@dataclass(frozen=True)
class MaskRegion:
    """The region that a mask of the case marks, grown by a margin.

    Args:
        mask: Its name among the case's masks.
        values: Which of its codes count; None takes all above 0.
        margin_voxels: How far it is grown: a finding's rim tells too.
    """

    mask: str
    values: tuple[int, ...] | None = None
    margin_voxels: int = 2

    def __call__(self, sample: Sample) -> np.ndarray | None:
        if self.mask not in sample.masks:
            return None
        codes = sample.masks[self.mask].array[0]
        return _grown(codes > 0 if self.values is None else np.isin(codes, self.values), self.margin_voxels)


@dataclass(frozen=True)
class AtlasRegion:
    """The region that an atlas marks, brought onto every case's grid by their places in space.

    Args:
        atlas: A label image in the same space as the prepared cases (registered before, where that is needed).
        values: Which of its codes count; None takes all above 0.
        margin_voxels: How far it is grown.
    """

    atlas: Image
    values: tuple[int, ...] | None = None
    margin_voxels: int = 0

    def __call__(self, sample: Sample) -> np.ndarray | None:
        codes = resample_like(self.atlas.array[:1], self.atlas.affine_mm, sample.reference, nearest=True)[0]
        return _grown(codes > 0 if self.values is None else np.isin(codes, self.values), self.margin_voxels)


@dataclass(frozen=True)
class BoxRegion:
    """A box, the same for every case or one for each.

    Args:
        low, high: First voxel along each axis, and the one after the last.
        share: Whether they are given as shares of the sides, 0 to 1, in place of voxels.
        boxes: ``{case: (low, high)}`` in voxels for cases with a box of their own.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    share: bool = False
    boxes: Mapping[str, tuple[Sequence[int], Sequence[int]]] | None = None

    def __call__(self, sample: Sample) -> np.ndarray | None:
        shape = np.array(sample.reference.shape)
        if self.boxes is not None:
            if sample.key not in self.boxes:
                return None
            low, high = (np.array(each) for each in self.boxes[sample.key])
        else:
            scale = shape if self.share else np.ones_like(shape)
            low, high = (np.round(np.array(each) * scale).astype(int) for each in (self.low, self.high))
        region = np.zeros(tuple(shape), dtype=bool)
        region[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))] = True
        return region


def serial_occlusion(
    answering: Callable[[Sample], Prediction],
    store: Any,
    cohort: Cohort,
    task: Task,
    *,
    regions: Mapping[str, Region],
    roles: Sequence[str] = ("test", "external"),
    fill: Fill = "mean",
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Finding:
    """Measure a model with regions covered one after the other, with everything but them covered, and a hole elsewhere.

    A model that still works with all regions covered reads something else, and the finding says that it is caught. A
    hole must not give the class away: cases that have no region (healthy ones, without a lesion's mask) get that of
    another case. Where regions differ in shape between classes, holes elsewhere, of the same shapes, show how much the
    shapes alone tell.

    Args:
        answering: An `Answering` or a `Model`: answers a prepared case.
        store: Prepared cases.
        cohort: With roles.
        task: Of one answer a case: AUROC (mean over classes) where it is a class, Spearman's correlation for a number.
        regions: By name, in the order in which they are covered.
        roles: Whose cases are asked.
        fill: What covers: the mean or the minimum of the image outside the region, or zero.
        resamples: Of the clusters.
        level: Of the intervals.
        seed: Of the resamples and of borrowed regions.

    Returns:
        The value is the measure with every region covered; ``parts`` hold ``whole``, ``without_<region>…`` one after
        the other, ``only`` (everything but the regions covered), ``elsewhere``, and ``lost`` and ``lost_elsewhere``:
        whole less covered, in pairs. A note begins with CAUGHT where the model still works.

    Raises:
        RecipeError: The task has an answer per voxel: what it marks is the region itself.
        CohortError: No case of these roles, or none with a region.

    Source: serial occlusion as in the masking experiments of Maguolo & Nanni 2021, arXiv:2004.12823, and DeGrave et al.
        2021, doi:10.1038/s42256-021-00338-7.
    """
    if task.question.dense:
        raise RecipeError(
            "serial occlusion asks whether an answer about the whole image survives covering",
            expected="a task with one answer a case",
            code="occlusion_dense",
        )
    cases = cohort.with_role(*roles)
    drawn: dict[str, list[np.ndarray | None]] = {}
    brightness = []
    for case in cases:
        sample = store.sample(case.key)
        drawn[case.key] = [region(sample) for region in regions.values()]
        brightness += [each.array.mean() for each in sample.images.values()]
    lenders = [key for key, each in drawn.items() if all(one is not None and one.any() for one in each)]
    if not lenders:
        raise CohortError(
            f"none of {len(cases)} cases with the role {' or '.join(roles)} has all of the regions {', '.join(regions)}",
            expected="masks, boxes or an atlas that mark something",
            code="occlusion_no_region",
        )
    rng = np.random.default_rng(seed)
    # Around a region alone the region's own mean would give it away: there the mean of all cases covers.
    usual = float(np.mean(brightness))
    answers: dict[str, list[np.ndarray]] = {}
    truth, borrowed = [], 0
    for case in cases:
        sample = store.sample(case.key)
        own = drawn[case.key]
        if not all(one is not None and one.any() for one in own):
            shape, borrowed = sample.reference.shape, borrowed + 1
            own = [_fitted(one, shape) for one in drawn[lenders[int(rng.integers(len(lenders)))]] if one is not None]
        known = [np.asarray(each, dtype=bool) for each in own]
        everything = np.logical_or.reduce(known)
        trials = {"whole": np.zeros_like(everything)}
        for index, name in enumerate(regions):
            trials[f"without_{name}"] = np.logical_or.reduce(known[: index + 1])
        trials["only"] = ~everything
        trials["elsewhere"] = _moved_away(everything, rng)
        for name, covered in trials.items():
            value = usual if name == "only" else None
            answer = answering(_covered(sample, covered, fill, value)) if covered.any() else answering(sample)
            answers.setdefault(name, []).append(np.asarray(answer.probability, dtype=np.float64))
        truth.append(np.asarray(task.encode(sample)[task.question.target]))
    clusters = np.array([case.cluster for case in cases])
    measured = _Measured(task, truth, Resamples.of(clusters, resamples, seed), level, len(np.unique(clusters)))
    return _finding(measured, {name: np.stack(each) for name, each in answers.items()}, tuple(regions), borrowed, fill)


@dataclass(frozen=True)
class _Measured:
    """Truth and resamples that all trials share, so that they can be compared in pairs."""

    task: Task
    truth: Sequence[np.ndarray]
    resamples: Resamples
    level: float
    clusters: int

    @property
    def chance(self) -> float:
        return 0.0 if self.task.question.is_number else 0.5

    @property
    def measure(self) -> str:
        return "Spearman's correlation" if self.task.question.is_number else "AUROC"

    def draw(self, answers: np.ndarray) -> Bootstrap:
        return bootstrap(self._statistic(answers), self.resamples)

    def _statistic(self, answers: np.ndarray) -> Statistic:
        question = self.task.question
        if question.is_number:
            return rank_statistic(np.array([float(each[0]) for each in self.truth]), answers[:, 0], self.resamples)
        if question.exclusive:
            codes = np.array([int(each) for each in self.truth])
            if len(question.classes) == 2:
                return auroc_statistic(np.where(codes < 0, np.nan, codes), answers[:, 1], self.resamples)
            columns = [np.where(codes < 0, np.nan, codes == index) for index in range(len(question.classes))]
        else:
            columns = list(np.array([np.asarray(each, float) for each in self.truth]).T)
        told = [index for index, each in enumerate(columns) if len(np.unique(each[~np.isnan(each)])) == 2]
        return average_of([auroc_statistic(columns[index], answers[:, index], self.resamples) for index in told])


def _finding(
    measured: _Measured, answers: Mapping[str, np.ndarray], regions: tuple[str, ...], borrowed: int, fill: Fill
) -> Finding:
    drawn = {name: measured.draw(each) for name, each in answers.items()}
    last = f"without_{regions[-1]}"
    drawn["lost"] = paired_difference(drawn["whole"], drawn[last])
    drawn["lost_elsewhere"] = paired_difference(drawn["whole"], drawn["elsewhere"])
    told = {
        "whole": "of the whole image",
        "only": "with everything but the regions covered",
        "elsewhere": "with a hole of the regions' shape elsewhere",
        "lost": "whole image less regions covered, in pairs",
        "lost_elsewhere": "whole image less a hole elsewhere, in pairs",
    }
    parts = {}
    for name, each in drawn.items():
        so_far = regions[: regions.index(name.removeprefix("without_")) + 1] if name.startswith("without_") else ()
        what = told.get(name, f"with {' and '.join(so_far)} covered")
        interval = each.interval(measured.level) if measured.clusters > 1 else None
        parts[name] = Finding(
            name=f"serial_occlusion.{name}",
            value=each.value,
            definition=f"{measured.measure} {what}" + ("" if name == "whole" else f" (filled with the {fill})"),
            interval=None if interval is None else (interval.lower, interval.upper),
            level=measured.level,
            method=f"bootstrap of {measured.clusters} clusters, {measured.resamples.number} resamples",
            cases=len(measured.truth),
            clusters=measured.clusters,
            bootstrap=each,
        )
    covered, whole = parts[last], parts["whole"]
    notes = [f"{borrowed} cases without a region of their own got that of another case"] if borrowed else []
    lower = covered.interval[0] if covered.interval is not None else float("nan")
    # Above chance alone would catch any model that reads a little of the context: half of the skill must be left.
    kept = (covered.value - measured.chance) / max(whole.value - measured.chance, 1e-9)
    if lower > measured.chance and kept > 0.5:
        notes.insert(
            0,
            f"CAUGHT: with {' and '.join(regions)} covered {measured.measure} is still {covered.value:.3f} (lower bound "
            f"{lower:.3f}, chance {measured.chance:g}): {min(kept, 1):.0%} of the skill rests on something else",
        )
    return replace(
        covered,
        name="serial_occlusion",
        definition=f"{measured.measure} with {' and '.join(regions)} covered (filled with the {fill}); lower is better "
        "for a model that should read them",
        higher_is_better=False,
        parts=parts,
        notes=tuple(notes),
    )


def _covered(sample: Sample, covered: np.ndarray, fill: Fill, given: float | None = None) -> Sample:
    """The sample with these voxels filled in every image of that grid, each channel by itself, or with a given value."""
    images = {}
    for view, image in sample.images.items():
        if image.shape != covered.shape:
            images[view] = image
            continue
        pixels = np.array(image.array, dtype=np.float32)
        for channel in pixels:
            seen = channel[..., ~covered]
            value = {"mean": seen.mean, "minimum": seen.min, "zero": lambda: 0.0}[fill] if seen.size else lambda: 0.0
            channel[..., covered] = float(value()) if given is None else given
        images[view] = image.with_array(pixels)
    return replace(sample, images=images)


def _grown(region: np.ndarray, margin: int) -> np.ndarray:
    from scipy import ndimage

    if not margin or not region.any():
        return region
    return ndimage.binary_dilation(region, ndimage.generate_binary_structure(region.ndim, 1), iterations=margin)


def _fitted(region: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Another case's region at the same place of a grid of another size."""
    if region.shape == tuple(shape):
        return region
    index = [
        np.minimum(np.arange(size) * other // size, other - 1) for size, other in zip(shape, region.shape, strict=True)
    ]
    return region[np.ix_(*index)]


def _moved_away(region: np.ndarray, rng: np.random.Generator, tries: int = 20) -> np.ndarray:
    """The region somewhere else (around the border, if need be), where it overlaps itself the least."""
    best, least = region, region.sum() + 1
    for _ in range(tries):
        moved = np.roll(region, [int(rng.integers(size)) for size in region.shape], axis=tuple(range(region.ndim)))
        overlap = (moved & region).sum()
        if overlap < least:
            best, least = moved, overlap
    return best
