"""One picture twice: identical, re-encoded, brightened, halved, mirrored, turned or inverted.

Every image is brought to a thumbnail of 32 x 32 (a volume: its three central slices). Two are the same picture where
their thumbnails correlate beyond 0.98 *and* what is left of them after smoothing, their fine detail, correlates beyond
0.9. The first alone finds copies too, but also different people's heads once these are registered to an atlas; fine
detail tells people apart (chest X-rays: copies 0.94 to 1, different people at most 0.67).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.image import Image

#: Side of a thumbnail.
SIDE = 32

#: Smallest correlation of two thumbnails of one picture, and of their fine detail.
SAME_PICTURE = 0.98
SAME_DETAIL = 0.9

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Pair:
    """Two images that are one picture.

    Args:
        first, second: Keys of the cases.
        first_view, second_view: Their views.
        correlation: Of the thumbnails; negative where one is inverted.
        form: What was done to one of them, in words.
        identical: Whether every pixel is the same.
    """

    first: str
    second: str
    first_view: str
    second_view: str
    correlation: float
    form: str = "as it is"
    identical: bool = False


# ------------------------------------------------------------------ thumbnails


def thumbnail(image: Image) -> np.ndarray:
    """The image in small: averages over equal boxes.

    Args:
        image: 2D or 3D; channels are averaged, of a sequence the first frame is taken.

    Returns:
        ``(slice, 32, 32)`` float32: one slice of a flat image, the central ones along x, y and z of a volume.
    """
    array = image.array[:, 0] if image.has_time else image.array
    grey = array.mean(axis=0, dtype=np.float32) if array.shape[0] > 1 else array[0]
    if grey.ndim == 2:
        return shrink(grey)[None]
    # Between the two middle slices where there is none in the middle, so that a mirrored volume has the same ones.
    halves = [
        np.take(grey, [(size - 1) // 2, size // 2], axis).mean(axis=axis, dtype=np.float32)
        for axis, size in enumerate(grey.shape)
    ]
    return np.stack([shrink(half) for half in halves])


def shrink(grey: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Averages over ``(side, side)`` equal boxes of a plane; a box may hold parts of pixels."""
    small = grey.astype(np.float32)
    for axis, size in enumerate(grey.shape):
        total = np.cumsum(small, axis, dtype=np.float64)
        total = np.concatenate([np.zeros_like(np.take(total, [0], axis)), total], axis)
        edges = np.linspace(0, size, side + 1)
        low = np.minimum(edges.astype(int), size - 1)
        part = (edges - low).reshape([-1 if a == axis else 1 for a in range(2)])
        upto = np.take(total, low, axis) * (1 - part) + np.take(total, low + 1, axis) * part
        small = np.diff(upto, axis=axis) * (side / size)
    return small.astype(np.float32)


def pack(small: np.ndarray) -> str:
    """A thumbnail as text of 2 KiB a slice and a third: half-precision numbers, standardised."""
    spread = float(small.std())
    scaled = (small - small.mean()) / spread if spread > 0 else np.zeros_like(small)
    return base64.b64encode(scaled.astype(np.float16).tobytes()).decode("ascii")


def unpack(text: str) -> np.ndarray:
    """The standardised thumbnail ``(slice, 32, 32)`` float32; zeros where the image was flat."""
    return np.frombuffer(base64.b64decode(text), np.float16).astype(np.float32).reshape(-1, SIDE, SIDE)


# ------------------------------------------------------------------ pairs


def find_pairs(
    thumbnails: Mapping[tuple[str, str], np.ndarray],
    hashes: Mapping[tuple[str, str], str] | None = None,
    same_picture: float = SAME_PICTURE,
    same_detail: float = SAME_DETAIL,
) -> list[Pair]:
    """Every two images that are one picture, in the order of the cases.

    Args:
        thumbnails: ``{(case key, view): (slice, 32, 32)}``; flat and volume images are not compared with each other.
        hashes: ``{(case key, view): hash of the pixels}``: equal ones are identical.
        same_picture: Smallest absolute correlation of two thumbnails.
        same_detail: Smallest absolute correlation of their fine detail.
    """
    hashes = hashes or {}
    found: list[Pair] = []
    for slices in sorted({small.shape[0] for small in thumbnails.values()}):
        names = [name for name, small in thumbnails.items() if small.shape[0] == slices and small.std() > 0]
        if len(names) > 1:
            found += _pairs_of(names, np.stack([thumbnails[name] for name in names]), same_picture, same_detail)
    marked = []
    for pair in found:
        first, second = (pair.first, pair.first_view), (pair.second, pair.second_view)
        same = first in hashes and hashes[first] == hashes.get(second)
        marked.append(replace(pair, identical=same))
    place = {name: index for index, name in enumerate(thumbnails)}
    return sorted(marked, key=lambda p: (place[p.first, p.first_view], place[p.second, p.second_view]))


