"""What a scanner does to an image: contrast, gain, uneven coils, noise, sharpness. Strength 0 does nothing at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scanner:
    """What a site does to every image it makes. Strength 0 leaves an image exactly as it is.

    Args:
        gamma: Exponent on the grey value.
        gain: Factor on the grey value.
        ramp: Relative brightening along the first axis, from one border to the other.
        noise: Standard deviation of what is added to the noise every scan has.
        blur: Weight of the two neighbours along each axis.
    """

    gamma: float = 1.0
    gain: float = 1.0
    ramp: float = 0.0
    noise: float = 0.0
    blur: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> Scanner:
        """Draw a scanner; the same generator with another strength gives the same scanner, more or less so.

        Args:
            rng: The site's own.
            strength: 0 for none, 1 for what differs between vendors, beyond for worse.
        """
        gamma, gain, ramp = rng.uniform(-1, 1, 3)
        noise, blur = rng.uniform(0.3, 1, 2)
        return cls(
            float(np.exp(0.45 * strength * gamma)),
            float(np.exp(0.25 * strength * gain)),
            float(0.5 * strength * ramp),
            float(0.04 * strength * noise),
            float(min(0.3, 0.2 * strength * blur)),
        )

    def scan(self, image: np.ndarray, rng: np.random.Generator, noise: float = 0.02) -> np.ndarray:
        """The image as this scanner shows it.

        Args:
            image: ``(*space)`` grey values in 0..1.
            rng: Of this one scan; it is drawn from in the same way whatever the scanner.
            noise: Standard deviation of the noise that every scan has.

        Returns:
            ``(*space)`` float32, clipped to 0..1.
        """
        grain = rng.normal(0, 1, image.shape)
        if self.blur:
            for axis in range(image.ndim):
                padded = np.pad(image, [(int(axis == a), int(axis == a)) for a in range(image.ndim)], mode="edge")
                sides = np.take(padded, range(image.shape[axis]), axis) + np.take(
                    padded, range(2, image.shape[axis] + 2), axis
                )
                image = (1 - 2 * self.blur) * image + self.blur * sides
        along = np.linspace(-0.5, 0.5, image.shape[0]).reshape(-1, *[1] * (image.ndim - 1))
        shown = self.gain * np.clip(image, 0, None) ** self.gamma * (1 + self.ramp * along)
        return np.clip(shown + math.hypot(noise, self.noise) * grain, 0, 1).astype(np.float32)
