"""A window of Hounsfield units, clipped and scaled to 0..1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt

from preceptor.core.applied import Applied, Derived, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.image import Image
from preceptor.maths.display_window import PRESETS_HU, windowed
from preceptor.maths.lookup_table import looked_up


class Window:
    """Clips values to a window and scales it to 0..1, by DICOM's LINEAR_EXACT unless another function is named.

    LINEAR_EXACT is ``(value - (centre - width / 2)) / width``, cut off at 0 and 1. DICOM's LINEAR, made for screens,
    shifts by half a unit and divides by ``width - 1``; SIGMOID bends towards 0 and 1 and cuts nothing off.

    The window is given in numbers, or by a preset's name. Presets are in Hounsfield units: put `hounsfield` before
    where images of other modalities may be among the cases. With the preset ``dicom`` each image is shown by the first
    window its own file names, the way a workstation first shows it. That window follows the scanner's and the
    technician's habits, so a network may read the site from it; for CT a window in numbers is the better one. A file
    that offers a table (VOI LUT) and no window is shown by its table.

    Padding (DICOM Pixel Padding Value, ``meta["padding_value"]``) is no tissue: it becomes 0. Put `window` before
    `resample`, which would blend padding with its neighbours.

    Args:
        centre_hu: Middle of the window, in the unit of the images' values.
        width_hu: Its width.
        preset: A window by name, or ``dicom`` for each file's own.
        function: ``linear_exact``, ``linear`` or ``sigmoid``; by default that of the file with ``dicom``, else
            ``linear_exact``.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``, without units; `Derived` images with ``dicom``.

    Raises:
        RecipeError: Neither or both of a preset and numbers are given, or a ``linear`` window narrower than 1.
        PrepareError: With ``dicom``, an image's file names no window.

    Source: DICOM PS3.3 C.11.2.1.2.1 and C.11.2.1.3; presets: Murphy, "Windowing (CT)", Radiopaedia.org.

    Example:
        >>> soft_tissue = Window(centre_hu=40, width_hu=400)
        >>> soft_tissue.draw(None, Sample("a", {})).function(torch.tensor([[-160.0, 40, 240, 3000]])).tolist()
        [[0.0, 0.5, 1.0, 1.0]]
        >>> Window(preset="lung").draw(None, Sample("a", {})).function(torch.tensor([[-600.0]])).item()
        0.5
    """

    def __init__(
        self,
        centre_hu: float | None = None,
        width_hu: Annotated[float, Gt(0)] | None = None,
        preset: Literal[
            "lung", "mediastinum", "bone", "soft_tissue", "liver", "brain", "stroke", "subdural", "temporal_bone",
            "spine", "dicom",
        ] | None = None,
        function: Literal["linear_exact", "linear", "sigmoid"] | None = None,
    ) -> None:  # fmt: skip
        by_numbers = centre_hu is not None and width_hu is not None
        if by_numbers == (preset is not None) or (centre_hu is None) != (width_hu is None):
            raise RecipeError(
                "window needs a centre and a width, or a preset, and not both",
                where="window",
                expected="{centre_hu: 40, width_hu: 400}, or {preset: soft_tissue}",
                code="window_given",
            )
        if function == "linear" and width_hu is not None and width_hu < 1:
            raise RecipeError(
                f"a linear window of width {width_hu:g} shows nothing",
                where="window.width_hu",
                expected="1 or more; linear_exact takes any width above 0",
                code="window_narrow",
            )
        self.centre_hu = centre_hu
        self.width_hu = width_hu
        self.preset = preset
        self.function = function
        self.reads_pixels = preset == "dicom"

    @classmethod
    def example(cls) -> Window:
        return cls(centre_hu=40.0, width_hu=400.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if self.preset == "dicom":
            return Derived({view: self._by_its_own(view, image) for view, image in sample.images.items()})
        if self.preset is not None:
            centre, width = PRESETS_HU[self.preset]
        else:
            assert self.centre_hu is not None and self.width_hu is not None  # else there is a preset
            centre, width = self.centre_hu, self.width_hu
        padding = {image.meta.get("padding_value") for image in sample.images.values()} - {None}
        return Intensity(_function(centre, width, self.function or "linear_exact", padding))

    def _by_its_own(self, view: str, image: Image) -> Image:
        own = image.meta.get("window")
        if own is None:
            raise _absent(view, "names no window to show it by")
        padding = {image.meta.get("padding_value")} - {None}
        if own["function"] == "table":
            if self.function is not None:
                raise _absent(view, "shows it by a table, which has no function")
            shown = looked_up(image.array, own["first"], np.asarray(own["entries"], np.float32))
            shown /= 2 ** own["bits"] - 1
            for value in padding:
                shown[image.array == value] = 0.0
            return image.with_array(shown)
        show = _function(own["centre"], own["width"], self.function or own["function"], padding)
        return image.with_array(show(torch.from_numpy(image.array.astype(np.float32))).numpy())


def _absent(view: str, what: str) -> PrepareError:
    return PrepareError(
        f"the file of the view '{view}' {what}",
        where="prepare.window",
        expected="a DICOM image with a window centre and width",
        remedy="give the window in numbers or by a preset's name; percentile needs none",
        code="window_absent",
    )


def _function(centre: float, width: float, function: Any, padding: set[Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    def show(values: torch.Tensor) -> torch.Tensor:
        shown = windowed(values, centre, width, function)
        for value in padding:
            shown[values == float(value)] = 0.0
        return shown

    return show
