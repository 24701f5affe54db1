"""What a model was made for: the kind of images it learnt from, and how a new one differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from preceptor.core.cohort import Sample
from preceptor.core.image import Image

#: A voxel may be this many times smaller or larger than any that was learnt from.
_SPACING_FACTOR = 2.0


def describe(samples: Iterable[Sample]) -> dict[str, Any]:
    """What images of training cases have in common, from the originals.

    Args:
        samples: As they were read, before preparation.

    Returns:
        JSON: ``{view: {channels, space_dims, modalities, formats, spacing_mm: [smallest, largest] or None}}``. Spacings
        are sorted, since axes may come in any order.
    """
    seen: dict[str, list[Image]] = {}
    for sample in samples:
        for view, image in sample.images.items():
            seen.setdefault(view, []).append(image.with_array(image.array[..., :1]))  # geometry alone is kept
    return {view: _in_common(images) for view, images in seen.items()}


def _in_common(images: list[Image]) -> dict[str, Any]:
    spacings = [sorted(image.spacing_mm) for image in images]
    known = all(image.has_known_geometry for image in images)
    return {
        "channels": sorted({image.channels for image in images}),
        "space_dims": sorted({image.space_dims for image in images}),
        "modalities": sorted({str(image.meta["modality"]) for image in images if image.meta.get("modality")}),
        "formats": sorted({str(image.meta["source_format"]) for image in images if image.meta.get("source_format")}),
        "spacing_mm": [min(s[0] for s in spacings), max(s[-1] for s in spacings)] if known else None,
    }


def misfits(sample: Sample, expected: Mapping[str, Any]) -> list[str]:
    """Why an image is not what the model was made for; empty where it is.

    Args:
        sample: As it was read.
        expected: What `describe` returned.
    """
    reasons = []
    if not any(view in sample.images for view in expected):
        reasons.append(f"it has none of the views {', '.join(expected)}")
    for view, image in sample.images.items():
        if view not in expected:
            reasons.append(f"the model knows no view '{view}', only {', '.join(expected)}")
        else:
            reasons += _differences(view, image, expected[view])
    return reasons


def _differences(view: str, image: Image, expected: Mapping[str, Any]) -> list[str]:
    found = []
    if image.space_dims not in expected["space_dims"]:
        return [f"{view} has {image.space_dims} axes of space, and the model learnt from {_or(expected['space_dims'])}"]
    if image.channels not in expected["channels"]:
        found.append(f"{view} has {image.channels} channels, and the model learnt from {_or(expected['channels'])}")
    modality = image.meta.get("modality")
    if modality and expected["modalities"] and modality not in expected["modalities"]:
        found.append(f"{view} is {modality}, and the model learnt from {_or(expected['modalities'])}")
    if expected["spacing_mm"] is None:
        return found
    smallest, largest = expected["spacing_mm"]
    if not image.has_known_geometry:
        found.append(f"{view} says nothing of millimetres, and the model learnt from images that do")
    elif min(image.spacing_mm) < smallest / _SPACING_FACTOR or max(image.spacing_mm) > largest * _SPACING_FACTOR:
        shown = " x ".join(f"{side:.3g}" for side in image.spacing_mm)
        found.append(f"{view} has voxels of {shown} mm, and the model learnt from {smallest:.3g} to {largest:.3g} mm")
    return found


def _or(values: list[Any]) -> str:
    return " or ".join(map(str, values))
