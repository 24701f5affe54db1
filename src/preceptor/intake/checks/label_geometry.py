"""Label maps that do not lie on their image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.image import Image
from preceptor.core.plugins import Task


class LabelGeometry:
    """Label maps of another shape than their image, or in another place in space.

    A map must lie on one of the case's views: the same voxels in the same places. The axes may be stored in another
    order or direction, as long as the affine says so.

    Args:
        tolerance_voxels: How far a corner of the map may lie from the corner of the image, in its smallest voxel side.

    Raises: nothing; it returns `Problem` records of severity ``error``.

    Source: own; voxel-to-world affines as in nibabel.

    Example:
        >>> LabelGeometry()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, tolerance_voxels: Annotated[float, Gt(0)] = 0.5) -> None:
        self.tolerance_voxels = tolerance_voxels

    @classmethod
    def example(cls) -> LabelGeometry:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None or not sample.images:
            return None
        wrong = {}
        for name, mask in sample.masks.items():
            found = [self._difference(image, mask) for image in sample.images.values()]
            if all(found):
                wrong[name] = found[0]
        return wrong or None

    def _difference(self, image: Image, mask: Image) -> dict[str, Any] | None:
        """What parts them, or None where the map lies on the image."""
        if image.space_dims != mask.space_dims or sorted(image.shape) != sorted(mask.shape):
            return {"code": "label_shape", "image": image.shape, "mask": mask.shape}
        if not (image.has_known_geometry and mask.has_known_geometry):
            same = image.shape == mask.shape
            return None if same else {"code": "label_shape", "image": image.shape, "mask": mask.shape}
        ours, theirs = _corners(image), _corners(mask)
        # A corner may be another one of the map where its axes are stored in another order: the nearest is meant.
        away = np.linalg.norm(ours[:, None] - theirs[None], axis=2).min(axis=1).max()
        if away > self.tolerance_voxels * min(image.spacing_mm):
            return {"code": "label_affine", "away_mm": round(float(away), 3)}
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        shapes: list[str] = []
        places: dict[str, float] = {}
        shown: dict[str, str] = defaultdict(str)
        for case in cohort:
            for name, each in (facts.get(case.key) or {}).items():
                if each["code"] == "label_shape":
                    shapes.append(case.key)
                    sizes = ["x".join(map(str, each[side])) for side in ("image", "mask")]
                    shown["shape"] = shown["shape"] or f"{name} {sizes[1]} on an image {sizes[0]}"
                else:
                    places[case.key] = max(each["away_mm"], places.get(case.key, 0.0))
        problems = []
        if shapes:
            problems.append(
                Problem(
                    f"{len(shapes)} label map{'s have' if len(shapes) > 1 else ' has'} another shape than the image "
                    f"({shown['shape']})",
                    "masks",
                    "as many voxels along each axis as the image",
                    "look whether they belong together; bring the map onto the image's grid by nearest neighbour",
                    "label_shape",
                    tuple(dict.fromkeys(shapes)),
                )
            )
        if places:
            worst = max(places, key=lambda key: places[key])
            problems.append(
                Problem(
                    f"{len(places)} label map{'s lie' if len(places) > 1 else ' lies'} elsewhere than the image "
                    f"(up to {places[worst]:g} mm, case {worst})",
                    "masks",
                    f"corners at most {self.tolerance_voxels:g} voxels apart",
                    "take the affine of the image the map was drawn on; a position can't be guessed",
                    "label_affine",
                    tuple(places),
                )
            )
        return problems


def _corners(image: Image) -> np.ndarray:
    """``(corner, 3)`` millimetres of the outermost voxels' centres."""
    ends = [(0, size - 1) for size in image.shape] + [(0,)] * (3 - image.space_dims)
    index = np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 3)
    return index @ image.affine_mm[:3, :3].T + image.affine_mm[:3, 3]
