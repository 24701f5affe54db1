"""Registration: find the map that lays one image onto another, say how well it went, and refuse where it failed.

The map is the one kind this package knows: where each voxel of the *fixed* image is read from in the *moving* one, in
voxels (`preceptor.core.applied.Spatial`). A registration therefore composes with every other spatial step, and
`warp` moves images and label maps with one interpolation.

SimpleITK does the search. It counts millimetres in LPS and arrays from the last axis: both are dealt with in
`_frame` and `_itk_image`, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from preceptor.core.applied import Displacement, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.maths.geometry import embed, same_grid, voxel_map
from preceptor.maths.resampling import resample_at
from preceptor.maths.similarity import foreground
from preceptor.maths.warps import control_points, spread

from .compose import apply_spatial
from .registration_quality import Limits, Quality, agreement, failures, jacobian
from .registration_search import EFFORTS, Settings, search_affine, search_deformation

if TYPE_CHECKING:
    import SimpleITK

Kind = Literal["rigid", "affine", "deformable"]

#: Points of the fixed image's foreground at which inverse consistency is measured.
_POINTS = 500


@dataclass(frozen=True, eq=False)
class Registration:
    """A map from a fixed image's grid into a moving image, with what it is worth.

    Args:
        kind: ``rigid``, ``affine`` or ``deformable``.
        spatial: The map, with the fixed grid as its output.
        moving_shape, moving_affine_mm: The moving image's grid, which is the map's input.
        quality: Measured agreement before and after, and the state of space.
    """

    kind: Kind
    spatial: Spatial
    moving_shape: tuple[int, ...]
    moving_affine_mm: np.ndarray
    quality: Quality

    @property
    def fixed_shape(self) -> tuple[int, ...]:
        assert self.spatial.shape is not None  # set by `register`
        return self.spatial.shape

    @property
    def matrix_mm(self) -> np.ndarray:
        """4x4, RAS+ millimetres of the fixed image to those of the moving one; the affine part of a deformable map."""
        assert self.spatial.affine_mm is not None  # set by `register`
        return self.moving_affine_mm @ embed(self.spatial.matrix) @ np.linalg.inv(self.spatial.affine_mm)

    @cached_property
    def places(self) -> np.ndarray:
        """``(axis, *fixed shape)`` float32: where each fixed voxel is read from, in voxels of the moving image."""
        return _places(self.spatial, self.fixed_shape)

    def points_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Where points of the fixed image lie in the moving one.

        Args:
            points_mm: ``(point, 3)`` RAS+ millimetres. For planes they lie in the plane.

        Returns:
            ``(point, 3)``.
        """
        assert self.spatial.affine_mm is not None  # set by `register`
        dims = len(self.fixed_shape)
        voxels = _apply(np.linalg.inv(self.spatial.affine_mm), points_mm)[:, :dims]
        if self.spatial.displacement is not None:
            field = spread(self.spatial.displacement.control, self.fixed_shape)
            voxels = voxels + resample_at(field, voxels.T).T
        there = _apply(self.spatial.matrix, voxels)
        return _apply(self.moving_affine_mm, np.pad(there, ((0, 0), (0, 3 - dims))))


