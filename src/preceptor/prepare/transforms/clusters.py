"""Clusters: the image divided by grey value alone, as a further label map."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

#: The darkest and the brightest share of the voxels, of which a few would otherwise be a cluster of their own.
_TAIL = 0.1
_BINS = 64


class Clusters:
    """Adds a mask of the clusters that an image's grey values fall into, numbered from 1, the darkest, upwards.

    The thresholds are those of k-means in one dimension, found exactly: Otsu's for several levels. A segmentation that
    is trained on drawn images needs its background divided so: where only the structures asked for are labelled, it
    would learn "a blob in noise" (see `image_from_labels`).

    It looks at the first channel of the first view. An image of fewer grey values than clusters gets one for each value.

    Args:
        number: How many clusters.
        name: Of the mask.

    Shapes: ``(channel, *space)`` of any unit.

    Returns:
        From `draw`: a `Derived` with one mask of 1 to `number`; 0 is left for what lies outside an image.

    Raises:
        PrepareError: The image is a sequence over time, or holds values that are not finite.

    Source: Billot 2023, "SynthSeg" (arXiv:2107.09559), section 4.2 (background labels by clustering); Liao 2001, "A
        fast algorithm for multilevel thresholding", Journal of Information Science and Engineering 17:713.

    Example:
        >>> halves = Image(np.array([[[1.0, 1, 2], [9, 9, 8]]]), np.eye(4))
        >>> Clusters(2).draw(None, Sample("a", {"t1": halves})).masks["structures"].array.tolist()
        [[[1, 1, 1], [2, 2, 2]]]
    """

    def __init__(self, number: Annotated[int, Ge(2), Le(5)] = 4, name: str = "structures") -> None:
        self.number = number
        self.name = name

    @classmethod
    def example(cls) -> Clusters:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if image.has_time or not np.isfinite(image.array[0]).all():
            raise PrepareError(
                "grey values can't be clustered: " + ("the image has a time axis" if image.has_time else "NaN in it"),
                where="prepare.clusters",
                expected="one finite picture or volume",
                code="not_clustered",
            )
        grey = np.asarray(image.array[0], dtype=np.float32)
        thresholds = self._thresholds(np.clip(grey, *np.percentile(grey, (_TAIL, 100 - _TAIL))))
        found = (np.digitize(grey, thresholds) + 1).astype(np.uint8)
        mask = Image(found[None], image.affine_mm, is_label=True, meta=_facts(image))
        return Derived(masks={self.name: mask}, parameters={"thresholds": thresholds.tolist()})

    def _thresholds(self, grey: np.ndarray) -> np.ndarray:
        from skimage.filters import threshold_multiotsu

        counts, edges = np.histogram(grey, _BINS)
        middles = (edges[1:] + edges[:-1]) / 2
        present = middles[counts > 0]
        if len(present) <= self.number:  # nothing to choose: a border between each value and the next
            return (present[1:] + present[:-1]) / 2
        # Values of a bin are those from its lower edge on: the border is the upper edge of the bin that is named.
        chosen = threshold_multiotsu(classes=self.number, hist=(counts, middles))
        return edges[np.searchsorted(middles, chosen) + 1]


def _facts(image: Image) -> dict[str, str]:
    return {key: image.meta[key] for key in ("geometry",) if key in image.meta}
