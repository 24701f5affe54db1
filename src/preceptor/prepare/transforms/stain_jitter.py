"""Stain jitter: a section stained more or less strongly with each dye."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.one_thread import one_thread

#: Optical densities in red, green and blue of haematoxylin, eosin and DAB, unit vectors in rows once scaled.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


class StainJitter:
    """Varies how much haematoxylin, eosin and DAB a stained section holds, each by itself.

    By Beer and Lambert's law the logarithm of the light that a section lets through is a sum over its dyes. Each dye's amount
    is multiplied by a factor in ``1 - sigma .. 1 + sigma``, then shifted by a number in ``-sigma .. sigma``, as in the
    source. All of it is one product of three by three in the optical density.

    Args:
        sigma: Largest change of each dye: 0.05 is a light variation, 0.2 a strong one (Tellez 2019).
        white: The value in the prepared image of light that passed through no tissue: 255 for pictures as stored, 1
            after `range`. The prepared image must hold light, in proportion: not after `zscore`.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` on ``(3, x, y)``, values in 0..`white`; or `Nothing`.

    Raises:
        PrepareError: The image has not three channels.

    Source: Tellez 2018, "Whole-slide mitosis detection in H&E breast histology using PHH3 as a reference", IEEE TMI
        37:2126; Tellez 2019, Med Image Anal 58:101544, for the strengths; Ruifrok & Johnston 2001 for the dyes.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"slide": Image(np.zeros((3, 8, 8)), np.eye(4))})
        >>> sorted(StainJitter().draw(np.random.default_rng(0), sample).parameters)
        ['factors', 'shifts']
    """

    reads_pixels = False
    neutral = {"sigma": 0.0}

    def __init__(
        self,
        sigma: Annotated[float, Ge(0), Le(1)] = 0.05,
        white: Annotated[float, Gt(0)] = 255.0,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.sigma = sigma
        self.white = white
        self.chance = chance

    @classmethod
    def example(cls) -> StainJitter:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if sample.reference.channels != 3:
            raise PrepareError(
                f"stains are read from red, green and blue, and the image has {sample.reference.channels} channels",
                where=f"case {sample.key}, augment.stain_jitter",
                expected="three channels",
                code="stain_channels",
            )
        if rng.random() >= self.chance:
            return Nothing()
        factors, shifts = 1 + rng.uniform(-self.sigma, self.sigma, 3), rng.uniform(-self.sigma, self.sigma, 3)
        stains = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
        # density @ inverse is the amount of each dye; amount @ stains is the density again.
        mixing = torch.from_numpy((np.linalg.inv(stains) * factors @ stains).T.astype(np.float32))
        shift = torch.from_numpy((shifts @ stains).astype(np.float32))[:, None]

        def function(image: torch.Tensor) -> torch.Tensor:
            # The darkest that is told from black is 1 of 255.
            density = image.mul_(1 / self.white).clamp_(min=1 / 255).log_().view(3, -1)
            with one_thread():
                moved = torch.addmm(-shift, mixing, density)
            return moved.exp_().mul_(self.white).clamp_(max=self.white).view(image.shape)

        return Intensity(function, parameters={"factors": factors.tolist(), "shifts": shifts.tolist()})
