"""Reinhard: sections in the average colours of a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, Literal

import numpy as np
import torch

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.intake.slides.tissue import tissue
from preceptor.maths.stain import from_ruderman, ruderman
from preceptor.prepare.stained import colours, first_of

_STEP = "reinhard"


class Reinhard:
    """Gives each channel of a colour space the reference's mean and deviation: the training cases' average ones.

    It equalises by construction, also sections whose tissue differs: a small spread afterwards is no merit by itself.
    The reference is fitted once and stored.

    Args:
        space: ``cielab`` (CIE 1976, D65), or ``ruderman``, the logarithmic one that the paper uses. They are different
            spaces, though both are called "lab".
        over: Pixels that mean and deviation are taken from, and which are changed: ``all``, or ``tissue`` (Otsu's
            threshold on the grey value), where sections fill their picture unequally.

    Shapes: ``(3, x, y)`` red, green, blue in 0..255, as read.

    Returns:
        From `draw`: an `Intensity` on the same scale.

    Raises:
        PrepareError: The image is not in colour in 0..255, or no tissue was found in it.

    Source: Reinhard et al. 2001, "Color transfer between images", IEEE Computer Graphics and Applications 21(5).

    Example:
        >>> Reinhard().space
        'cielab'
    """

    def __init__(self, space: Literal["cielab", "ruderman"] = "cielab", over: Literal["all", "tissue"] = "all") -> None:
        self.space = space
        self.over = over
        self._reference: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def example(cls) -> Reinhard:
        return cls()

    def fit(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """The mean of the training cases' means, and of their deviations."""
        moments = np.array([self._moments(first_of(sample, _STEP)) for sample in samples])
        return {"mean": moments[:, 0].mean(0), "deviation": moments[:, 1].mean(0)}

    def with_state(self, state: Mapping[str, Any]) -> Reinhard:
        fitted = copy(self)
        fitted._reference = np.asarray(state["mean"]), np.asarray(state["deviation"])
        return fitted

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if self._reference is None:
            return Nothing()
        for image in sample.images.values():
            colours(image, _STEP)
        mean, deviation = self._reference

        def function(image: torch.Tensor) -> torch.Tensor:
            picture = np.moveaxis(image.numpy(), 0, -1)
            lab, inside = self._lab(picture), self._inside(picture)
            own = lab[inside]
            centred = (own - own.mean(0)) / np.maximum(own.std(0), 1e-6)
            lab[inside] = centred * deviation + mean
            shown = np.where(inside[..., None], self._rgb(lab) * 255, picture)
            return torch.from_numpy(np.ascontiguousarray(np.moveaxis(shown, -1, 0), dtype=np.float32))

        return Intensity(function)

    def _moments(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = self._lab(picture)[self._inside(picture)]
        return own.mean(0), own.std(0)

    def _inside(self, picture: np.ndarray) -> np.ndarray:
        if self.over == "all":
            return np.ones(picture.shape[:2], dtype=bool)
        found = tissue(picture).mask
        if not found.any():
            raise PrepareError(
                "no tissue was found in the section",
                where="prepare.reinhard",
                expected="tissue that is darker than the glass around it",
                remedy="exclude the picture, or take all pixels: {reinhard: {over: all}}",
                code="no_tissue",
            )
        return found

    def _lab(self, picture: np.ndarray) -> np.ndarray:
        from skimage.color import rgb2lab

        rgb = np.asarray(picture, dtype=float) / 255
        return ruderman(rgb) if self.space == "ruderman" else np.asarray(rgb2lab(rgb))

    def _rgb(self, lab: np.ndarray) -> np.ndarray:
        import warnings

        from skimage.color import lab2rgb

        if self.space == "ruderman":
            return from_ruderman(lab)
        with warnings.catch_warnings():  # colours that no screen shows are clipped
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(lab2rgb(lab))
