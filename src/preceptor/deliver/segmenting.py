"""A sealed segmentation as a step of another model's preparation, such as a brain mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import BundleError, PrepareError
from preceptor.core.image import Image
from preceptor.prepare.segmenter import Segmenter


def bundle_segmenter(path: Path) -> Segmenter:
    """Open a bundle as what marks its structures in an image.

    Args:
        path: Of a sealed segmentation of one view.

    Returns:
        ``image (channel, *space) -> (*space) bool``: all its structures together, on the image's own grid.

    Raises:
        BundleError: The bundle is damaged, segments nothing, or looks at several views.
        PrepareError: By the segmenter: the bundle refuses the image.
    """
    from .bundle import Bundle
    from .predicting import predict_sample

    bundle = Bundle.open(path)
    if not bundle.question.dense or len(bundle.views) > 1:
        raise BundleError(
            "the model is no segmentation of one view",
            where="prepare",
            expected="a bundle that segments, from a recipe with one view",
            code="no_segmentation",
        )

    def mark(image: Image) -> np.ndarray:
        prediction = predict_sample(bundle, Sample("image", {bundle.views[0]: image}), "cpu")
        if prediction.mask is None or not prediction.accepted:
            raise PrepareError(
                f"the model of a preparation step refuses the image: {'; '.join(prediction.reasons)}",
                expected="an image like those that model learnt from",
                remedy="exclude the case, or name an atlas instead",
                code="segmenter_refused",
            )
        return np.asarray(prediction.mask.array[0] > 0)

    return mark
