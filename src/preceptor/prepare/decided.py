"""What an example is told, and what the dice then say of it: the same in every process."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from preceptor.core.applied import Intensity, Spatial

from .prepared import Grid, PreparedCase


def generator(*key: int) -> np.random.Generator:
    """The dice of one draw. The key is all there is to it: the same numbers give the same throws everywhere."""
    return np.random.default_rng(np.random.SeedSequence(list(key)))


def number_of(key: str) -> int:
    """A case's number in the dice's key: the same in every cohort, whatever the order."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


class Told(NamedTuple):
    """What a batch is told of one of its examples.

    Args:
        seed, epoch, draw: With the case, the key of its dice.
        case: Position in the index's keys.
        row: Of the index, or -1 where the dice choose among the case's rows.
        place: Numbers in [0, 1) that say which row it is, and where a patch lies: one, and one an axis.
    """

    seed: int
    epoch: int
    case: int
    draw: int
    row: int = -1
    place: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)


class Part(NamedTuple):
    """What the dice say of one grid of an example.

    Args:
        grid: Its views and masks.
        shape: Of the patch.
        first: Its first voxel.
        spatial: From patch voxel to unvaried patch voxel; None for the patch as it is.
        intensities: What is done to the pixels' values, in order.
    """

    grid: Grid
    shape: tuple[int, ...]
    first: tuple[int, ...]
    spatial: Spatial | None
    intensities: list[Intensity]


class Decided(NamedTuple):
    """What the dice say of an example.

    Args:
        row: Of the index.
        rng: The dice, as the draws left them; None where nothing is drawn.
        prepared: The case.
        parts: Its grids.
    """

    row: int
    rng: np.random.Generator | None
    prepared: PreparedCase
    parts: list[Part]
