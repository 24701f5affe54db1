"""Cases that anything can tell apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len, MinLen

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.image import Image
from preceptor.maths.phantom_scanner import Scanner
from preceptor.maths.phantom_trivial import darken_band, stripe_band
from preceptor.maths.phantoms import Anatomy, body, structures


class Trivial:
    """Cases that anything can tell apart: a model that fails on them has a bug.

    Classification darkens one of as many bands of the body as there are classes: of two, one half. The cases of one
    body, one of each class, are one patient, so that a split by patient keeps them together. Multilabel puts stripes
    into the band of each label that is there, in a direction of its own; regression darkens one half by as much as the
    number says, 0 to 1; survival in five steps, and the darker the half, the sooner the event, with nothing left to luck but
    who is lost from sight before it, one in five; segmentation shows bright structures in a row.

    Args:
        task: What is asked.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; 3 mm by default.
        views: Names of the views; each shows the same body in a contrast of its own.
        channels: 1 grey, 3 colour.
        classes: Class names, or the names of a multilabel study's labels.
        label: Column of the class or the number; of survival the columns are ``<label>_time`` and ``<label>_event``.
        labels: Structure to value in the label map.
        mask: Name of the label map.
        percent: How much darker a darkened band is, at least.
        noise: Standard deviation of the noise.
        longest: Survival: when the last one has the event, in any unit of time; the first has it at a twentieth of that.

    Source: ``clinicadl generate trivial`` (Thibeau-Sutre et al. 2022, Computer Methods and Programs in Biomedicine
    220); its pairs of one subject under two names, which a split by name lets leak, are one patient here.

    Example:
        >>> [Trivial().draw(Turn(0, index, 4)).labels["label"] for index in range(4)]
        ['left', 'right', 'left', 'right']
    """

    def __init__(
        self,
        task: Literal["classification", "multilabel", "regression", "segmentation", "survival"] = "classification",
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 3)] = [64, 64],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        views: Annotated[list[str], MinLen(1)] = ["image"],  # noqa: B006
        channels: Literal[1, 3] = 1,
        classes: Annotated[list[str], MinLen(1)] = ["left", "right"],  # noqa: B006
        label: str = "label",
        labels: Annotated[dict[str, int], MinLen(1)] = {"front": 1, "back": 2},  # noqa: B006
        mask: str = "label",
        percent: Annotated[float, Gt(0), Le(90)] = 60.0,
        noise: Annotated[float, Ge(0)] = 0.02,
        longest: Annotated[float, Gt(0)] = 60.0,
    ) -> None:
        self.task, self.size, self.spacing_mm, self.views, self.channels = task, size, spacing_mm, views, channels
        self.classes, self.label, self.labels, self.mask = classes, label, labels, mask
        self.percent, self.noise, self.longest = percent, noise, longest

    @classmethod
    def example(cls) -> Trivial:
        return cls(size=[16, 12])

    def draw(self, turn: Turn) -> Drawn:
        spacing_mm = tuple(self.spacing_mm or [3.0] * len(self.size))
        person, label = turn.index, turn.index
        if self.task == "classification":
            person, label = divmod(turn.index, len(self.classes))
        anatomy = Anatomy.draw(turn.of("person", person))
        answers, dark = self._answers(turn.rng("answer"), label)
        images: dict[str, Image] = {}
        masks: dict[str, Image] = {}
        for number, view in enumerate(self.views):
            if self.task == "segmentation":
                grey, index = structures(anatomy, self.size, len(self.labels), view=number)
                truth = np.array([0, *self.labels.values()])[index]
                masks.setdefault(self.mask, centred(truth, spacing_mm, is_label=True))
            else:
                grey = body(anatomy, self.size, view=number)
                for band, bands, percent in dark:
                    if self.task == "multilabel":
                        grey = stripe_band(grey, band, bands, percent)
                        continue
                    grey = darken_band(grey, band, bands, turn.rng(f"loss {number} {band}"), percent)
            shown = [Scanner().scan(grey, turn.rng(f"grain {number} {c}"), self.noise) for c in range(self.channels)]
            images[view] = centred(np.stack(shown), spacing_mm)
        return Drawn(images, masks, answers, patient=f"p{person:05}")

    def _answers(self, rng: np.random.Generator, label: int) -> tuple[dict[str, Any], list[tuple[int, int, float]]]:
        """Labels of a case, and the bands that are darkened for them: which, of how many, by how much."""
        number = len(self.classes)
        if self.task == "classification":
            return {self.label: self.classes[label]}, [(label, max(number, 2), self.percent)]
        if self.task == "multilabel":
            there = rng.random(number) < 0.5
            found = [(int(band), max(number, 2), self.percent) for band in np.flatnonzero(there)]
            return {name: int(each) for name, each in zip(self.classes, there, strict=True)}, found
        if self.task == "regression":
            share = round(float(rng.random()), 4)
            return {self.label: share}, [(0, 2, self.percent * share)]
        if self.task == "survival":
            share, followed = int(rng.integers(5)) / 4, 1.0 if rng.random() < 0.8 else float(rng.random())
            time = followed * self.longest * (0.05 + 0.95 * (1 - share))
            ended = {f"{self.label}_time": round(time, 4), f"{self.label}_event": int(followed == 1)}
            return ended, [(0, 2, self.percent * share)]
        return {}, []
