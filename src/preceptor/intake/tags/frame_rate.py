"""Frames a second of a film: how fast it was taken, else how fast it wants to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.maths.frame_times import frame_times, mean_rate_hz

_SAME = 0.01


@dataclass(frozen=True)
class FrameRate:
    """A frame rate, where it comes from, and what speaks against it.

    Args:
        rate_hz: Frames a second; the mean where times vary. None where nobody says.
        frame_time_ms: Between frames, where it was taken and is constant.
        source: The attribute.
        is_for_display: It says how to show the film, not how it was taken.
        findings: ``frame_rate_disagrees``, ``frame_time_zero``, ``frame_times_damaged``.
    """

    rate_hz: float | None
    frame_time_ms: float | None = None
    source: str = ""
    is_for_display: bool = False
    findings: tuple[str, ...] = ()


def frame_rate(
    frames: int,
    *,
    vector_ms: Sequence[float] = (),
    frame_time_ms: float | None = None,
    display_hz: float | None = None,
    cine_hz: float | None = None,
    acquired_s: Sequence[float] = (),
) -> FrameRate:
    """The rate by the first that says it: times of acquisition, the vector, the frame time, the display's rate.

    Args:
        frames: How many there are.
        vector_ms: FrameTimeVector.
        frame_time_ms: FrameTime; 0 is absent.
        display_hz: RecommendedDisplayFrameRate.
        cine_hz: CineRate.
        acquired_s: Seconds at which the frames of an enhanced file were taken.

    Returns:
        A rate that was measured wins over one for display; where both are there and differ, that is a finding.

    Source: DICOM PS3.3 C.7.6.5 (cine), C.7.6.16.2.2 (frame content).
    """
    findings: list[str] = []
    found: list[FrameRate] = []
    for source, times in (("FrameAcquisitionDateTime", acquired_s), ("FrameTimeVector", vector_ms)):
        if len(times) == 0:
            continue
        try:
            seconds = (
                np.asarray(times, float) if times is acquired_s else frame_times(frames, increments_ms=list(times))
            )
            if len(seconds) != frames or (np.diff(seconds) <= 0).any() or frames < 2:
                raise ValueError("times that do not rise")
            found.append(FrameRate(mean_rate_hz(seconds), None, source))
        except ValueError:
            findings.append("frame_times_damaged")
    if frame_time_ms is not None and frame_time_ms > 0:
        found.append(FrameRate(1000 / frame_time_ms, frame_time_ms, "FrameTime"))
    elif frame_time_ms is not None:
        findings.append("frame_time_zero")
    for source, rate in (("RecommendedDisplayFrameRate", display_hz), ("CineRate", cine_hz)):
        if rate is not None and rate > 0:
            found.append(FrameRate(rate, None, source, True))
    if not found:
        return FrameRate(None, findings=tuple(findings))
    best = found[0]
    assert best.rate_hz is not None
    if any(abs((each.rate_hz or 0) - best.rate_hz) > _SAME * best.rate_hz for each in found[1:]):
        findings.append("frame_rate_disagrees")
    return FrameRate(best.rate_hz, best.frame_time_ms, best.source, best.is_for_display, tuple(findings))
