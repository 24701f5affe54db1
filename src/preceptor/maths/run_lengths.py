"""Masks as run lengths: plain counts, and the text that COCO packs them into.

Counts run over the array's own order, zeros first. For ``(x, y)`` that is down one column of the picture after the other,
as COCO has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BITS = 5
_MORE, _SIGN, _VALUE = 0x20, 0x10, 0x1F
_FIRST_LETTER = 48


def run_lengths(mask: np.ndarray) -> list[int]:
    """How many zeros, then ones, then zeros … follow one another.

    Args:
        mask: ``(x, y)`` or ``(x, y, z)``; what is not 0 counts as 1.

    Returns:
        Counts that add up to the mask's size; the first is 0 where the mask begins with a one.

    Source: COCO API, `maskApi.c`, `rleEncode` (column by column of the picture).
    """
    flat = np.asarray(mask).ravel() != 0
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist() if flat.size else []
    return [0, *counts] if flat.size and flat[0] else counts


def from_run_lengths(counts: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """The mask ``(x, y[, z])`` bool of these counts.

    Raises:
        ValueError: A count is negative, or they do not add up to the shape's size.
    """
    lengths = np.asarray(counts, dtype=np.int64)
    size = int(np.prod(shape, dtype=np.int64))
    if lengths.ndim != 1 or (lengths < 0).any() or int(lengths.sum()) != size:
        raise ValueError(f"the run lengths do not add up to the {size} voxels of the mask")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(shape)


def packed_text(counts: Sequence[int]) -> str:
    """COCO's text of run lengths: five bits a letter, and from the fourth count on the difference to the one two before.

    Source: COCO API, `maskApi.c`, `rleToString`.
    """
    letters = []
    for place, count in enumerate(counts):
        left = int(count) - (int(counts[place - 2]) if place > 2 else 0)
        while True:
            value = left & _VALUE
            left >>= _BITS
            last = left == (-1 if value & _SIGN else 0)
            letters.append(chr((value | (0 if last else _MORE)) + _FIRST_LETTER))
            if last:
                break
    return "".join(letters)


def unpacked_counts(text: str) -> list[int]:
    """The run lengths of COCO's text.

    Raises:
        ValueError: The text ends within a count, holds other letters, or a count is negative.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - _FIRST_LETTER
        if not 0 <= code < 2 * _MORE or shift > 60:
            raise ValueError("the text is no run lengths")
        value |= (code & _VALUE) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        if value < 0:
            raise ValueError("a run length is negative")
        counts.append(value)
        value = shift = 0
    if shift:
        raise ValueError("the text ends within a run length")
    return counts
