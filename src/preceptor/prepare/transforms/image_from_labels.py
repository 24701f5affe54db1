"""Image from labels: the scan is thrown away, and one drawn from the label map in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le, Len

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.maths.label_synthesis import draw_appearance, hide, painted, structures_of

Ends = Annotated[list[float], Len(2, 2)]


class ImageFromLabels:
    """Draws an image from the moved label map, anew at every step: no grey value of a scan reaches the network.

    Every structure gets a mean and a standard deviation of its own, and each of its voxels is drawn from them. What
    comes after it in `augment` makes a scan of that: `blur`, `anisotropy` (thick slices), `bias_field`, `gamma`,
    `noise`, and `percentile` for the scale that `prepare` gives the real images that are predicted later.

    Only masks are looked at: the task's truth and one of `background`, drawn for each example. Where the truth names
    but a few structures, `clusters` must divide the rest, or the network learns to find a blob in noise. The channels
    of an image, and the views of a case, are drawn independently, as of scanners that have nothing in common.

    Cases whose labels are hidden (the role `adapt`) keep their image.

    Args:
        background: Names of masks that divide the background; one of them is drawn each time.
        mean: Lowest and highest mean of a structure.
        deviation: Least and largest standard deviation within one.
        alike: Groups of the task's classes that look alike in every scan: each shares one draw.
        apart: The means of such a group lie no further than this from the one that they share.
        hidden: How often such a group, or a class of no group, looks like one part of the background: it is then known
            by its shape and place alone, as grey matter is among other grey matter.

    Shapes: ``(channel, *space)``, of the unit of `mean`; outside the image counts as a structure of its own.

    Returns:
        From `draw`: an `Intensity` that is shown masks and gives back an image in place of the one that was there.

    Raises:
        RecipeError: The ends of a range are the wrong way round, or a class is in two groups.
        PrepareError: The task has no label map or not these classes, or a case has no such mask.

    Source: Billot 2023, "SynthSeg: Segmentation of brain MRI scans of any contrast and resolution without retraining"
        (arXiv:2107.09559), section 3.

    Example:
        >>> image, mask = torch.full((1, 1, 4), torch.nan), torch.tensor([[[0, 0, 1, 1]]])
        >>> sample = Sample("a", {}, mask_values={"label": {0: "background", 1: "lesion"}})
        >>> drawn = ImageFromLabels(deviation=[0, 0]).draw(np.random.default_rng(0), sample)
        >>> made = drawn.function(image, {"label": mask})
        >>> bool(made[..., 0] == made[..., 1]), bool(made[..., 1] == made[..., 2])
        (True, False)
    """

    reads_pixels = False

    def __init__(
        self,
        background: list[str] | None = None,
        mean: Ends = [0.0, 1.0],  # noqa: B006  read, never changed
        deviation: Ends = [0.01, 0.1],  # noqa: B006
        alike: list[list[str]] | None = None,
        apart: Annotated[float, Ge(0)] = 0.03,
        hidden: Annotated[float, Ge(0), Le(1)] = 0.0,
    ) -> None:
        self.background = background
        self.mean = mean
        self.deviation = deviation
        self.alike = alike
        self.apart = apart
        self.hidden = hidden
        together = [name for group in alike or () for name in group]
        if mean[0] > mean[1] or not 0 <= deviation[0] <= deviation[1]:
            raise _refused("a range of mean or deviation", "[lowest, highest], deviations of 0 or more")
        if len(set(together)) < len(together) or not all(alike or ()):
            raise _refused("a group of classes that are alike", "names in each group, and each name in one group")

    @classmethod
    def example(cls) -> ImageFromLabels:
        return cls(alike=[["anterior", "posterior"]])

    def suits(self, question: Question) -> bool:
        """Whether there is a label map, and it has the classes that are named."""
        return question.dense and {name for group in self.alike or () for name in group} <= set(question.classes)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        truth = next(iter(sample.mask_values), None)
        if truth is None:
            raise PrepareError(
                "there is no label map to draw an image from",
                where="augment.image_from_labels",
                expected="a segmentation task",
                code="no_label_map",
            )
        groups = self._groups(sample.mask_values[truth])
        chosen = self.background[int(rng.integers(len(self.background)))] if self.background else None
        # One generator for all views, so that each gets a contrast of its own.
        own = np.random.default_rng(int(rng.integers(2**63)))

        def function(image: torch.Tensor, masks: Mapping[str, torch.Tensor]) -> torch.Tensor:
            if truth not in masks:
                return image
            if chosen is not None and chosen not in masks:
                raise PrepareError(
                    f"the case has no mask '{chosen}'",
                    where="augment.image_from_labels",
                    expected=f"{chosen} on the label map's grid",
                    remedy="let a step of `prepare` make it: {clusters: {name: " + chosen + "}}",
                    code="mask_absent",
                )
            index, first = structures_of(masks[truth][0], None if chosen is None else masks[chosen][0])
            among = index[index < first].unique().tolist() if self.hidden else ()
            number = max(first + max(sample.mask_values[truth]), int(index.max()) + 1)
            alike = [[first - 1 + value for value in group] for group in groups]
            ends = (self.mean[0], self.mean[1]), (self.deviation[0], self.deviation[1])
            alone = [[first - 1 + value] for value in sample.mask_values[truth] if value > 0]
            hideable = [*alike, *(each for each in alone if not any(each[0] in group for group in alike))]

            def channel() -> torch.Tensor:
                appearance = draw_appearance(own, number, *ends, alike, self.apart)
                if self.hidden:
                    appearance = hide(own, appearance, hideable, among, self.hidden, self.apart)
                return painted(index, appearance, own)

            return torch.stack([channel() for _ in image])

        masks = (truth,) if chosen is None else (truth, chosen)
        return Intensity(function, parameters={"background": chosen}, masks=masks)

    def _groups(self, classes: Mapping[int, str]) -> list[list[int]]:
        values = {name: value for value, name in classes.items()}
        unknown = [name for group in self.alike or () for name in group if name not in values]
        if unknown:
            raise PrepareError(
                f"the task has no class '{unknown[0]}'",
                where="augment.image_from_labels.alike",
                expected=f"one of {', '.join(values)}",
                code="class_unknown",
            )
        return [[values[name] for name in group] for group in self.alike or ()]


def _refused(what: str, expected: str) -> RecipeError:
    return RecipeError(
        f"{what} can't be drawn from", where="augment.image_from_labels", expected=expected, code="image_from_labels"
    )
