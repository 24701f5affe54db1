"""What JPEG does to grey values: blocks of eight by eight, a cosine transform, and steps that grow with the frequency.

What JPEG does after that loses nothing, so this is all of it that an image shows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .one_thread import one_thread

#: Step of each coefficient at quality 50, rows being vertical frequencies (ITU T.81, table K.1).
_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def steps(quality: int) -> np.ndarray:
    """``(8, 8)`` steps that coefficients are rounded to, rows being vertical frequencies.

    Args:
        quality: 1 to 100, on the scale of the Independent JPEG Group.
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled: np.ndarray = np.clip((_STEPS * percent + 50) // 100, 1, 255)
    return scaled


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """``(64, 64)`` orthonormal cosine transform of a block whose rows were laid one after the other."""
    place, wave = np.meshgrid(np.arange(8), np.arange(8))
    line = np.cos((2 * place + 1) * wave * np.pi / 16) / 2
    line[0] /= np.sqrt(2)
    return torch.from_numpy(np.kron(line, line).astype(np.float32))


def compressed(planes: Tensor, quality: int) -> Tensor:
    """Grey pictures after JPEG.

    Args:
        planes: ``(plane, row, column)`` float32 in 0..255.
        quality: 1 to 100.

    Returns:
        The same shape, whole numbers in 0..255. Edges that do not fill a block are repeated to fill it.

    Source: ITU-T T.81 (1992), "Digital compression and coding of continuous-tone still images", annex A and table K.1.
    """
    count, rows, columns = planes.shape
    grey = planes.round()
    if rows % 8 or columns % 8:
        grey = torch.nn.functional.pad(grey, (0, -columns % 8, 0, -rows % 8), mode="replicate")
    down, across = grey.shape[1] // 8, grey.shape[2] // 8
    blocks = grey.view(count, down, 8, across, 8).transpose(2, 3).reshape(-1, 64).sub_(128)
    step = torch.from_numpy(steps(quality).astype(np.float32)).view(64)
    with one_thread():
        waves = torch.matmul(blocks, _cosines().T).div_(step)
    waves = waves.add_(waves.sign(), alpha=0.5).trunc_().mul_(step)  # halves away from zero, as libraries round
    with one_thread():
        back = torch.matmul(waves, _cosines(), out=blocks)
    back = back.add_(128).round_().clamp_(0, 255).view(count, down, across, 8, 8).transpose(2, 3).reshape(grey.shape)
    return back[:, :rows, :columns]
