"""Lung mask: the lungs in chest CT, and a guess at them in frontal chest X-rays, without a network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Derived, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.maths.geometry import closest_axes
from preceptor.prepare.lungs import Lungs, lungs_in_ct, lungs_in_xray
from preceptor.prepare.named_masks import as_mask


class LungMask:
    """Adds a mask of the lungs by threshold and connected parts, with a number for its quality; implausible ones refused.

    In CT the lungs are the large parts of air inside the body, with the vessels in them; consolidated lung is as dense
    as a wall and is missed. Tried on phantoms alone, since no chest CT was at hand.

    In frontal X-rays they are the two large dark parts that lie side by side. Beside the masks of a network (90 films,
    many with pneumonia) the default accepts 56, with a median Dice of 0.83 and none below 0.68; white lungs are not
    found, and a mask may stop where the lung turns white. It serves to crop; what is measured inside it leaves out the
    diseased part. Lateral films have no two lungs: name the frontal one as `view`.

    Args:
        modality: ``ct``, ``xray``, or ``auto``: volumes are CT and pictures X-rays.
        least_quality: In CT how much the smaller side holds of half the volume; in X-rays how alike, level and solid
            the two parts are. A mask of less is refused.
        least_ml: In CT, less lung is refused.
        most_ml: In CT, more too.
        view: The view that is looked at; None for the first of each grid.
        name: Of the mask.

    Shapes: ``(channel, x, y[, z])``; CT in Hounsfield units; X-rays with lungs darker than the mediastinum.

    Returns:
        From `draw`: a `Derived` with one mask of 0 and 1.

    Raises:
        PrepareError: No plausible lungs were found, or the image is neither a volume nor a picture of that kind.

    Source: threshold and components as in Hu, Hoffman & Reinhardt 2001, IEEE Transactions on Medical Imaging 20(6), for
    CT; the X-ray's rule: own.

    Example:
        >>> LungMask(view="frontal").name
        'lung'
    """

    def __init__(
        self,
        modality: Literal["auto", "ct", "xray"] = "auto",
        least_quality: Annotated[float, Ge(0), Le(1)] = 0.5,
        least_ml: Annotated[float, Ge(0)] = 800.0,
        most_ml: Annotated[float, Ge(0)] = 10000.0,
        view: str | None = None,
        name: str = "lung",
    ) -> None:
        self.modality = modality
        self.least_quality = least_quality
        self.least_ml = least_ml
        self.most_ml = most_ml
        self.view = view
        self.name = name

    @classmethod
    def example(cls) -> LungMask:
        return cls(view="frontal")

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        view = self.view or next(iter(sample.images))
        if view not in sample.images:
            return Nothing()
        image = sample.images[view]
        found, told = self._found(image)
        if found.quality < self.least_quality or not found.mask.any():
            raise _implausible(
                f"what was found has a quality of {found.quality:.2f}", f"{self.least_quality:g} or more"
            )
        return Derived(masks={self.name: as_mask(found.mask, image)}, parameters={"quality": found.quality, **told})

    def _found(self, image: Image) -> tuple[Lungs, dict[str, Any]]:
        is_ct = self.modality == "ct" or (self.modality == "auto" and image.space_dims == 3)
        if image.has_time or image.space_dims != (3 if is_ct else 2):
            raise _implausible(f"the image has {image.space_dims} axes of space", "a CT volume or a frontal X-ray")
        if not is_ct:
            found = lungs_in_xray(image.array.astype(np.float32).mean(0))
            return found, {"share": float(found.mask.mean())}
        hu = np.asarray(image.array[0], dtype=np.float32)
        if hu.min() > -500:
            raise _implausible(f"the darkest voxel holds {hu.min():.4g}", "Hounsfield units, air near -1000")
        sideways = [axis for axis, _ in closest_axes(image.affine_mm, 3)].index(0)
        found = lungs_in_ct(hu, image.spacing_mm, sideways)
        millilitres = float(found.mask.sum() * np.prod(image.spacing_mm) / 1000)
        if not self.least_ml <= millilitres <= self.most_ml:
            raise _implausible(
                f"what was found holds {millilitres:.0f} ml", f"{self.least_ml:g} to {self.most_ml:g} ml"
            )
        return found, {"lung_ml": millilitres, "parts": found.parts}


def _implausible(what: str, expected: str) -> PrepareError:
    return PrepareError(
        f"no plausible lungs: {what}",
        where="prepare.lung_mask",
        expected=expected,
        remedy="look at the image: white lungs, a lateral film, a part of the chest, another unit; exclude the case or "
        "leave the step out",
        code="no_lungs",
    )
