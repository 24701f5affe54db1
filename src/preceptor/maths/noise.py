"""Random numbers that are the same on every device."""

from __future__ import annotations

import torch
from torch import Tensor


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers, one an element, on a tensor's device.

    They are drawn on the CPU: generators of other devices give other numbers from the same seed.

    Args:
        like: Gives shape, type and device.
        generator: Of the CPU.
    """
    return torch.empty(like.shape, dtype=like.dtype).normal_(generator=generator).to(like.device)
