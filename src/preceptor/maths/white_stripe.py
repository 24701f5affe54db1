"""WhiteStripe: the grey values around the mode of normal-appearing white matter."""

from __future__ import annotations

from typing import Literal

import numpy as np

#: Bins of the histogram whose peaks are sought.
_BINS = 256
#: How much a peak must stand out, as a share of the highest: less is noise of the counts.
_PROMINENCE = 0.05


def stripe(values: np.ndarray, mode: float, width: float = 0.05) -> np.ndarray:
    """The values whose rank is no further than a share `width` of all from that of the mode.

    Args:
        values: ``(voxel,)``.
        mode: A grey value.
        width: On each side, as a share of all values.

    Returns:
        ``(voxel in the stripe,)``.

    Source: Shinohara 2014, NeuroImage: Clinical 6, section 2.3.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    last = len(ordered) - 1
    # The mode's rank, on the scale on which quantiles are linear between values; equal values share theirs.
    rank = (np.searchsorted(ordered, mode, "left") + np.searchsorted(ordered, mode, "right") - 1) / 2
    lower, upper = np.clip([rank - width * last, rank + width * last], 0, last)
    slack = 1e-9 * max(last, 1)  # a rank that is whole but for rounding
    return ordered[int(np.ceil(lower - slack)) : int(np.floor(upper + slack)) + 1]


def histogram_peak(values: np.ndarray, which: Literal["last", "largest"]) -> float:
    """The grey value of a peak of the smoothed histogram.

    The outermost half per cent on either side is left out, the histogram is smoothed by a Gaussian as wide as
    Silverman's rule says, and bumps lower than a twentieth of the highest peak are no peaks.

    Args:
        values: ``(voxel,)``.
        which: The ``last`` (white matter in a T1-weighted image), or the ``largest`` (in T2, FLAIR and proton density).

    Returns:
        The median of the values in the peak's bin (of whole numbers it is one of them); NaN where all values are one.

    Source: Shinohara 2014, section 2.3 (which peak); Silverman 1986, eq. 3.31 (how smooth).
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    values = np.asarray(values, dtype=np.float64)
    lowest, lower, upper, highest = np.percentile(values, (0.5, 25, 75, 99.5))
    if not highest > lowest:
        return float("nan")
    counts, edges = np.histogram(values, _BINS, (lowest, highest))
    spread = min(values.std(), (upper - lower) / 1.34) or values.std()
    smooth = 0.9 * spread * len(values) ** -0.2 / (edges[1] - edges[0])
    # Zeros beyond both ends let a peak in the outermost bin be one.
    curve = gaussian_filter1d(np.pad(counts.astype(float), _BINS // 8), max(smooth, 1.0), mode="constant")
    peaks, _ = find_peaks(curve, prominence=_PROMINENCE * curve.max())
    chosen = peaks[-1] if which == "last" else peaks[int(np.argmax(curve[peaks]))]
    position = int(np.clip(chosen - _BINS // 8, 0, _BINS - 1))
    lower, upper = edges[position], edges[position + 1]
    there = values[(values >= lower) & (values <= upper)]
    return float(np.median(there)) if there.size else float((lower + upper) / 2)
