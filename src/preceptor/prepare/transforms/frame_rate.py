"""Frame rate: clips shown at the same number of frames a second."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from preceptor.core.applied import Applied, Derived, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.maths.frame_times import mean_rate_hz, nearest_at, new_times, places_at
from preceptor.prepare.clips import times_of


class FrameRate:
    """Shows every clip at the same number of frames a second, in the true time of each frame.

    The new frames begin at the first one and end before or at the last: nothing is extrapolated or repeated. Where the
    frames' times vary (DICOM's frame time vector, a video of variable rate) they are used as they are; a constant rate
    is never assumed. Masks with time are always taken from the nearest frame. Images without time stay as they are.

    An image of spatial axes alone, such as M-mode, has its time along one of them and is no clip: leave it out.

    Args:
        rate_hz: Frames a second.
        frames: Instead of the rate's own number: exactly this many, from the first on. A clip that is too short is
            refused.
        interpolate: ``nearest`` frame (of two as near the earlier: no frame that nobody took), or ``linear`` between
            the two around.

    Shapes: ``(channel, time, x, y[, z])``, with ``meta["frame_times_s"]`` (seconds of each frame) or
    ``meta["time_step_s"]`` (a constant step).

    Returns:
        From `draw`: a `Derived` whose images carry their new times; `Nothing` where nothing has time, or all is as
        asked.

    Raises:
        PrepareError: A clip's times are not known, or do not fit its frames; it has fewer frames than asked.

    Source: DICOM PS3.3 C.7.6.5 for the times; none needed for the rest.

    Example:
        >>> FrameRate(rate_hz=25).interpolate
        'nearest'
    """

    def __init__(
        self,
        rate_hz: Annotated[float, Gt(0)],
        frames: Annotated[int, Ge(1)] | None = None,
        interpolate: Literal["nearest", "linear"] = "nearest",
    ) -> None:
        self.rate_hz = rate_hz
        self.frames = frames
        self.interpolate = interpolate

    @classmethod
    def example(cls) -> FrameRate:
        return cls(rate_hz=15.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        images, masks, rates = {}, {}, {}
        for view, image in sample.images.items():
            if image.has_time:
                images[view] = self._shown(image, self.interpolate)
                rates[view] = mean_rate_hz(times_of(image))
        for name, mask in sample.masks.items():
            if mask.has_time:
                masks[name] = self._shown(mask, "nearest" if mask.is_label else self.interpolate)
        same = all(images[view] is sample.images[view] for view in images)
        if same and all(masks[name] is sample.masks[name] for name in masks):
            return Nothing()
        return Derived(images, masks, {"mean_rate_hz": rates})

    def _shown(self, clip: Image, interpolate: str) -> Image:
        times_s = times_of(clip)
        there_s = new_times(times_s, self.rate_hz)
        if self.frames is not None:
            if len(there_s) < self.frames:
                raise PrepareError(
                    f"the clip lasts {times_s[-1] - times_s[0]:.3g} s: {len(there_s)} frames at {self.rate_hz:g} a second",
                    where="prepare.frame_rate",
                    expected=f"{self.frames} frames or more",
                    remedy="ask for fewer frames or a higher rate, or exclude the case; frames are never made up",
                    code="clip_short",
                )
            there_s = there_s[: self.frames]
        if len(there_s) == len(times_s) and np.allclose(there_s, times_s, atol=1e-6):
            return clip
        if interpolate == "nearest":
            array = clip.array[:, nearest_at(times_s, there_s)]
        else:
            place = places_at(times_s, there_s)
            below = np.minimum(np.floor(place).astype(np.intp), max(len(times_s) - 2, 0))
            above = np.minimum(below + 1, len(times_s) - 1)
            share = (place - below).astype(np.float32).reshape(1, -1, *[1] * clip.space_dims)
            array = clip.array[:, below] * (1 - share) + clip.array[:, above] * share
            array = array.astype(np.float32)
        facts = {name: value for name, value in clip.meta.items() if name != "time_step_s"}
        meta = {**facts, "frame_times_s": [float(each) for each in there_s]}
        return Image(array, clip.affine_mm, is_label=clip.is_label, has_time=True, meta=meta)
