"""Images drawn from label maps: every structure gets a mean and a spread of its own, and nothing is taken from a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Appearance(NamedTuple):
    """What each structure looks like.

    Args:
        mean: ``(structure,)`` float32.
        deviation: ``(structure,)`` float32, of the grey values within a structure.
    """

    mean: np.ndarray
    deviation: np.ndarray


def structures_of(labels: Tensor, background: Tensor | None) -> tuple[Tensor, int]:
    """One number for what lies at each voxel: a label where there is one, else a part of the background.

    Args:
        labels: Integers of any shape; 0 is the background, and what is negative is unlabelled and counts as such.
        background: Integers from 0 of the same shape that divide the background, or None for one that is all alike.

    Returns:
        int64 of the same shape, and how many numbers the background takes: label 1 has that number, label 2 the next.
    """
    parts = torch.zeros_like(labels, dtype=torch.long) if background is None else background.long()
    first = int(parts.max()) + 1 if parts.numel() else 1
    return torch.where(labels > 0, labels.long() + (first - 1), parts), first


def draw_appearance(
    rng: np.random.Generator,
    structures: int,
    mean: tuple[float, float],
    deviation: tuple[float, float],
    alike: Sequence[Sequence[int]] = (),
    apart: float = 0.0,
) -> Appearance:
    """Draw what each structure looks like, evenly between two ends.

    Args:
        rng: Draws all means first, then all deviations, then what sets apart those that are alike.
        structures: How many.
        mean: Lowest and highest mean.
        deviation: Least and largest standard deviation.
        alike: Groups of structures that share one draw.
        apart: The means of such a group lie no further than this from the one they share.

    Source: Billot 2023 (arXiv:2107.09559), section 3.1, equations 3 and 4: the mixture's parameters.
    """
    means = rng.uniform(*mean, structures)
    deviations = rng.uniform(*deviation, structures)
    for group in alike:
        means[list(group)] = means[group[0]] + rng.uniform(-apart, apart, len(group))
        deviations[list(group)] = deviations[group[0]]
    return Appearance(means.astype(np.float32), deviations.astype(np.float32))


def hide(
    rng: np.random.Generator,
    appearance: Appearance,
    groups: Sequence[Sequence[int]],
    among: Sequence[int],
    chance: float,
    apart: float = 0.0,
) -> Appearance:
    """Let groups of structures look like another structure, each with some chance: only their shape is left to see.

    Args:
        rng: Draws for each group whether, like which, and how far its means lie from that.
        appearance: Of each structure.
        groups: Of structures; one that is hidden looks like a single other.
        among: Structures to look like; where there are none, nothing is hidden.
        chance: 0 to 1.
        apart: The group's means lie no further than this from the other structure's.

    Source: own; in Billot 2023 (arXiv:2107.09559), section 4.2, tissues of one kind share a draw by being named.
    """
    means, deviations = (each.copy() for each in appearance)
    for group in groups if len(among) else ():
        if rng.random() < chance:
            other = among[int(rng.integers(len(among)))]
            means[list(group)] = means[other] + rng.uniform(-apart, apart, len(group))
            deviations[list(group)] = deviations[other]
    return Appearance(means, deviations)


def painted(structures: Tensor, appearance: Appearance, rng: np.random.Generator) -> Tensor:
    """Draw every voxel from the normal distribution of its structure.

    Args:
        structures: Integers of any shape, numbers into `appearance`.
        appearance: Of each structure.
        rng: Draws one standard normal number a voxel.

    Returns:
        float32 of the same shape.

    Source: Billot 2023 (arXiv:2107.09559), equation 5.
    """
    flat = structures.reshape(-1)
    grain = torch.from_numpy(rng.standard_normal(flat.numel(), dtype=np.float32))
    deviation = torch.from_numpy(appearance.deviation).index_select(0, flat)
    mean = torch.from_numpy(appearance.mean).index_select(0, flat)
    return mean.addcmul_(deviation, grain).view(structures.shape)
