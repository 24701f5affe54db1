"""`Applied`: what a transform decided, as data that is composed and applied later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from .image import Image


@dataclass(frozen=True)
class Displacement:
    """A smooth displacement given on a coarse grid of control points spanning the output grid, corners included.

    Between the control points it is a natural cubic spline, axis by axis: it passes through them, and two of them
    along an axis give a straight line.

    Args:
        control: ``(axis, *control points)`` float32: displacement in output voxels along each axis. Two control points
            or more along each axis.
    """

    control: np.ndarray


@dataclass(frozen=True)
class Spatial:
    """Where each voxel of the output comes from: ``input = matrix @ (output + displacement(output))``, in voxels.

    Spatial transforms of a case compose into one map, which is applied once. Applied in recipe order: the first
    transform's input is the image as it was.

    Args:
        matrix: ``(space_dims + 1, space_dims + 1)`` homogeneous, output voxel to input voxel.
        shape: Of the output grid; None keeps the input's.
        affine_mm: Of the output grid; None where the transform varies the picture on the same grid (augmentation).
        displacement: Or None.
        relabel: ``{mask: {value: value}}`` for label maps whose sides a mirror swaps.
        parameters: What was drawn, JSON.
        antialias: Smooth images before an axis is sampled more coarsely than it was (labels never are): True by a
            Gaussian, ``slab`` by averaging over each new voxel's own extent.
        fill: What images hold where the output lies wholly outside the input; None for the image's lowest value.
            Labels hold 0 there. Augmentation fills with 0, and the truth is unlabelled there.
    """

    matrix: np.ndarray
    shape: tuple[int, ...] | None = None
    affine_mm: np.ndarray | None = None
    displacement: Displacement | None = None
    relabel: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    antialias: bool | Literal["slab"] = False
    fill: float | None = None


@dataclass(frozen=True)
class Intensity:
    """A function of the pixel values, applied to every view (or to those named).

    Args:
        function: ``(channel, *space) float32 tensor -> the same shape``; may work in place. Where it names `masks`,
            ``(tensor, {mask: (1, *space) integers}) -> the same shape``.
        views: Views it applies to; None for all. Masks are never touched.
        parameters: What was drawn, JSON.
        inverse: The function back, where one exists.
        masks: Names of the masks that the function is shown, moved by the case's one map as they will be trained on. Those
            that the case lacks are left out, as is the truth of a case whose labels are hidden.
        any_device: Whether the function takes tensors of any device. Otherwise it is handed the pixels on the CPU, and
            they are brought back.
    """

    function: Callable[..., Tensor]
    views: tuple[str, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inverse: Callable[[Tensor], Tensor] | None = None
    masks: tuple[str, ...] = ()
    any_device: bool = False

    def on(self, view: str, pixels: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        """A view's pixels with the function applied, if it applies to that view.

        Args:
            view: Its name.
            pixels: ``(channel, *space)`` float32.
            masks: ``{name: (1, *space)}`` of the case, on the view's grid.
        """
        if self.views is not None and view not in self.views:
            return pixels
        shown = {name: masks[name] for name in self.masks if name in masks}
        device = pixels.device
        if not self.any_device and device.type != "cpu":
            pixels, shown = pixels.cpu(), {name: mask.cpu() for name, mask in shown.items()}
        return (self.function(pixels, shown) if self.masks else self.function(pixels)).to(device)


@dataclass(frozen=True)
class Nothing:
    """The dice said no: the case stays as it is."""

    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Derived:
    """What a step of the preparation works out of a case's pixels: masks that it adds, images that it replaces.

    Later steps find the masks by name. All are on the case's own grid in space; frames and channels may be others. In
    augmentation there is no such step.

    Args:
        images: ``{view: image}`` in place of the view's.
        masks: ``{name: mask}`` that are added, or take the place of the one of that name.
        parameters: What was found, JSON.
    """

    images: Mapping[str, Image] = field(default_factory=dict)
    masks: Mapping[str, Image] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Several:
    """What a transform of transforms decided, in augmentation: as if each had stood in the recipe by itself.

    Args:
        parts: In order.
        parameters: What was drawn, JSON.
    """

    parts: tuple[Applied, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


Applied = Spatial | Intensity | Derived | Nothing | Several


def parts(applied: Applied) -> Iterator[Spatial | Intensity | Derived | Nothing]:
    """What was decided, one by one: itself, or each of several."""
    if isinstance(applied, Several):
        for each in applied.parts:
            yield from parts(each)
    else:
        yield applied
