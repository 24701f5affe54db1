"""The search that SimpleITK does for `registration`: settings, starts, and the two optimisations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from preceptor.core.errors import PrepareError
from preceptor.maths.similarity import mutual_information

if TYPE_CHECKING:
    import SimpleITK

#: An axis is not shrunk below this many voxels.
_LEAST_SIDE = 12
_BINS = 32


@dataclass(frozen=True)
class Effort:
    """How far to go.

    Args:
        samples: Voxels compared at each level.
        iterations: At most, at each level.
        least_step: Where an optimisation stops, about millimetres.
        deformations: Iterations of a deformation at its finest level; three times as many at coarser ones.
    """

    samples: int
    iterations: int
    least_step: float
    deformations: int = 0


#: ``fine`` finds a planted map to a few hundredths of a millimetre; ``quick`` is enough between patients, who differ.
EFFORTS = {"fine": Effort(60_000, 400, 1e-4, 40), "quick": Effort(6_000, 40, 1e-2, 12)}
_COARSE = Effort(60_000, 25, 1e-2)
_LONGER = Effort(60_000, 120, 1e-2)
_FEW = 5
_FIRST = Effort(10_000, 40, 1e-2)


@dataclass(frozen=True)
class Settings:
    """How to search.

    Args:
        kind: What the last optimisation is free to change.
        seed: Of the voxels compared.
        many: Thirty turns to start from instead of one.
        effort: How far to go.
    """

    kind: Literal["rigid", "affine"]
    seed: int
    many: bool
    effort: Effort


def search_affine(moving: SimpleITK.Image, fixed: SimpleITK.Image, settings: Settings) -> np.ndarray:
    """The homogeneous matrix that takes points of `fixed` to points of `moving`, in SimpleITK's millimetres.

    Raises:
        PrepareError: SimpleITK gave up (the images do not overlap).
    """
    starts = list(_turned(moving, fixed) if settings.many else _placed(moving, fixed))
    best = min(starts, key=lambda start: _first_value(moving, fixed, start, settings))
    if settings.many:
        tried = [_optimise(moving, fixed, start, "rigid", settings.seed, (4,), _COARSE) for start in starts]
        # Twenty-five steps leave the right turn half-way: the best few go on before they are compared.
        few = sorted(tried, key=lambda each: each[1])[:_FEW]
        tried = [_optimise(moving, fixed, matrix, "rigid", settings.seed, (4,), _LONGER) for matrix, _ in few]
        best = max((matrix for matrix, _ in tried), key=lambda matrix: _over_all(moving, fixed, matrix))
    if settings.kind == "rigid":
        return _optimise(moving, fixed, best, "rigid", settings.seed, (4, 2, 1), settings.effort)[0]
    rigid, _ = _optimise(moving, fixed, best, "rigid", settings.seed, (4, 2), _FIRST)
    return _optimise(moving, fixed, rigid, "affine", settings.seed, (4, 2, 1), settings.effort)[0]


def search_deformation(moved: SimpleITK.Image, fixed: SimpleITK.Image, effort: Effort) -> np.ndarray:
    """The displacement that lays an affinely moved image onto the fixed one, on the fixed grid.

    Args:
        moved: On the fixed image's grid.
        fixed: The fixed image.
        effort: How far to go.

    Returns:
        ``(axis, *shape)`` in SimpleITK's millimetres, axes in our order.
    """
    import SimpleITK as itk

    alike = itk.HistogramMatching(moved, fixed, 64, 7)
    field: Any = None
    smallest = min(fixed.GetSize())
    for factor in [each for each in (4, 2, 1) if each == 1 or smallest >= each * 16]:
        demons = itk.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfThreads(1)
        demons.SetNumberOfIterations(effort.deformations * (1 if factor == 1 else 3))
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(2.0)
        levels = [_coarser(each, factor) for each in (fixed, alike)]
        if field is None:
            field = demons.Execute(*levels)
        else:
            field = demons.Execute(*levels, itk.Resample(field, levels[0], itk.Transform(), itk.sitkLinear, 0.0))
    array = itk.GetArrayFromImage(field)
    return np.moveaxis(array, -1, 0).transpose(0, *range(array.ndim - 1, 0, -1))


def _coarser(image: SimpleITK.Image, factor: int) -> SimpleITK.Image:
    import SimpleITK as itk

    smooth = itk.SmoothingRecursiveGaussian(image, [0.5 * factor * spacing for spacing in image.GetSpacing()])
    return smooth if factor == 1 else itk.Shrink(smooth, [factor] * image.GetDimension())


def _optimise(
    moving: Any,
    fixed: Any,
    start: np.ndarray,
    kind: Literal["rigid", "affine"],
    seed: int,
    factors: tuple[int, ...],
    effort: Effort,
) -> tuple[np.ndarray, float]:
    """The best matrix near a start, and the metric's value there (lower is better)."""
    import SimpleITK as itk

    dims = fixed.GetDimension()
    middle = fixed.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in fixed.GetSize()])
    change: Any
    if kind == "affine":
        change = itk.AffineTransform(dims)
    else:
        change = itk.Euler3DTransform() if dims == 3 else itk.Euler2DTransform()
    change.SetCenter(middle)
    method = _method(moving, fixed, start, seed, factors, effort.samples)
    method.SetInitialTransform(change, inPlace=True)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0 if factors == (4,) else 1.0,
        minStep=effort.least_step,
        numberOfIterations=effort.iterations,
        relaxationFactor=0.8 if effort.iterations > 100 else 0.6,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise PrepareError(
            "the registration found no way to begin: too little of the images overlaps",
            expected="two images of the same body part, placed roughly over one another",
            remedy="look at both images, or try `starts: many`",
            code="registration_failed",
        ) from error
    # A start is applied to what the change has moved: first the change, then the start.
    return start @ _matrix(change, dims), float(method.GetMetricValue())


