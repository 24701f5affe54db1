"""What tests of augmentations start from: a case of any shape and voxel, and a transform drawn and applied to it."""

from __future__ import annotations

import numpy as np
import torch

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.image import Image


def case(shape=(24, 20, 16), spacing_mm=(1.0, 1.0, 1.5), channels=1, values=None) -> Sample:
    """A case whose image is drawn at random, above zero, unless `values` says what it holds."""
    array = np.random.default_rng(3).uniform(1, 5, (channels, *shape)) if values is None else values
    affine = np.diag([*spacing_mm[: len(shape)], *[1.0] * (4 - len(shape))])
    return Sample("a", {"image": Image(np.ascontiguousarray(array, dtype=np.float32), affine)})


def varied(transform, sample: Sample, seed: int = 0) -> tuple[torch.Tensor, Applied]:
    """The image as a transform leaves it, in double precision, and what was drawn."""
    applied = transform.draw(np.random.default_rng(seed), sample)
    assert isinstance(applied, Intensity)
    before = torch.from_numpy(sample.reference.array.copy())
    after = applied.function(before)
    assert after.dtype == torch.float32 and after.shape == sample.reference.array.shape
    return after.double(), applied
