"""Composition: the spatial steps of a case become one map, and the map one resampling.

Steps that follow one another and only move voxels are multiplied together and applied once, when pixels are next
looked at: ``[orient_ras, resample, crop_pad, zscore]`` interpolates once. Views on different grids (two X-ray
projections) are prepared each on its own; masks move with the view whose grid they share, and a mask on a grid of its
own is brought to the reference view's through millimetres.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.applied import Derived, Displacement, Intensity, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PreceptorError, PrepareError
from preceptor.core.image import Image
from preceptor.core.plugins import Transform
from preceptor.maths.geometry import embed, same_grid, voxel_map
from preceptor.maths.resampling import resample, resample_at
from preceptor.maths.warps import control_points, field_at, spread

from .points import moved_boxes, moved_points


def prepare_sample(sample: Sample, steps: Sequence[Transform]) -> Sample:
    """Prepare one case.

    Args:
        sample: As read.
        steps: In order; fitted ones carry their state.

    Returns:
        The case on the prepared grid: images float32 (their native type where no step touched the values), masks on the
        grid of a view. `sample` is left as it was.

    Raises:
        PrepareError: A step does not fit the case, which is named.
    """
    # A step that looks across views is shown the whole case: what follows prepares each grid by itself.
    steps = [step.with_case(sample) if hasattr(step, "with_case") else step for step in steps]
    try:
        parts = [_prepare_grid(part, steps) for part in split_by_grid(sample)]
    except PreceptorError as error:
        raise naming(error, sample.key) from error
    images = {view: part.images[view] for part in parts for view in part.images}
    masks = _joined(parts)
    return replace(
        sample,
        images={view: images[view] for view in sample.images},
        masks={name: masks[name] for name in dict.fromkeys((*sample.masks, *masks))},
        points=parts[0].points,
        boxes=parts[0].boxes,
    )


def _joined(parts: Sequence[Sample]) -> dict[str, Image]:
    """The masks of every part. Views on different grids are prepared one by one, and a step may have made a mask of one
    name for each: all but the first carry their view's name too.
    """
    masks: dict[str, Image] = {}
    for part in parts:
        view = next(iter(part.images), "")
        masks |= {f"{name}_{view}" if name in masks else name: mask for name, mask in part.masks.items()}
    return masks


def naming(error: PreceptorError, key: str) -> PreceptorError:
    """The same error with the case's key in its place, if it is not there yet."""
    problem = error.problem
    if problem.where == f"case {key}" or problem.where.startswith(f"case {key}, "):
        return error
    where = f"case {key}, {problem.where}" if problem.where else f"case {key}"
    kind = type(error) if isinstance(error, PrepareError) else PrepareError
    return kind.from_problem(replace(problem, where=where), error.problems)


def split_by_grid(sample: Sample) -> Iterator[Sample]:
    """A case as parts whose views share one grid; a mask goes with the view whose grid it is on, else with the first view."""
    views = dict(sample.images)
    masks = dict(sample.masks)
    first = True
    while views or (first and masks):
        reference = next(iter((*views.values(), *masks.values())))
        together = {view: image for view, image in views.items() if on_one_grid(image, reference)}
        views = {view: image for view, image in views.items() if view not in together}
        own = {name: mask for name, mask in masks.items() if on_one_grid(mask, reference)}
        if first:
            others = [image for view, image in sample.images.items() if view not in together]
            own |= {name: mask for name, mask in masks.items() if not any(on_one_grid(mask, other) for other in others)}
        masks = {name: mask for name, mask in masks.items() if name not in own}
        part = replace(sample, images=together, masks={name: own[name] for name in sample.masks if name in own})
        yield part if first else replace(part, points={}, boxes={})
        first = False


def on_one_grid(image: Image, other: Image) -> bool:
    """Whether two images show the same voxels."""
    return same_grid(image.shape, image.affine_mm, other.shape, other.affine_mm)


def stand_in(image: Image, shape: Sequence[int], affine_mm: np.ndarray) -> Image:
    """An image of this grid without pixels (NaN, taking no memory), for transforms that look at grids alone."""
    array = np.broadcast_to(np.float32(np.nan), (*image.array.shape[: image.array.ndim - image.space_dims], *shape))
    return image.with_array(array, affine_mm)


