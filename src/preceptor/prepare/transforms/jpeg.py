"""JPEG: what compression with losses leaves behind."""

from __future__ import annotations

import io
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.maths.jpeg import compressed


class Jpeg:
    """Brings the image to 256 levels between its lowest and highest value, compresses it as JPEG does, and brings it back.

    Volumes are compressed slice by slice, in the plane of the first two axes, and every channel and frame by itself, as
    grey. The blocks begin at the patch's first voxel.

    Args:
        lowest, highest: Of the quality, 1 to 100; drawn evenly.
        colour: The three channels of a picture are red, green and blue: compressed together, with colour at half the
            resolution, as cameras do.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` that keeps a constant as it is, or `Nothing`.

    Raises:
        PrepareError: `colour` is asked of what is no picture of three channels.

    Source: ITU-T T.81 (1992), with the quality scale of the Independent JPEG Group; colour by Pillow.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"xray": Image(np.zeros((1, 16, 16)), np.eye(4))})
        >>> Jpeg(lowest=40, highest=40).draw(np.random.default_rng(0), sample).parameters
        {'quality': 40}
    """

    reads_pixels = False
    neutral = {"lowest": 100, "highest": 100}

    def __init__(
        self,
        lowest: Annotated[int, Ge(1), Le(100)] = 40,
        highest: Annotated[int, Ge(1), Le(100)] = 95,
        colour: bool = False,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.lowest = lowest
        self.highest = highest
        self.colour = colour
        self.chance = chance

    @classmethod
    def example(cls) -> Jpeg:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if self.colour and (image.array.ndim != 3 or image.channels != 3):
            raise PrepareError(
                "JPEG in colour is for pictures of three channels",
                where=f"case {sample.key}, augment.jpeg",
                expected="red, green and blue",
                remedy="{jpeg: {colour: false}} compresses each channel by itself",
                code="jpeg_colour",
            )
        chance, place = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        quality = self.lowest + int(place * (self.highest - self.lowest + 1))
        dims = image.space_dims

        def function(image: torch.Tensor) -> torch.Tensor:
            low, high = (float(each) for each in image.aminmax())
            if high <= low:
                return image
            levels = image.sub_(low).mul_(255 / (high - low))
            levels = _in_colour(levels, quality) if self.colour else _in_grey(levels, quality, dims)
            return levels.mul_((high - low) / 255).add_(low)

        return Intensity(function, parameters={"quality": quality})


def _in_grey(levels: torch.Tensor, quality: int, dims: int) -> torch.Tensor:
    # A picture's rows run along y: (x, y[, z]) becomes ([z,] y, x).
    turned = levels.movedim(tuple(range(-dims, 0)), tuple(range(-1, -dims - 1, -1)))
    planes = compressed(turned.reshape(-1, *turned.shape[-2:]), quality).reshape(turned.shape)
    return planes.movedim(tuple(range(-1, -dims - 1, -1)), tuple(range(-dims, 0))).contiguous()


def _in_colour(levels: torch.Tensor, quality: int) -> torch.Tensor:
    from PIL import Image

    kept = io.BytesIO()
    rows = levels.round().to(torch.uint8).permute(2, 1, 0).contiguous().numpy()
    Image.fromarray(rows, "RGB").save(kept, "JPEG", quality=quality, subsampling=2)
    with Image.open(kept) as picture:
        return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 1, 0).contiguous()
