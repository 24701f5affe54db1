"""Windows of grey values: the part of a scale that is shown, as DICOM defines it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

#: ``linear`` is what screens do and DICOM's default; ``linear_exact`` is what its name says; ``sigmoid`` bends.
WindowFunction = Literal["linear_exact", "linear", "sigmoid"]

#: ``{name: (centre, width)}`` in Hounsfield units, as radiologists set them.
PRESETS_HU: dict[str, tuple[float, float]] = {
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "bone": (400.0, 1800.0),
    "soft_tissue": (50.0, 400.0),
    "liver": (30.0, 150.0),
    "brain": (40.0, 80.0),
    "stroke": (40.0, 40.0),
    "subdural": (75.0, 215.0),
    "temporal_bone": (600.0, 2800.0),
    "spine": (50.0, 250.0),
}


def windowed(values: Tensor, centre: float, width: float, function: WindowFunction = "linear_exact") -> Tensor:
    """Values as a share, 0 to 1, of a window.

    Args:
        values: Of any shape, after the modality's own scale (Hounsfield units in CT).
        centre: Middle of the window; of ``linear`` half a unit above it.
        width: At least 1 for ``linear``, above 0 for the others.
        function: See `WindowFunction`.

    Returns:
        Of the same shape. ``linear`` and ``linear_exact`` are cut off at 0 and 1; ``sigmoid`` reaches neither.

    Source: DICOM PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if function == "sigmoid":
        return torch.sigmoid((values - centre) * (4 / width))
    if function == "linear":
        if width <= 1:  # one step, whose lower side is dark
            return (values > centre - 0.5).to(values.dtype)
        return ((values - (centre - 0.5)).div_(width - 1)).add_(0.5).clamp_(0, 1)
    return (values - (centre - width / 2)).div_(width).clamp_(0, 1)
