"""Test-time augmentation: the image is answered slightly moved, brightened and noisier too, and the answers averaged."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt

from preceptor.core.evidence import Question
from preceptor.core.plugins import Pass, Prediction


class TestTimeAugmentation:
    """Averages the answer over small changes of the image that should not matter; `mirrored` does so over mirror images.

    Each pass moves the image by whole voxels, raises its grey values to a power near one, and adds noise; dense answers
    are moved back. How far the passes disagree enters ``epistemic`` in the prediction's `parts`, the entropy that they
    share ``aleatoric`` (not for dense answers, whose passes are not kept). The changes are drawn once, the same for
    every case, and the noise by the pass and the window: a prediction can be repeated.

    It costs one forward pass for each sample. Take changes that the training showed too: a network that never saw noise
    is not made better by it.

    Args:
        samples: Passes, beside the plain one.
        shift: Voxels at most along each axis of space.
        noise: Deviation, as a share of the image's own.
        gamma: Largest logarithm of the power: 0.2 takes powers from 0.82 to 1.22.
        seed: Of the changes.

    Source: Wang 2019 (doi 10.1016/j.neucom.2019.01.103); Ayhan & Berens 2018 (MIDL).

    Example:
        >>> len(TestTimeAugmentation(samples=5).passes())
        5
    """

    __test__ = False  # a name for pytest to leave alone

    def __init__(
        self,
        samples: Annotated[int, Ge(2)] = 8,
        shift: Annotated[int, Ge(0)] = 2,
        noise: Annotated[float, Ge(0), Lt(1)] = 0.05,
        gamma: Annotated[float, Ge(0), Le(1)] = 0.2,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.samples = samples
        self.shift = shift
        self.noise = noise
        self.gamma = gamma
        self.seed = seed

    @classmethod
    def example(cls) -> TestTimeAugmentation:
        return cls(samples=2)

    def suits(self, question: Question) -> bool:
        return True

    def passes(self) -> list[Pass]:
        rng = np.random.default_rng(self.seed)
        made = []
        for index in range(self.samples):
            shift = rng.integers(-self.shift, self.shift + 1, 3)
            gamma = float(np.exp(rng.uniform(-self.gamma, self.gamma)))
            made.append(Pass(index=index, shift=tuple(map(int, shift)), noise=self.noise, gamma=gamma))
        return made

    def __call__(self, prediction: Prediction) -> Prediction:
        return prediction
