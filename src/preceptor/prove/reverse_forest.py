"""The forest that learns from one segmented image and is then asked about others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from preceptor.core.image import Image
from preceptor.prepare.registration import Registration

#: Scales of the Gaussian filters, in voxels.
_SIGMAS = (0.5, 1.0, 2.0, 4.0)
_DERIVED_AT = 2.0
#: Voxels that a forest learns from.
_MOST = 6000


@dataclass(frozen=True, eq=False)
class ReverseForest:
    """A forest of 20 trees that tells a voxel's structure from how the image looks there, and from where it lies.

    Args:
        trees: A fitted `sklearn.ensemble.RandomForestClassifier`.
        placed: Whether the place in the image counts: its references must then be registered.
    """

    trees: Any
    placed: bool

    @classmethod
    def fit(cls, image: Image, label: np.ndarray, classes: int, seed: int = 0, *, placed: bool = True) -> ReverseForest:
        """Learn from one segmentation as if it were true.

        Args:
            image: Its first channel is looked at.
            label: ``(*space,)`` class index on its grid; -1 is left out.
            classes: Background included.
            seed: Of the trees and of the voxels.
            placed: Whether the place counts. Without it an object of the right look in the wrong place is not noticed.
        """
        from sklearn.ensemble import RandomForestClassifier

        rng = np.random.default_rng(seed)
        flat = label.ravel()
        known = np.flatnonzero(flat >= 0)
        # As many of each class as there is room for: a small structure is then learnt as well as a large one.
        rows = [_some(known[flat[known] == index], _MOST // classes, rng) for index in range(classes)]
        chosen = np.concatenate(rows)
        columns = look(image.array[0])
        if placed:
            columns = [*columns, *np.indices(label.shape, dtype=np.float32)]
        features = np.column_stack([each.ravel()[chosen] for each in columns])
        trees = RandomForestClassifier(20, max_depth=8, min_samples_leaf=5, n_jobs=1, random_state=seed)
        # Weighed back to how common each class is, or the forest would find every structure too large.
        share = np.concatenate(
            [np.full(len(each), (flat == at).sum() / max(len(each), 1)) for at, each in enumerate(rows)]
        )
        trees.fit(features, flat[chosen], sample_weight=share)
        return cls(trees, placed)

    def __call__(
        self,
        image: Image,
        laid: Registration | None = None,
        at: np.ndarray | None = None,
        looks: Sequence[np.ndarray] | None = None,
    ) -> np.ndarray:
        """Segment another image.

        Args:
            image: Of the same contrast; values of any scale.
            laid: Where each of its voxels lies in the image learnt from; needed where the place counts.
            at: Flat positions of the voxels to answer for; None for all.
            looks: What `look` says of the image, where the caller has it.

        Returns:
            ``(*space,)`` class index, or ``(voxel,)`` where only some were asked for.
        """
        columns = list(looks if looks is not None else look(image.array[0]))
        if self.placed:
            assert laid is not None  # the caller asked for places
            columns = [*columns, *laid.places]
        features = np.column_stack([each.ravel() if at is None else each.ravel()[at] for each in columns])
        answer: np.ndarray = self.trees.predict(features)
        return answer.reshape(image.shape) if at is None else answer


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False)


def look(array: np.ndarray) -> list[np.ndarray]:
    """How an image looks at each voxel: smoothed at four scales, slope and curvature; free of the scale of values."""
    values = array.astype(np.float32)
    lowest, highest = np.percentile(values, [1, 99])
    values = np.clip((values - lowest) / max(float(highest - lowest), 1e-12), -0.5, 1.5)
    smooth = [ndimage.gaussian_filter(values, sigma) for sigma in _SIGMAS]
    first = ndimage.gaussian_gradient_magnitude(values, _DERIVED_AT)
    second = ndimage.gaussian_laplace(values, _DERIVED_AT)
    return [*smooth, first, second]
