"""Screen photograph: a picture as a telephone takes it from a screen."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le, Lt

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.axis_operators import blur


class ScreenPhotograph:
    """Gives a picture the light of a photograph of a screen: glare, moiré, another tone and white, blur, dimness and noise.

    In the order in which light meets them: the tone of screen and camera (a power), a round glare, the moiré of two grids
    of pixels (a wave), the white balance (pictures of three channels alone), the room's light that dims and veils, the
    lens's blur, the sensor's noise, and the ends of its scale. All shares are of the range between the patch's lowest and
    highest value, which stays.

    What moves pixels is not in it: put `perspective` (or `affine`) before it, and `jpeg` behind.

    Args:
        glare: Largest brightness of the glare; its middle is anywhere, its standard deviation 0.1 to 0.3 of the sides.
        moire: Amplitude of the wave.
        gamma: Largest logarithm of the power; drawn evenly from plus to minus.
        white_balance: Largest logarithm of each colour's factor; drawn evenly from plus to minus.
        dim: Largest share of the light that is lost.
        veil: Largest brightness that is added everywhere.
        blur_px: Standard deviation of the blur, in pixels.
        noise: Standard deviation of the noise.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` on ``(channel, x, y)``, or `Nothing`.

    Raises:
        PrepareError: The image is a volume.

    Source: Phillips 2020, "CheXphoto" (arXiv:2007.06199) (which changes photographs of chest X-rays show); Kuo
        2021, npj Digital Medicine 4:25 (what they do to a model).

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"xray": Image(np.zeros((1, 32, 32)), np.eye(4))})
        >>> applied = ScreenPhotograph().draw(np.random.default_rng(0), sample)
        >>> applied.function(torch.rand(1, 32, 32)).shape
        torch.Size([1, 32, 32])
    """

    reads_pixels = False
    neutral = dict.fromkeys(("glare", "moire", "gamma", "white_balance", "dim", "veil", "blur_px", "noise"), 0.0)

    def __init__(
        self,
        glare: Annotated[float, Ge(0)] = 0.5,
        moire: Annotated[float, Ge(0)] = 0.06,
        gamma: Annotated[float, Ge(0)] = 0.5,
        white_balance: Annotated[float, Ge(0)] = 0.1,
        dim: Annotated[float, Ge(0), Lt(1)] = 0.3,
        veil: Annotated[float, Ge(0)] = 0.15,
        blur_px: Annotated[float, Ge(0)] = 0.8,
        noise: Annotated[float, Ge(0)] = 0.02,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.glare = glare
        self.moire = moire
        self.gamma = gamma
        self.white_balance = white_balance
        self.dim = dim
        self.veil = veil
        self.blur_px = blur_px
        self.noise = noise
        self.chance = chance

    @classmethod
    def example(cls) -> ScreenPhotograph:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if image.space_dims != 2:
            raise PrepareError(
                "a volume can't be photographed from a screen",
                where=f"case {sample.key}, augment.screen_photograph",
                expected="a picture",
                code="photograph_volume",
            )
        if rng.random() >= self.chance:
            return Nothing()
        gamma = math.exp(rng.uniform(-self.gamma, self.gamma))
        glare, width, middle = rng.uniform(0, self.glare), rng.uniform(0.1, 0.3), rng.uniform(0, 1, 2)
        # A moiré has 15 to 40 waves over the side, but no more than pixels can show.
        waves = min(rng.uniform(15, 40), max(image.shape) / 3)
        angle, phase = rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi)
        white = np.exp(rng.uniform(-self.white_balance, self.white_balance, 3))
        left, veil = 1 - rng.uniform(0, self.dim), rng.uniform(0, self.veil)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        x, y = (torch.arange(size, dtype=torch.float32) / size for size in image.shape)
        # The glare is a product of two lines, and so costs no exponential for each pixel.
        across, down = (
            torch.exp((line - float(place)) ** 2 * (-0.5 / width**2))
            for line, place in zip((x, y), middle, strict=True)
        )
        turn = 2 * math.pi * waves
        wave = torch.sin((x * (turn * math.cos(angle)) + phase)[:, None] + y * (turn * math.sin(angle)))
        light = wave.mul_(self.moire).addr_(across, down, alpha=glare)
        colours = torch.from_numpy(white.astype(np.float32)) * left

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            if high <= low:
                return image
            seen = image.sub_(low).mul_(1 / (high - low)).pow_(gamma).add_(light)
            seen.mul_(colours.view(3, *[1] * (seen.ndim - 1)) if len(seen) == 3 else left).add_(veil)
            seen = blur(seen, (self.blur_px, self.blur_px))
            seen.add_(torch.empty_like(seen).normal_(generator=generator), alpha=self.noise)
            return seen.clamp_(0, 1).mul_(high - low).add_(low)

        parameters = {
            "gamma": gamma,
            "glare": float(glare),
            "glare_place": middle.tolist(),
            "waves": float(waves),
            "white_balance": white.tolist() if image.channels == 3 else [1.0],
            "dim": 1 - left,
            "veil": float(veil),
        }
        return Intensity(function, parameters=parameters)
