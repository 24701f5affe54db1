"""CutMix: learn from cases with a part of another pasted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from preceptor.core.batch import Batch, Mixed
from preceptor.core.errors import TrainError
from preceptor.learn.mixing import numbers, partners, shares


class CutMix(nn.Module):
    """In training, pastes a box of a second case into each, in the same place, and asks for both answers by their shares.

    Label maps and other dense truth are cut and pasted with the image, and so are masks: their labels stay whole. An answer for
    the whole image is asked by the share of voxels that each case has. Views lie on one grid, or the box is the same share of
    each. Two cases that do not have the same views are not mixed.

    Args:
        alpha: Of the Beta distribution that the box's share of the image is drawn from; 1 draws it evenly.
        chance: How often a batch is mixed. A batch that one method has mixed is left alone by another: `cutmix` is asked first.

    Returns:
        From `on_batch`: the batch with boxes pasted in, and what it was mixed of.

    Raises:
        TrainError: Views have different numbers of axes in space.

    Source: Yun 2019 (arXiv:1905.04899), eq. 1 and 2; in a volume the box's sides are cube roots in place of square roots.

    Example:
        >>> CutMix(chance=0.5).chance
        0.5
    """

    generator: torch.Generator | None = None

    def __init__(self, alpha: Annotated[float, Gt(0)] = 1.0, chance: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        super().__init__()
        self.alpha = alpha
        self.chance = chance

    @classmethod
    def example(cls) -> CutMix:
        return cls()

    def on_batch(self, batch: Batch) -> Batch:
        if batch.mixed is not None:  # another method has mixed this batch
            return batch
        rng = numbers(self.generator)
        if rng.random() >= self.chance:
            return batch
        dims = _axes(batch)
        order = partners(batch, rng)
        wanted = shares(self.alpha, len(batch), rng)
        wanted = np.where(order == np.arange(len(batch)), 1.0, wanted)
        sides = (1 - wanted)[:, None] ** (1 / dims) * np.ones(dims)
        middle = rng.random((len(batch), dims))
        low, high = np.clip(middle - sides / 2, 0, 1), np.clip(middle + sides / 2, 0, 1)

        def paste(tensor: Tensor) -> Tensor:
            return _pasted(tensor, order, low, high, dims)

        first = next(iter(batch.images.values()))
        share = torch.from_numpy(1 - _volumes(low, high, first.shape[-dims:])).float().to(batch.rows.device)
        space = first.shape[-dims:]
        dense = {name for name, target in batch.targets.items() if target.ndim > dims and target.shape[-dims:] == space}
        index = torch.from_numpy(order).to(batch.rows.device)
        return replace(
            batch,
            images={view: paste(image) for view, image in batch.images.items()},
            masks={name: paste(mask) if mask.ndim > dims else mask for name, mask in batch.masks.items()},
            targets={name: paste(target) if name in dense else target for name, target in batch.targets.items()},
            mixed=Mixed(share, {name: target[index] for name, target in batch.targets.items() if name not in dense}),
        )


def _axes(batch: Batch) -> int:
    """Axes of space: those after batch and channel, alike in all views."""
    found = {image.ndim - 2 for image in batch.images.values()}
    if len(found) > 1 or found - {2, 3}:
        raise TrainError(
            "cutmix can't tell which axes of the views are space",
            where="methods.cutmix",
            expected="views of two axes, or of three, without time",
            remedy="take mixup",
            code="cutmix_axes",
        )
    return found.pop()


def _bounds(low: np.ndarray, high: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """First voxel of each box and the first after it."""
    size = np.asarray(shape)
    return np.rint(low * size).astype(int), np.rint(high * size).astype(int)


def _volumes(low: np.ndarray, high: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """``(batch,)`` the share of the image's voxels that lie in its box."""
    first, last = _bounds(low, high, shape)
    return (last - first).prod(1) / np.prod(shape)


def _pasted(tensor: Tensor, order: np.ndarray, low: np.ndarray, high: np.ndarray, dims: int) -> Tensor:
    first, last = _bounds(low, high, tensor.shape[-dims:])
    out = tensor.clone()
    for sample, partner in enumerate(order.tolist()):
        box: tuple[Any, ...] = (..., *map(slice, first[sample].tolist(), last[sample].tolist()))
        out[sample][box] = tensor[partner][box]
    return out