def _method(moving: Any, fixed: Any, start: np.ndarray, seed: int, factors: tuple[int, ...], samples: int) -> Any:
    import SimpleITK as itk

    size = fixed.GetSize()
    smallest = min(*size, *moving.GetSize())
    factors = tuple(dict.fromkeys(max(1, min(each, smallest // _LEAST_SIDE)) for each in factors))
    method = itk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in the order of threads differ in the last digits
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetInterpolator(itk.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(factors))
    method.SetSmoothingSigmasPerLevel([0.5 * each if each > 1 else 0.0 for each in factors])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    shares = [min(1.0, samples * factor ** len(size) / np.prod(size)) for factor in factors]
    if min(shares) < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentagePerLevel([float(each) for each in shares], seed + 1)  # 0 means the clock
    method.SetMovingInitialTransform(_transform(start))
    return method


def _first_value(moving: Any, fixed: Any, start: np.ndarray, settings: Settings) -> float:
    """The metric at a start; infinite where the images do not meet there."""
    import SimpleITK as itk

    method = _method(moving, fixed, start, settings.seed, (4,), settings.effort.samples)
    method.SetInitialTransform(itk.TranslationTransform(fixed.GetDimension()), inPlace=True)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # SimpleITK's word for "no sample lies inside the moving image"
        return float("inf")


def _over_all(moving: Any, fixed: Any, matrix: np.ndarray) -> float:
    """Mutual information over the whole fixed image, background where the moving one does not reach.

    The metric counts only where both images are, and so prefers turns that leave little of them on one another.
    """
    import SimpleITK as itk

    small = itk.Shrink(fixed, [max(1, min(4, size // _LEAST_SIDE)) for size in fixed.GetSize()])
    lowest = float(itk.GetArrayViewFromImage(moving).min())
    moved = itk.Resample(moving, small, _transform(matrix), itk.sitkLinear, lowest)
    return mutual_information(itk.GetArrayFromImage(small).ravel(), itk.GetArrayFromImage(moved).ravel())


def _placed(moving: Any, fixed: Any) -> Iterator[np.ndarray]:
    """Where the files' coordinates agree, the images' middles, their centres of mass."""
    import SimpleITK as itk

    dims = fixed.GetDimension()
    yield np.eye(dims + 1)
    initializer = itk.CenteredTransformInitializerFilter
    rigid = itk.Euler3DTransform() if dims == 3 else itk.Euler2DTransform()
    yield _matrix(itk.CenteredTransformInitializer(fixed, moving, rigid, initializer.GEOMETRY), dims)
    try:
        yield _matrix(itk.CenteredTransformInitializer(fixed, moving, rigid, initializer.MOMENTS), dims)
    except RuntimeError:  # values that add up to nothing, as after a z-score, have no centre of mass
        return


def _turned(moving: Any, fixed: Any) -> Iterator[np.ndarray]:
    """Turns to try: about the fixed image's middle, the two middles on one another."""
    dims = fixed.GetDimension()
    middles = [
        np.array(each.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in each.GetSize()]))
        for each in (fixed, moving)
    ]
    for turn in _turns(dims):
        start = np.eye(dims + 1)
        start[:dims, :dims] = turn
        start[:dims, dims] = middles[1] - turn @ middles[0]
        yield start


def _turns(dims: int) -> Iterator[np.ndarray]:
    if dims == 2:
        for angle in np.deg2rad(np.arange(0, 360, 12)):
            yield np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return
    for order in itertools.permutations(range(3)):  # the 24 turns that lay axes on axes
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                yield turn
    for axis, sign in itertools.product(range(3), (1.0, -1.0)):
        cosine, sine = np.cos(np.pi / 6), sign * np.sin(np.pi / 6)
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = cosine, -sine, sine, cosine
        yield turn


def _transform(matrix: np.ndarray) -> Any:
    import SimpleITK as itk

    dims = len(matrix) - 1
    whole = itk.AffineTransform(dims)
    whole.SetMatrix(matrix[:dims, :dims].ravel().tolist())
    whole.SetTranslation(matrix[:dims, dims].tolist())
    return whole


def _matrix(transform: Any, dims: int) -> np.ndarray:
    """A linear transform as a homogeneous matrix, read off at the corners of a unit box: no convention to mistake."""
    origin = np.array(transform.TransformPoint([0.0] * dims))
    matrix = np.eye(dims + 1)
    for axis, corner in enumerate(np.eye(dims)):
        matrix[:dims, axis] = np.array(transform.TransformPoint(corner.tolist())) - origin
    matrix[:dims, dims] = origin
    return matrix
