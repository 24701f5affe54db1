"""Cases that nothing tells apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len, MinLen

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.image import Image
from preceptor.maths.phantoms import Anatomy, body


class Indissociable:
    """One image and noise, answers drawn by lot: a model that succeeds on new cases has seen what it should not.

    Classes are dealt evenly; labels are coins; a number is drawn from 0 to 1; a time to the event too, and one in
    five is lost from sight before it; a segmentation asks for balls that lie anywhere and leave no trace in the image.

    Args:
        task: What is asked.
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; 3 mm by default.
        views: Names of the views.
        channels: 1 grey, 3 colour.
        classes: Class names, or the names of a multilabel study's labels.
        label: Column of the class or the number; of survival the columns are ``<label>_time`` and ``<label>_event``.
        labels: Structure to value in the label map.
        mask: Name of the label map.
        noise: Standard deviation of the noise on grey values of 0 to 1. NIfTI keeps what falls outside.
        longest: Survival: when the last one has the event, in any unit of time.

    Source: ``clinicadl generate random`` (Thibeau-Sutre et al. 2022, Computer Methods and Programs in Biomedicine 220).

    Example:
        >>> sorted(Indissociable().draw(Turn(0, index, 4)).labels["label"] for index in range(4))
        ['absent', 'absent', 'present', 'present']
    """

    def __init__(
        self,
        task: Literal["classification", "multilabel", "regression", "segmentation", "survival"] = "classification",
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 3)] = [64, 64],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        views: Annotated[list[str], MinLen(1)] = ["image"],  # noqa: B006
        channels: Literal[1, 3] = 1,
        classes: Annotated[list[str], MinLen(1)] = ["absent", "present"],  # noqa: B006
        label: str = "label",
        labels: Annotated[dict[str, int], MinLen(1)] = {"front": 1, "back": 2},  # noqa: B006
        mask: str = "label",
        noise: Annotated[float, Ge(0)] = 0.5,
        longest: Annotated[float, Gt(0)] = 60.0,
    ) -> None:
        self.task, self.size, self.spacing_mm, self.views, self.channels = task, size, spacing_mm, views, channels
        self.classes, self.label, self.labels, self.mask, self.noise = classes, label, labels, mask, noise
        self.longest = longest

    @classmethod
    def example(cls) -> Indissociable:
        return cls(size=[16, 12])

    def draw(self, turn: Turn) -> Drawn:
        spacing_mm = tuple(self.spacing_mm or [3.0] * len(self.size))
        anatomy = Anatomy.draw(turn.shared("person"))
        images = {}
        for number, view in enumerate(self.views):
            grain = turn.rng(f"grain {number}").normal(0, self.noise, (self.channels, *self.size))
            images[view] = centred((body(anatomy, self.size, view=number) + grain).astype(np.float32), spacing_mm)
        rng = turn.rng("answer")
        masks: dict[str, Image] = {}
        labels: dict[str, Any] = {}
        if self.task == "classification":
            labels = {self.label: self.classes[turn.dealt("answer", len(self.classes))]}
        elif self.task == "multilabel":
            labels = {name: int(rng.random() < 0.5) for name in self.classes}
        elif self.task == "regression":
            labels = {self.label: round(float(rng.random()), 4)}
        elif self.task == "survival":
            time = round(self.longest * float(rng.random()), 4)
            labels = {f"{self.label}_time": time, f"{self.label}_event": int(rng.random() < 0.8)}
        else:
            masks = {self.mask: centred(self._anywhere(rng), spacing_mm, is_label=True)}
        return Drawn(images, masks, labels)

    def _anywhere(self, rng: np.random.Generator) -> np.ndarray:
        """``(*size)`` uint8: a ball for each structure, later ones on top."""
        truth = np.zeros(self.size, np.uint8)
        radius = max(2.0, 0.12 * min(self.size))
        for value in self.labels.values():
            centre = [rng.uniform(min(radius, each / 2), max(each - radius, each / 2)) for each in self.size]
            axes = [np.arange(each) - at for each, at in zip(self.size, centre, strict=True)]
            grid = np.meshgrid(*axes, indexing="ij", sparse=True)
            truth[sum(each**2 for each in grid) <= radius**2] = value
        return truth
