"""Low dose: the noise of a CT scan made with fewer photons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.one_thread import one_thread


class LowDose:
    """Adds to a CT image the noise that it would have had at a share of its dose.

    The number of photons is in proportion to the dose and Poisson distributed, so the variance of a measured attenuation
    is as 1 / dose, and so is that of the image, which filtered back-projection makes of them linearly. A scan with the
    standard deviation `noise_hu` therefore gets ``noise_hu * sqrt(1 / dose - 1)`` more. In each slice (the plane of the
    first two axes) it is correlated as back-projection leaves it: the noise power rises with the frequency, as the ramp
    filter does, and falls with the sharpness of the reconstruction.

    It is an approximation in the image: there are no rays, so noise is as strong at the rim of the body as in its middle and
    draws no streaks between the shoulders; neither electronic noise nor what iterative or learnt reconstructions do to
    noise is in it.

    Args:
        lowest: Lowest share of the dose; drawn between it and 1 so that halving is as likely everywhere.
        noise_hu: Standard deviation of the scan's own noise in soft tissue, in Hounsfield units.
        hu_per_unit: Hounsfield units in one unit of the prepared image: 1 where it still holds them, the window's width
            after `window`.
        sharpness_mm: Full width at half maximum of the reconstruction's point spread, in millimetres.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity`, or `Nothing`.

    Source: Riederer 1978, "The noise power spectrum in computed x-ray tomography", Phys Med Biol 23:446 (the ramp); Zeng
        2015, "A simple low-dose x-ray CT simulation from high-dose scan", IEEE Trans Nucl Sci 62:2226 (what is added to
        a scan that has noise already).

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"ct": Image(np.zeros((1, 16, 16, 4)), np.eye(4))})
        >>> sorted(LowDose(lowest=0.1).draw(np.random.default_rng(0), sample).parameters)
        ['added_noise_hu', 'dose']
    """

    reads_pixels = False
    neutral = {"lowest": 1.0}

    def __init__(
        self,
        lowest: Annotated[float, Gt(0), Le(1)] = 0.25,
        noise_hu: Annotated[float, Ge(0)] = 12.0,
        hu_per_unit: Annotated[float, Gt(0)] = 1.0,
        sharpness_mm: Annotated[float, Gt(0)] = 1.2,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.noise_hu = noise_hu
        self.hu_per_unit = hu_per_unit
        self.sharpness_mm = sharpness_mm
        self.chance = chance

    @classmethod
    def example(cls) -> LowDose:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        dose = math.exp(float(place) * math.log(self.lowest))
        added_hu = self.noise_hu * math.sqrt(1 / dose - 1)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        dims, plane = sample.reference.space_dims, sample.reference.shape[:2]
        response = _response(plane, sample.reference.spacing_mm[:2], self.sharpness_mm)
        response = response.reshape(*response.shape, *[1] * (dims - 2))

        def function(image: torch.Tensor) -> torch.Tensor:
            noise = torch.empty_like(image).normal_(generator=generator)
            with one_thread():
                spectrum = torch.fft.rfft2(noise, dim=(-dims + 1, -dims)).mul_(response)
                noise = torch.fft.irfft2(spectrum, s=plane[::-1], dim=(-dims + 1, -dims))
            return image.add_(noise, alpha=added_hu / self.hu_per_unit)

        return Intensity(function, parameters={"dose": dose, "added_noise_hu": added_hu})


@lru_cache(maxsize=16)
def _response(plane: Sequence[int], spacing_mm: Sequence[float], sharpness_mm: float) -> torch.Tensor:
    """``(x // 2 + 1, y)``: the amplitude of the noise at each frequency of a slice; white noise keeps its variance."""
    x, y = (np.fft.fftfreq(size, spacing) for size, spacing in zip(plane, spacing_mm, strict=True))
    frequency = np.hypot(x[:, None], y)  # cycles a millimetre
    sigma_mm = sharpness_mm / math.sqrt(8 * math.log(2))
    amplitude = np.sqrt(frequency) * np.exp(-2 * (np.pi * sigma_mm * frequency) ** 2)
    power = np.mean(amplitude**2)
    if power > 0:
        amplitude /= np.sqrt(power)
    return torch.from_numpy(amplitude[: plane[0] // 2 + 1].astype(np.float32))