def register(
    moving: Image,
    fixed: Image,
    kind: Kind = "affine",
    *,
    seed: int = 0,
    starts: Literal["one", "many"] = "one",
    effort: Literal["fine", "quick"] = "fine",
    limits: Limits | None = None,
    check_inverse: bool = False,
) -> Registration:
    """Find the map that lays `moving` onto `fixed`.

    Rigid and affine maps maximise Mattes' mutual information, coarse to fine, so the two images may differ in contrast.
    A deformable one goes on from the affine map by diffeomorphic demons, which compare grey values after matching
    their histograms: both images must be of the same contrast. One thread and a seed: the same map every time.

    Args:
        moving: The image to move; its first channel is looked at.
        fixed: The image that stays.
        kind: ``rigid`` (turn and shift), ``affine`` (scales and shears too), ``deformable``.
        seed: Of the voxels that are compared.
        starts: ``one`` begins where the files' coordinates, the images' middles or their centres of mass agree best,
            and finds turns of some 15 degrees; ``many`` tries thirty turns, and finds 60 degrees.
        effort: ``fine`` within a patient, ``quick`` between patients, whose differences are larger than its error.
        limits: What counts as good enough, beside what never is (see `failures`).
        check_inverse: Register the other way too, and measure how far there and back misses: twice the time.

    Raises:
        PrepareError: The two do not have the same number of axes, one is constant, or the registration failed
            (``registration_failed``; the reasons are in the message).

    Source: Mattes 2003 (mutual information, regular-step gradient descent over a pyramid); Vercauteren 2009
        (diffeomorphic demons); failure rules: own.
    """
    _refuse_unfit(moving, fixed)
    settings = Settings(
        kind="rigid" if kind == "rigid" else "affine", seed=seed, many=starts == "many", effort=EFFORTS[effort]
    )
    found = _find(moving, fixed, kind, settings)
    if check_inverse:
        back = _find(fixed, moving, kind, settings)
        found = replace(found, quality=replace(found.quality, inverse_consistency_mm=_misses(found, back, fixed, seed)))
    reasons = list(failures(found.quality, limits or Limits()))
    if reasons:
        raise PrepareError(
            f"the {kind} registration failed: {'; '.join(reasons)}",
            expected="two images of the same body part that can be laid on one another",
            remedy="look at the two images; try `starts: many` where they are turned far, a less free kind, "
            "or leave the case out",
            code="registration_failed",
        )
    return found


def warp(image: Image, registration: Registration, *, nearest: bool | None = None) -> Image:
    """Show an image of the moving grid on the fixed one.

    Args:
        image: Any image or label map of the moving patient; on another grid than the moving image's it is placed by
            millimetres.
        registration: From `register`.
        nearest: For labels; by default what the image says of itself (`is_label`).

    Returns:
        The image on the fixed grid. Images hold their lowest value, label maps 0, where the moving image does not
        reach; within half a voxel of it the outermost voxels are continued.
    """
    as_label = image.is_label if nearest is None else nearest
    spatial, shape = registration.spatial, registration.fixed_shape
    own = np.eye(image.space_dims + 1)
    on_moving_grid = same_grid(image.shape, image.affine_mm, registration.moving_shape, registration.moving_affine_mm)
    if not on_moving_grid:
        own = voxel_map(image.affine_mm, registration.moving_affine_mm, image.space_dims)
    if spatial.displacement is None:
        moved = replace(image, is_label=as_label)
        out = apply_spatial(Sample("", {"": moved}), replace(spatial, matrix=own @ spatial.matrix)).images[""]
        return replace(out, is_label=image.is_label)
    assert spatial.affine_mm is not None  # set by `register`
    places = registration.places
    if not on_moving_grid:
        places = np.tensordot(own[:-1, :-1], places, 1) + own[:-1, -1].reshape(-1, *[1] * len(shape))
    lead = image.array.shape[: image.array.ndim - image.space_dims]
    array = resample_at(image.array.reshape(-1, *image.shape), places, nearest=as_label)
    fill = 0 if as_label else array.min()
    array = np.where(_inside(places, image.shape), array, fill).astype(array.dtype).reshape(*lead, *shape)
    return replace(image, array=array, affine_mm=spatial.affine_mm)


def _find(moving: Image, fixed: Image, kind: Kind, settings: Settings) -> Registration:
    """The map and its quality, good or bad."""
    dims = fixed.space_dims
    frames = _frame(moving), _frame(fixed)
    matrix_itk = search_affine(_itk_image(moving), _itk_image(fixed), settings)
    matrix = np.linalg.inv(frames[0]) @ matrix_itk @ frames[1]
    displacement = None
    spatial = Spatial(matrix, fixed.shape, fixed.affine_mm, parameters={"registration": kind})
    if kind == "deformable":
        moved = resample_at(moving.array[:1].astype(np.float32), _places(spatial, fixed.shape))[0]
        field_itk = search_deformation(_itk_image(fixed.with_array(moved[None])), _itk_image(fixed), settings.effort)
        into_voxels = np.linalg.inv(frames[1][:dims, :dims])
        displacement = Displacement(np.tensordot(into_voxels, field_itk, 1).astype(np.float32))
        spatial = replace(spatial, displacement=displacement)
    return Registration(kind, spatial, moving.shape, moving.affine_mm, _quality(moving, fixed, spatial))


