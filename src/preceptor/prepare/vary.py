"""Vary a whole prepared case as training would vary it, and say what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PreceptorError
from preceptor.core.image import Image
from preceptor.core.plugins import Transform

from .compose import naming, split_by_grid, swapped
from .patches import UNLABELLED, read_patch, together
from .points import moved_boxes, moved_points


@dataclass(frozen=True)
class Drawn:
    """What one transform did.

    Args:
        name: Of the transform, as in a recipe.
        parameters: What it drew.
        views: That lie on the grid it drew for.
    """

    name: str
    parameters: Mapping[str, Any]
    views: tuple[str, ...]


@dataclass(frozen=True)
class Varied:
    """A variation of a case.

    Args:
        sample: The case, on the same grid.
        drawn: Of every transform that did something, in order; views on different grids are varied each by itself.
    """

    sample: Sample
    drawn: tuple[Drawn, ...]


def vary(sample: Sample, augment: Sequence[Transform], rng: np.random.Generator, truth: str | None = None) -> Varied:
    """Draw every transform once for a whole case: one map, one interpolation, as for a patch in training.

    Args:
        sample: A prepared case.
        augment: Transforms in order.
        rng: Of this draw of this case.
        truth: The mask of class indices, which is unlabelled (-1) where it comes from outside the image.

    Returns:
        The variation, images float32 on the same grids, with masks, points and boxes moved along.

    Raises:
        PrepareError: A transform does not fit the case, which is named.
    """
    images: dict[str, Image] = {}
    masks: dict[str, Image] = {}
    points, boxes = sample.points, sample.boxes
    told: list[Drawn] = []
    try:
        for number, part in enumerate(split_by_grid(sample)):
            shape = part.reference.shape
            decided = [transform.draw(rng, part) for transform in augment]
            spatial, intensities = together(decided, shape)
            read = _read(part, spatial, truth)
            for name, mask in part.masks.items():
                array = read[name].numpy()
                relabel = spatial.relabel.get(name) if spatial is not None else None
                masks[name] = mask.with_array(swapped(array, relabel) if relabel else array)
            moved = {name: torch.from_numpy(masks[name].array) for name in part.masks}
            for view, image in part.images.items():
                tensor = read[view].float()
                for applied in intensities:
                    tensor = applied.on(view, tensor, moved)
                images[view] = image.with_array(np.ascontiguousarray(tensor.numpy()))
            if number == 0 and spatial is not None:
                points = {name: moved_points(places, spatial, shape) for name, places in part.points.items()}
                boxes = {name: moved_boxes(corners, spatial, shape) for name, corners in part.boxes.items()}
            told += _told(augment, decided, tuple(part.images))
    except PreceptorError as error:
        raise naming(error, sample.key) from error
    whole = replace(
        sample,
        images={view: images[view] for view in sample.images},
        masks={name: masks[name] for name in sample.masks},
        points=points,
        boxes=boxes,
    )
    return Varied(whole, tuple(told))


def _read(part: Sample, spatial: Spatial | None, truth: str | None) -> dict[str, torch.Tensor]:
    """Every image and mask of one grid, through the map."""
    wanted = {**part.images, **part.masks}
    fills = [float(UNLABELLED if name == truth and name in part.masks else 0) for name in wanted]
    shape = part.reference.shape
    return dict(zip(wanted, read_patch(list(wanted.values()), fills, shape, (0,) * len(shape), spatial), strict=True))


def _told(augment: Sequence[Transform], decided: Sequence[Applied], views: tuple[str, ...]) -> list[Drawn]:
    names = [type(transform).__module__.rpartition(".")[2] for transform in augment]
    return [
        Drawn(name, applied.parameters, views)
        for name, applied in zip(names, decided, strict=True)
        if not isinstance(applied, Nothing)
    ]