def _pairs_of(
    names: Sequence[tuple[str, str]], stack: np.ndarray, same_picture: float, same_detail: float
) -> list[Pair]:
    plain, detail = unit_rows(stack), unit_rows(fine_detail(stack))
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for form, turned in forms_of(stack):
        turned_plain, turned_detail = unit_rows(turned), unit_rows(fine_detail(turned))
        for start in range(0, len(names), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            # Only pairs whose first image comes earlier: the later columns.
            likeness = plain[rows] @ turned_plain[start:].T
            for row, column in zip(*np.nonzero(np.abs(likeness) > same_picture), strict=True):
                one, other = start + int(row), start + int(column)
                value = float(likeness[row, column])
                if other <= one or abs(float(detail[one] @ turned_detail[other])) <= same_detail:
                    continue
                if abs(value) > abs(best.get((one, other), (0.0, ""))[0]) + 1e-4:
                    best[one, other] = (value, form if value > 0 else f"{form}, inverted".replace("as it is, ", ""))
    return [
        Pair(names[one][0], names[other][0], names[one][1], names[other][1], round(value, 4), form)
        for (one, other), (value, form) in best.items()
    ]


def unit_rows(stack: np.ndarray) -> np.ndarray:
    """``(image, number)`` of mean 0 and length 1, so that a product is a correlation."""
    rows = stack.reshape(len(stack), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def fine_detail(stack: np.ndarray) -> np.ndarray:
    """What is left after the mean over 3 x 3 neighbours is taken away."""
    rows, columns = stack.shape[2:]
    padded = np.pad(stack, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(padded[:, :, i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    return stack - around


def forms_of(stack: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The stack in each way a picture can lie: 8 turns and mirrors of a flat one, 8 mirrors of a volume."""
    if stack.shape[1] == 1:
        for quarter in range(4):
            for mirrored in (False, True):
                turned = np.rot90(stack, quarter, (2, 3))
                words = [f"turned {90 * quarter}°"] * (quarter > 0) + ["mirrored"] * mirrored
                yield " and ".join(words) or "as it is", turned[:, :, ::-1] if mirrored else turned
        return
    for mirrors in range(8):
        axes = [axis for axis in range(3) if mirrors >> axis & 1]
        turned = stack.copy()
        for axis in range(3):  # the slice across one axis shows the two others, in order
            shown = [other for other in range(3) if other != axis]
            flips = tuple(1 + shown.index(other) for other in axes if other != axis)
            turned[:, axis] = np.flip(stack[:, axis], flips)
        yield " and ".join(f"mirrored along {'xyz'[axis]}" for axis in axes) or "as it is", turned


# ------------------------------------------------------------------ identities


def merge_duplicates(cohort: Cohort, pairs: Iterable[Pair]) -> Cohort:
    """Put cases that share a picture into one group, with every other case of their patients.

    Args:
        cohort: As built.
        pairs: As `find_pairs` gives them.

    Returns:
        The cohort; `Case.group` is set on every case whose identity was merged with another.
    """
    leader: dict[str, str] = {}

    def root(cluster: str) -> str:
        while leader.get(cluster, cluster) != cluster:
            cluster = leader[cluster]
        return cluster

    cluster_of = {case.key: case.cluster for case in cohort}
    for pair in pairs:
        one, other = root(cluster_of[pair.first]), root(cluster_of[pair.second])
        if one != other:
            leader[max(one, other)] = min(one, other)
    merged = {root(cluster) for cluster in leader}
    return cohort.with_cases(
        replace(case, group=root(case.cluster)) if case.cluster in leader or case.cluster in merged else case
        for case in cohort
    )