def _quality(moving: Image, fixed: Image, spatial: Spatial) -> Quality:
    dims = fixed.space_dims
    still = Spatial(voxel_map(moving.affine_mm, fixed.affine_mm, dims), fixed.shape)
    states = []
    for each in (still, spatial):
        places = _places(each, fixed.shape)
        moved = resample_at(moving.array[:1].astype(np.float32), places)[0]
        states.append(agreement(fixed.array[0].astype(np.float32), moved, _inside(places, moving.shape)))
    scale = float(np.prod(moving.spacing_mm) / np.prod(fixed.spacing_mm))
    growth = abs(float(np.linalg.det(spatial.matrix[:dims, :dims]))) * scale
    lowest = highest = growth
    folded = 0.0
    if spatial.displacement is not None:
        own = jacobian(control_points(fixed.shape, fixed.shape) + spread(spatial.displacement.control, fixed.shape))
        lowest, highest = float(own.min()) * growth, float(own.max()) * growth
        folded = float((own <= 0).mean())
    return Quality(states[0], states[1], growth, (lowest, highest), folded)


def _misses(there: Registration, back: Registration, fixed: Image, seed: int) -> float:
    """Mean distance, in millimetres, between points of the fixed foreground and where they land there and back."""
    voxels = np.argwhere(foreground(fixed.array[0]))
    if len(voxels) > _POINTS:
        voxels = voxels[np.random.default_rng(seed).choice(len(voxels), _POINTS, replace=False)]
    points = _apply(fixed.affine_mm, np.pad(voxels, ((0, 0), (0, 3 - fixed.space_dims))))
    return float(np.linalg.norm(back.points_mm(there.points_mm(points)) - points, axis=1).mean())


def _places(spatial: Spatial, shape: tuple[int, ...]) -> np.ndarray:
    voxels = control_points(shape, shape)
    if spatial.displacement is not None:
        voxels = voxels + spread(spatial.displacement.control, shape)
    linear, shift = spatial.matrix[:-1, :-1], spatial.matrix[:-1, -1]
    there: np.ndarray = np.tensordot(linear, voxels, 1) + shift.reshape(-1, *[1] * len(shape))
    return there.astype(np.float32)


def _inside(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which places lie in an image, up to the outer edge of its voxels."""
    inside = [(each >= -0.5) & (each <= size - 0.5) for each, size in zip(places, shape, strict=True)]
    return np.logical_and.reduce(inside)


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(point, axis)`` through a homogeneous matrix."""
    moved: np.ndarray = np.asarray(points, dtype=float) @ matrix[:-1, :-1].T + matrix[:-1, -1]
    return moved


def _frame(image: Image) -> np.ndarray:
    """Voxel to the millimetres that SimpleITK counts: LPS in space, the plane's own axes for planes."""
    if image.space_dims == 2:
        return np.diag([*image.spacing_mm, 1.0])
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine_mm


def _itk_image(image: Image) -> SimpleITK.Image:
    """The first channel in SimpleITK's order and frame."""
    import SimpleITK

    frame, dims = _frame(image), image.space_dims
    itk = SimpleITK.GetImageFromArray(np.ascontiguousarray(image.array[0].T, dtype=np.float32))
    itk.SetSpacing(list(image.spacing_mm))
    itk.SetDirection((frame[:dims, :dims] / np.asarray(image.spacing_mm)).ravel().tolist())
    itk.SetOrigin(frame[:dims, dims].tolist())
    return itk


def _refuse_unfit(moving: Image, fixed: Image) -> None:
    problem: dict[str, Any] = {"expected": "two images of the same body part", "code": "registration_unfit"}
    if moving.has_time or fixed.has_time or moving.space_dims != fixed.space_dims:
        raise PrepareError("images with other axes can't be registered to one another", **problem)
    for name, image in (("moving", moving), ("fixed", fixed)):
        if not np.isfinite(image.array[0]).all() or image.array[0].min() == image.array[0].max():
            raise PrepareError(f"the {name} image is constant or not finite: there is nothing to lay on it", **problem)
        if min(image.shape) < 4:
            raise PrepareError(f"the {name} image has fewer than 4 voxels along an axis", **problem)
