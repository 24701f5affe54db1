"""What images of a kind look like from afar, and how far a new one is from that.

An image is described by its coarse layout (averages over a small grid), the spread of its values and how much detail it
has at each scale, all independent of brightness and contrast. A reference is the mean of such descriptions and how they
vary together; the distance of a new one counts standard deviations, and each aspect has a limit of its own.

It tells another body part, another kind of scanner, a mirrored or turned image from those it was fitted on. It does not
see small lesions, and is no measure of whether an answer is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

#: Cells of the coarse grid along each axis, by the number of axes of space.
_GRID = {1: 32, 2: 16, 3: 8}

#: Blocks of the arrangement along each axis: few enough that a hundred images tell how each pair varies together.
_BLOCKS = {1: 8, 2: 5, 3: 3}

#: Share of the identity in a covariance: the least, where there are many images for each of its numbers.
_SHRUNK = 0.1

#: Shares at which the spread of values is read.
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)

#: Detail is measured at this many scales, each half as fine as the one before.
_SCALES = 4

#: A standard deviation is taken as at least this much of the median one: what never varied must not decide alone.
_FLOOR = 0.2

#: Fewer held-out images than this say too little of how distances spread: none of them may then be refused, by a margin.
_FEW, _MARGIN = 8, 1.25

#: Where the limits of several aspects are estimated, each median and spread is unsure: simulated with four aspects,
#: normal or heavier (Student's t of 5), this keeps a share of 1 % asked for at 0.5 to 3 % for 12 to 60 images.
_UNSURE = 1.5


class Distance(NamedTuple):
    """How far an image is from a reference; about 1 for images like those it was fitted on.

    Args:
        layout: Of a fine grid, along the directions in which the references' layouts vary, and off them.
        arrangement: Of a few large blocks, given how they vary together (Mahalanobis).
        values: In the spread of values, each quantile by itself: in images with plateaus one quantile jumps from one to
            the next while its neighbours stay, and given those such a jump would look immense.
        detail: In detail by scale (Mahalanobis).
    """

    layout: float
    arrangement: float
    values: float
    detail: float

    def shares(self, limits: Sequence[float]) -> Distance:
        """Each aspect's as a share of its limit: above 1 is too far, and one thing out of the ordinary is enough."""
        return Distance(*(each / limit for each, limit in zip(self, limits, strict=True)))


def is_blank(array: np.ndarray) -> bool:
    """Whether an image shows nothing: one value everywhere, or values that are not finite."""
    array = np.asarray(array, dtype=np.float64)
    lowest, highest = array.min(), array.max()
    return not np.isfinite(lowest + highest) or highest - lowest <= 1e-9 * max(abs(lowest), abs(highest), 1e-300)


def appearance(array: np.ndarray) -> np.ndarray:
    """Describe an image from afar.

    Args:
        array: ``(channel, *space)``, not blank.

    Returns:
        ``(feature,)``: of each channel the layout, the values and the detail. The length depends on channels and axes
        alone, so images of any size can be compared.

    Raises:
        ValueError: The image has no axis of space, or more than three.
    """
    array = np.asarray(array, dtype=np.float32)
    if array.ndim - 1 not in _GRID:
        raise ValueError(f"an image of shape {array.shape} has not one to three axes of space")
    return np.concatenate([_of_channel(channel) for channel in array]).astype(np.float64)


def _of_channel(channel: np.ndarray) -> np.ndarray:
    import torch
    from torch.nn import functional

    spread = channel.std()
    plain = (channel - channel.mean()) / (spread if spread > 0 else 1.0)
    pool = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}
    tensor = torch.from_numpy(np.ascontiguousarray(plain))[None, None]
    layout = pool[channel.ndim](tensor, _GRID[channel.ndim])
    return np.concatenate([layout.numpy().ravel(), np.quantile(plain, _QUANTILES), _detail(plain)])


def _detail(plain: np.ndarray) -> np.ndarray:
    """``(scale,)`` logarithm of the mean squared difference of neighbours, at each scale."""
    found = []
    for _ in range(_SCALES):
        steps = [np.mean(np.diff(plain, axis=axis) ** 2) for axis in range(plain.ndim) if plain.shape[axis] > 1]
        found.append(np.log(np.mean(steps) + 1e-6) if steps else np.log(1e-6))
        plain = _halved(plain)
    return np.array(found)


def _halved(array: np.ndarray) -> np.ndarray:
    """Averages of pairs of neighbours along every axis that has them."""
    for axis in range(array.ndim):
        pairs = array.shape[axis] // 2
        if pairs:
            array = np.moveaxis(array, axis, 0)[: 2 * pairs]
            array = np.moveaxis((array[0::2] + array[1::2]) / 2, 0, axis)
    return array


