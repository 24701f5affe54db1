"""Images whose values lie on evenly spaced levels, kept in 16 bits: half the disk, and nothing lost but float32's own rounding.

A scanner gives whole numbers. Scaling, shifting and clipping them (z-score, window, range) leaves them on evenly spaced levels;
resampling and smoothing do not. Blocks compressed by LZ4 take half of that again, but taking them apart is ten times as slow as
copying (`docs/results/speed_input.md`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_MOST = 2**16 - 1
#: Values that the spacing is told from.
_SOME = 2**18
#: What float32 itself rounds off, as a share of the largest value.
_ROUNDING = 5e-7


class Levels:
    """An array of evenly spaced levels; what is looked at becomes float32.

    Args:
        codes: ``(channel, *space)`` int16; memory-mapped, it is read as far as it is looked at.
        middle: The value of code 0.
        step: From one level to the next.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, codes: np.ndarray, middle: float, step: float) -> None:
        self.codes, self.middle, self.step = codes, middle, step

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def ndim(self) -> int:
        return self.codes.ndim

    def __len__(self) -> int:
        return len(self.codes)

    def reshape(self, *shape: int) -> Levels:
        return Levels(self.codes.reshape(*shape), self.middle, self.step)

    def into(self, box: Any, out: np.ndarray) -> None:
        """Write a part of it to where it shall lie, float32."""
        np.multiply(self.codes[box], np.float32(self.step), out=out, dtype=np.float32, casting="unsafe")
        out += np.float32(self.middle)

    def __getitem__(self, box: Any) -> np.ndarray:
        out = np.empty(self.codes[box].shape, np.float32)
        self.into(box, out)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[...].astype(dtype or np.float32, copy=False)


def as_levels(array: np.ndarray) -> Levels | None:
    """The array in 16 bits, or None where its values do not lie on 65,536 evenly spaced levels or fewer.

    Args:
        array: Any; only float32 can be brought down.
    """
    if array.dtype != np.float32 or not array.size:
        return None
    low, high = float(array.min()), float(array.max())
    if not math.isfinite(high - low):
        return None
    number = _number_of_steps(array, low, high)
    if number > _MOST:
        return None
    step = (high - low) / number if number else 0.0
    shift = (number + 1) // 2
    codes = np.empty(array.shape, np.int16)
    levels = Levels(codes, low + shift * step, step)
    for slab, to in zip(
        array, codes, strict=True
    ):  # a channel at a time, and a slice of it, so that memory stays small
        for part, into in zip(slab, to, strict=True):
            into[...] = np.rint((part.astype(np.float64) - low) / (step or 1)) - shift
    worst = max(
        float(np.abs(levels[n, m] - array[n, m]).max()) for n in range(len(array)) for m in range(len(array[n]))
    )
    return levels if worst <= _ROUNDING * max(abs(low), abs(high)) else None


def _number_of_steps(array: np.ndarray, low: float, high: float) -> int:
    """From the lowest value to the highest, if all lie on evenly spaced levels; from some of the values."""
    flat = array.reshape(-1)
    chosen = flat if flat.size <= _SOME else flat[np.random.default_rng(0).integers(flat.size, size=_SOME)]
    above = np.unique(chosen).astype(np.float64) - low
    if len(above) < 2 or high <= low:
        return 0
    gap = float(np.diff(above).min())
    # A gap between neighbours is known to a few digits only; over twice the distance, to twice as many steps.
    for distance in (2.0**power * gap for power in range(1, 17)):
        reached = above[min(int(np.searchsorted(above, distance)), len(above) - 1)]
        gap = reached / max(round(reached / gap), 1)
    return round((high - low) / gap)
