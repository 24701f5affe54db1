"""Mirrored passes: the image is answered in its mirror too, and the answers averaged."""

from __future__ import annotations

import itertools
from typing import Annotated

from annotated_types import Ge, Le

from preceptor.core.plugins import Pass, Prediction


class Mirrored:
    """Averages the answer over mirror images (test-time augmentation), each mirrored back before.

    Costs one more forward pass for every combination of the axes. Not for questions that know left from right, unless
    the network was trained on mirrored images.

    Args:
        axes: Of space, 0 being x (left-right once the image is oriented to RAS). None takes [0].

    Source: Krizhevsky 2012 (section 4.1); Simonyan 2015 (arXiv:1409.1556, section 3.2); Isensee 2021 (nnU-Net).

    Example:
        >>> [each.flip for each in Mirrored(axes=[0, 1]).passes()]
        [(0,), (1,), (0, 1)]
    """

    def __init__(self, axes: list[Annotated[int, Ge(0), Le(2)]] | None = None) -> None:
        self.axes = axes

    @classmethod
    def example(cls) -> Mirrored:
        return cls()

    def passes(self) -> list[Pass]:
        axes = sorted({0} if self.axes is None else set(self.axes))
        return [Pass(flip=flip) for size in range(1, len(axes) + 1) for flip in itertools.combinations(axes, size)]

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction
