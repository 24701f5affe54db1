"""Clips that differ only in the order of their frames."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.maths.phantoms import Anatomy, coordinates, ellipsoid, share_inside, smooth_field


class FrameOrder:
    """Clips of a beating ring, each twice: with its frames in order, and the very same frames in another.

    The ring contracts quickly and relaxes slowly. Its radius falls from its largest to its smallest by a half cosine in
    the share `systole` of a beat, and rises by another in the rest; a clip is one beat that begins anywhere. Two cases,
    one patient, share their frames to the last bit, so a model that sees frames as a bag (a mean over frames, a sort, a
    vote) gives both the same answer and stands at chance exactly; one single frame, the first one too, says nothing
    either. Only what compares frames with their neighbours can tell them apart. At a `systole` of 0.5 the beat is the same
    forwards and backwards: then a reversed clip can't be told by anything.

    Args:
        size: Pixels along both axes.
        frames: In a clip.
        other: How the other clip's frames lie: ``reversed``, or ``shuffled``.
        show: ``film`` is one view, ``clip`` (NIfTI alone holds it); ``frames`` is a view for each (``frame_00`` …).
        systole: Share of the beat in which the ring contracts.
        depth: By how much it contracts, as a share of its radius.
        noise: Standard deviation of the noise; it belongs to the frame.

    Source: own generator; for what a model gets from the order of frames see Huang et al. 2018, What makes a video a video,
    Computer Vision and Pattern Recognition.

    Example:
        >>> drawn = [FrameOrder().draw(Turn(seed=0, index=index, cases=2)) for index in range(2)]
        >>> sorted(each.labels["order"] for each in drawn), drawn[0].patient == drawn[1].patient
        (['forward', 'reversed'], True)
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 2)] = [48, 48],  # noqa: B006  read, never changed
        frames: Annotated[int, Ge(4), Le(200)] = 16,
        other: Literal["reversed", "shuffled"] = "reversed",
        show: Literal["film", "frames"] = "film",
        systole: Annotated[float, Gt(0), Lt(1)] = 0.25,
        depth: Annotated[float, Gt(0), Le(0.8)] = 0.4,
        noise: Annotated[float, Ge(0)] = 0.05,
    ) -> None:
        self.size, self.frames, self.other, self.show = size, frames, other, show
        self.systole, self.depth, self.noise = systole, depth, noise

    @classmethod
    def example(cls) -> FrameOrder:
        return cls(size=[16, 12], frames=6)

    def draw(self, turn: Turn) -> Drawn:
        pair, place = divmod(turn.index, 2)
        clip = self._clip(turn, pair)
        forward = place == int(turn.of("first", pair).integers(2))
        if not forward:
            clip = clip[::-1] if self.other == "reversed" else clip[turn.of("shuffle", pair).permutation(self.frames)]
        clip = np.ascontiguousarray(clip)
        if self.show == "film":
            images = {"clip": centred(clip, (1.0, 1.0), time_step_s=0.9 / self.frames)}
        else:
            images = {f"frame_{number:02}": centred(each, (1.0, 1.0)) for number, each in enumerate(clip)}
        labels = {"order": "forward" if forward else self.other}
        return Drawn(images, {}, labels, {"pair": pair}, patient=f"p{pair:05}")

    def _clip(self, turn: Turn, pair: int) -> np.ndarray:
        """``(time, x, y)`` float32, in order: the same for both cases of a pair."""
        anatomy, rng = Anatomy.draw(turn.of("person", pair)), turn.of("beat", pair)
        grid = coordinates(self.size)
        centre, radius = rng.uniform(-0.15, 0.15, 2), rng.uniform(0.42, 0.6)
        phase = (rng.random() + np.arange(self.frames) / self.frames) % 1
        part = np.where(phase < self.systole, phase / self.systole, (1 - phase) / (1 - self.systole))
        radii = radius * (1 - self.depth * (1 - np.cos(np.pi * part)) / 2)
        backdrop = 0.35 + 0.06 * smooth_field(anatomy.field, grid, self.size)
        frames = []
        for number, inner in enumerate(radii):
            outer = np.sqrt(inner**2 + 0.7 * radius**2)  # the wall keeps its area
            cavity, whole = (
                share_inside(ellipsoid(grid, centre, (each, each)), self.size, (each, each)) for each in (inner, outer)
            )
            grey = backdrop * (1 - whole) + 0.75 * (whole - cavity) + 0.12 * cavity
            grain = turn.of(f"grain {number}", pair).normal(0, self.noise, grey.shape)
            frames.append((grey + grain).astype(np.float32))
        return np.stack(frames)