def fit_reference(arrays: Iterable[np.ndarray], components: int = 16) -> dict[str, Any]:
    """The reference of images, streamed one by one.

    Args:
        arrays: ``(channel, *space)`` each, none blank, all with the same channels and axes.
        components: Directions of the layout that are kept, at most a quarter of the images.

    Returns:
        A state of arrays and JSON, for `score`.

    Raises:
        ValueError: There is no image, or they differ in channels or axes.
    """
    channels, axes = 0, 0
    features: list[np.ndarray] = []
    for array in arrays:
        if features and (array.shape[0], array.ndim - 1) != (channels, axes):
            raise ValueError("the images of a reference differ in channels or axes of space")
        channels, axes = array.shape[0], array.ndim - 1
        features.append(appearance(array))
    if not features:
        raise ValueError("a reference needs an image")
    return fit_features(np.stack(features), channels, axes, components)


def fit_features(features: np.ndarray, channels: int, axes: int, components: int = 16) -> dict[str, Any]:
    """The reference of images that are described already.

    Args:
        features: ``(image, feature)`` from `appearance`.
        channels, axes: Of the images.
        components: As in `fit_reference`.
    """
    layout, values, detail = _taken_apart(features, channels, axes)
    centre = layout.mean(0)
    kept = max(1, min(components, len(features) // 4)) if len(features) > 1 else 0
    _, scale, directions = np.linalg.svd(layout - centre, full_matrices=False)
    spread = scale[:kept] / np.sqrt(max(len(features) - 1, 1))
    rest = (layout - centre) - (layout - centre) @ directions[:kept].T @ directions[:kept]
    # Residuals of the images that made the directions are too small: each direction takes a degree of freedom.
    freedom = max(len(features) - 1 - kept, 1)
    return {
        "channels": channels,
        "axes": axes,
        "images": len(features),
        "centre": centre,
        "directions": directions[:kept],
        "spread": np.maximum(spread, 1e-6),
        "rest": float(np.sqrt(np.sum(rest**2) / freedom)) + 1e-6,
        "arrangement": _fit_cloud(_blocks(layout, channels, axes)),
        "values": np.stack([values.mean(0), _spread(values)]),
        "detail": _fit_cloud(detail),
    }


def score(reference: Mapping[str, Any], array: np.ndarray) -> Distance:
    """How far an image is from a reference.

    Args:
        reference: From `fit_reference`.
        array: ``(channel, *space)``, not blank.

    Raises:
        ValueError: It has other channels or axes than the reference's images.
    """
    if (array.shape[0], array.ndim - 1) != (reference["channels"], reference["axes"]):
        raise ValueError(f"an image of shape {array.shape} against a reference of {reference['channels']} channels")
    return score_features(reference, appearance(array))


def score_features(reference: Mapping[str, Any], features: np.ndarray) -> Distance:
    """As `score`, of an image that is described already."""
    channels, axes = reference["channels"], reference["axes"]
    layout, values, detail = (part[0] for part in _taken_apart(features[None], channels, axes))
    directions = np.asarray(reference["directions"])
    offset = layout - np.asarray(reference["centre"])
    along = directions @ offset
    off = np.linalg.norm(offset - along @ directions) / reference["rest"]
    inside = np.sqrt(np.mean((along / np.asarray(reference["spread"])) ** 2)) if len(along) else 0.0
    return Distance(
        float(max(inside, off)),
        _within_cloud(reference["arrangement"], _blocks(layout[None], channels, axes)[0]),
        _deviation(values, reference["values"]),
        _within_cloud(reference["detail"], detail),
    )


def limits(distances: Sequence[Distance], refused_share: float = 0.01) -> tuple[float, ...]:
    """How far each aspect may be, so that all aspects together refuse at most a share of images of the kind.

    Aspects spread differently: each distance's fourth root is taken less its median, in standard deviations, and one
    threshold is set on the largest of them. (A root, since the logarithm of a distance that is often near zero has a
    long lower tail, which would be taken for a long upper one.)

    Args:
        distances: Of held-out images of the same kind.
        refused_share: Of such images that may be refused for any aspect.

    Returns:
        A limit for each aspect of `Distance`.

    Raises:
        ValueError: There is no distance.

    Source: as `threshold`, whose promise holds for the largest of the aspects.
    """
    if not distances:
        raise ValueError("a threshold needs held-out images")
    roots = np.asarray(distances, dtype=np.float64) ** 0.25
    middle = np.median(roots, axis=0)
    rough = 1.4826 * np.median(np.abs(roots - middle), axis=0)
    # Winsorised: half as unsure as the median deviation, and one odd image still moves it little.
    held = np.clip(roots - middle, -2 * rough, 2 * rough)
    spread = np.maximum(1.04 * np.sqrt(np.mean(held**2, axis=0)), 0.0125)
    # `threshold` takes distances; the exponential keeps the order, and its log-normal part then sees deviations.
    largest = np.exp(((roots - middle) / spread).max(axis=1))
    far = np.log(threshold(largest.tolist(), refused_share))
    if np.ceil((len(largest) + 1) * (1 - refused_share) - 1e-9) > len(largest):
        far *= 1 + _UNSURE / np.sqrt(len(largest))
    return tuple(float(each) for each in np.maximum(middle + far * spread, 0) ** 4)


def threshold(distances: Sequence[float], refused_share: float = 0.01) -> float:
    """The distance beyond which an image is not of the kind, set on images that the reference has not seen.

    The split-conformal quantile where there are enough images for it: at most `refused_share` of new images of the
    same kind lie beyond, on average. Otherwise that quantile of a log-normal distribution through the median and the
    median deviation, widened for few images: a single odd image among those held out then does not blind it. (Of
    X-rays and hippocampi, 26 to 50 held out, it refused 0 to 4 % of the same kind where 1 % was asked for.)

    Args:
        distances: Of held-out images of the same kind.
        refused_share: Of such images that may be refused.

    Raises:
        ValueError: There is no distance.

    Source: Vovk 2005; Laxhammar & Falkman 2015 (inductive conformal anomaly detection). The log-normal part is own.
    """
    from scipy.special import ndtri

    ordered = np.sort(np.asarray(distances, dtype=np.float64))
    number = len(ordered)
    if not number:
        raise ValueError("a threshold needs held-out images")
    rank = int(np.ceil((number + 1) * (1 - refused_share) - 1e-9))
    if rank <= number:
        return float(ordered[rank - 1])
    logarithms = np.log(np.maximum(ordered, 1e-12))
    middle = np.median(logarithms)
    deviation = 1.4826 * np.median(np.abs(logarithms - middle)) * (1 + 2 / np.sqrt(number))
    far = float(np.exp(middle + ndtri(1 - refused_share) * deviation))
    return far if number >= _FEW else max(far, _MARGIN * float(ordered[-1]))


def _taken_apart(features: np.ndarray, channels: int, axes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(image, …)`` layout, values and detail of all channels."""
    cells = _GRID[axes] ** axes
    each = np.asarray(features).reshape(len(features), channels, -1)
    ends = np.cumsum([cells, len(_QUANTILES)])
    parts = np.split(each, ends, axis=2)
    return tuple(part.reshape(len(features), -1) for part in parts)  # type: ignore[return-value]


def _spread(values: np.ndarray) -> np.ndarray:
    deviation = values.std(0, ddof=1) if len(values) > 1 else np.full(values.shape[1], 1.0)
    return np.maximum(deviation, _FLOOR * np.median(deviation)) + 1e-6


def _blocks(layout: np.ndarray, channels: int, axes: int) -> np.ndarray:
    """``(image, block)``: averages of a fine layout over a few large blocks, channel by channel."""
    cells, blocks = _GRID[axes], _BLOCKS[axes]
    grid = layout.reshape(len(layout) * channels, *[cells] * axes)
    for axis in range(1, axes + 1):
        parts = np.array_split(np.arange(cells), blocks)
        grid = np.stack([grid.take(part, axis).mean(axis) for part in parts], axis)
    return grid.reshape(len(layout), -1)


def _fit_cloud(features: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, spread and inverse correlation of features, drawn towards independence where images are few."""
    centre, spread = features.mean(0), _spread(features)
    number, width = features.shape
    plain = (features - centre) / spread
    shrunk = max(_SHRUNK, width / (width + number))
    together = plain.T @ plain / max(number - 1, 1)
    return {
        "centre": centre,
        "spread": spread,
        "inverse": np.linalg.inv((1 - shrunk) * together + shrunk * np.eye(width)),
    }


def _deviation(values: np.ndarray, known: Any) -> float:
    centre, spread = np.asarray(known)
    return float(np.sqrt(np.mean(((values - centre) / spread) ** 2)))


def _within_cloud(cloud: Mapping[str, Any], features: np.ndarray) -> float:
    """Mahalanobis distance, per square root of the number of features."""
    offset = (features - np.asarray(cloud["centre"])) / np.asarray(cloud["spread"])
    return float(np.sqrt(offset @ np.asarray(cloud["inverse"]) @ offset / len(offset)))