class _NoDice:
    """What a step gets for a generator in preparation, which is done once."""

    def __getattr__(self, name: str) -> Any:
        raise PrepareError(
            "a step of the preparation draws at random",
            expected="the same image each time",
            remedy="move it to `augment`",
            code="prepare_random",
        )


def _prepare_grid(sample: Sample, steps: Sequence[Transform]) -> Sample:
    """Prepare the views of one grid."""
    pending: Spatial | None = None
    for step in steps:
        if pending is not None and getattr(step, "reads_pixels", True):
            sample, pending = apply_spatial(sample, pending), None
        applied = step.draw(_NoDice(), _as_seen(sample, pending))  # type: ignore[arg-type]
        if isinstance(applied, Spatial):
            pending = applied if pending is None else compose(pending, applied, sample.reference.shape)
        elif isinstance(applied, Intensity):
            if pending is not None:
                sample, pending = apply_spatial(sample, pending), None
            sample = apply_intensity(sample, applied)
        elif isinstance(applied, Derived):
            if pending is not None:
                sample, pending = apply_spatial(sample, pending), None
            sample = replace(
                sample, images={**sample.images, **applied.images}, masks={**sample.masks, **applied.masks}
            )
    if pending is None and not all(on_one_grid(mask, sample.reference) for mask in sample.masks.values()):
        pending = Spatial(np.eye(sample.reference.space_dims + 1))
    return sample if pending is None else apply_spatial(sample, pending)


def _as_seen(sample: Sample, pending: Spatial | None) -> Sample:
    """The case as the pending map leaves it, without its pixels."""
    if pending is None:
        return sample
    shape, affine_mm = output_grid(sample.reference, pending)
    return replace(
        sample,
        images={view: stand_in(image, shape, affine_mm) for view, image in sample.images.items()},
        masks={name: stand_in(mask, shape, affine_mm) for name, mask in sample.masks.items()},
    )


def output_grid(image: Image, spatial: Spatial) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of what a map makes of an image."""
    shape = image.shape if spatial.shape is None else tuple(spatial.shape)
    return shape, image.affine_mm @ embed(spatial.matrix) if spatial.affine_mm is None else spatial.affine_mm


def compose(first: Spatial, then: Spatial, shape: Sequence[int]) -> Spatial:
    """One map for two, the output of `first` being the input of `then`.

    Matrices multiply. A displacement that comes last is kept as it is; one that a later map turns or deforms is carried over
    to that map's grid at control points twice as dense as its own: exact there, and a smooth curve between them.

    Args:
        first, then: In the order of the recipe.
        shape: Of the first one's input, where it keeps it.
    """
    middle = tuple(first.shape or shape)
    out = tuple(then.shape or middle)
    displacement = then.displacement
    if first.displacement is not None:
        displacement = _carry(first.displacement, then, middle, out)
    relabel = {
        mask: _chain(first.relabel.get(mask, {}), then.relabel.get(mask, {}))
        for mask in {**first.relabel, **then.relabel}
    }
    return Spatial(
        matrix=first.matrix @ then.matrix,
        shape=then.shape or first.shape,
        affine_mm=first.affine_mm if then.affine_mm is None else then.affine_mm,
        displacement=displacement,
        relabel=relabel,
        parameters={**first.parameters, **then.parameters},
        antialias=first.antialias or then.antialias,
        fill=first.fill if then.fill is None else then.fill,
    )


def _chain(first: Mapping[int, int], then: Mapping[int, int]) -> dict[int, int]:
    whole = {old: then.get(new, new) for old, new in first.items()}
    return {**{old: new for old, new in then.items() if old not in whole}, **whole}


def _carry(moved: Displacement, then: Spatial, middle: Sequence[int], out: Sequence[int]) -> Displacement:
    """The displacement d with ``then(o + d(o)) = q + moved(q)``, where ``q = then(o)``."""
    dims = len(out)
    least = (2,) * dims if then.displacement is None else then.displacement.control.shape[1:]
    points = tuple(
        max(2, min(max(2 * number - 1, own), size))
        for number, own, size in zip(moved.control.shape[1:], least, out, strict=True)
    )
    own = (
        np.zeros((dims, *points))
        if then.displacement is None
        else field_at(then.displacement.control, control_points(points, out), out)
    )
    places = control_points(points, out) + own
    linear, shift = then.matrix[:-1, :-1], then.matrix[:-1, -1]
    reached = np.tensordot(linear, places, 1) + shift.reshape(-1, *[1] * dims)
    carried = np.tensordot(np.linalg.inv(linear), field_at(moved.control, reached, middle), 1)
    return Displacement((own + carried).astype(np.float32))


def apply_spatial(sample: Sample, spatial: Spatial) -> Sample:
    """Move everything of one grid: images and dense quantities linearly, labels by the nearest, points and boxes with them."""
    reference = sample.reference
    shape, affine_mm = output_grid(reference, spatial)
    images = {
        view: image.with_array(_moved(image, spatial, spatial.matrix, shape, spatial.fill), affine_mm)
        for view, image in sample.images.items()
    }
    masks = {}
    for name, mask in sample.masks.items():
        matrix = spatial.matrix
        if not on_one_grid(mask, reference):
            _refuse_other_dimensions(name, mask, reference)
            matrix = voxel_map(mask.affine_mm, reference.affine_mm, reference.space_dims) @ matrix
        masks[name] = mask.with_array(_moved(mask, spatial, matrix, shape, 0.0, spatial.relabel.get(name)), affine_mm)
    return replace(
        sample,
        images=images,
        masks=masks,
        points={name: moved_points(points, spatial, shape) for name, points in sample.points.items()},
        boxes={name: moved_boxes(boxes, spatial, shape) for name, boxes in sample.boxes.items()},
    )


def _refuse_other_dimensions(name: str, mask: Image, reference: Image) -> None:
    if mask.space_dims != reference.space_dims or not (mask.has_known_geometry and reference.has_known_geometry):
        raise PrepareError(
            f"the mask {name} has {' x '.join(map(str, mask.shape))} voxels, the image {' x '.join(map(str, reference.shape))}",
            expected="one grid, or files that say where both lie in millimetres",
            remedy="export the mask on the image's own grid",
            code="mask_grid",
        )


def _moved(
    image: Image,
    spatial: Spatial,
    matrix: np.ndarray,
    shape: tuple[int, ...],
    fill: float | None,
    relabel: Mapping[int, int] | None = None,
) -> np.ndarray:
    lead = image.array.shape[: image.array.ndim - image.space_dims]
    array = image.array.reshape(-1, *image.shape)
    if relabel:
        array = swapped(array, relabel)
    if spatial.displacement is not None:
        control = spatial.displacement.control
        places = control_points(control.shape[1:], shape) + control
        places = np.tensordot(matrix[:-1, :-1], places, 1) + matrix[:-1, -1].reshape(-1, *[1] * len(shape))
        moved = resample_at(array, spread(places.astype(np.float32), shape), nearest=image.is_label)
    else:
        moved = resample(array, matrix, shape, nearest=image.is_label, antialias=spatial.antialias, fill=fill)
    return moved.reshape(*lead, *shape)


def swapped(array: np.ndarray, relabel: Mapping[int, int]) -> np.ndarray:
    """A label map with values replaced, all at once."""
    out = array.copy()
    for old, new in relabel.items():
        out[array == old] = new
    return out


def apply_intensity(sample: Sample, applied: Intensity) -> Sample:
    """Change the pixel values of the views a function applies to."""
    import torch

    images = {}
    masks = {name: torch.from_numpy(sample.masks[name].array) for name in applied.masks if name in sample.masks}
    for view, image in sample.images.items():
        if applied.views is None or view in applied.views:
            tensor = torch.from_numpy(image.array.astype(np.float32))
            images[view] = image.with_array(np.ascontiguousarray(applied.on(view, tensor, masks).numpy()))
        else:
            images[view] = image
    return replace(sample, images=images)


def resample_like(array: np.ndarray, affine_mm: np.ndarray, like: Image, *, nearest: bool) -> np.ndarray:
    """Bring an array of the prepared grid back onto an original grid, through millimetres.

    Args:
        array: ``(channel, *space)`` on the prepared grid.
        affine_mm: Of the prepared grid.
        like: An image on the grid to go to.
        nearest: For labels; otherwise linear.

    Returns:
        ``(channel, *like.shape)``; 0 where the prepared grid does not reach.
    """
    matrix = voxel_map(np.asarray(affine_mm, dtype=float), like.affine_mm, like.space_dims)
    return resample(array, matrix, like.shape, nearest=nearest, fill=0.0)
