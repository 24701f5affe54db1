"""Hounsfield: what is not in Hounsfield units goes no further."""

from __future__ import annotations

import numpy as np

from preceptor.core.applied import Applied, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

#: Below it lies nothing but air and lung: half-way between air and water.
_AIR_HU = -500.0
#: Values that no body holds: metal ends the usual scale at 3071, and extended scales at a few ten thousand.
_LARGEST_HU = 70_000.0


class Hounsfield:
    """Refuses images that are not in Hounsfield units: another modality, or values that were never rescaled.

    Reading a CT already applies its own slope and intercept, so there is nothing to convert. What comes as NIfTI may have
    lost them, or been shifted by 1024 to fit unsigned numbers, and a window in Hounsfield units would then show the wrong
    tissue without a word. Put this step first.

    Args:
        needs_air: Refuse images without a value below -500. A scan of a body always shows some air; false for regions
            that were cut out of one.

    Returns:
        From `draw`: `Nothing`; the images are left as they are.

    Raises:
        PrepareError: The modality is known and is not CT, or the values can't be Hounsfield units.

    Source: DICOM PS3.3 C.8.2.1.1.2 (the unit of CT values); Buzug, Computed Tomography, section 8.2 (its scale).

    Example:
        >>> Hounsfield(needs_air=False).needs_air
        False
    """

    def __init__(self, needs_air: bool = True) -> None:
        self.needs_air = needs_air

    @classmethod
    def example(cls) -> Hounsfield:
        return cls(needs_air=False)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        for view, image in sample.images.items():
            self._check(view, image)
        return Nothing()

    def _check(self, view: str, image: Image) -> None:
        modality = str(image.meta.get("modality") or "")
        if modality and modality != "CT":
            raise PrepareError(
                f"the view '{view}' is of the modality {modality}, whose values are no Hounsfield units",
                where="prepare.hounsfield",
                expected="CT",
                remedy="exclude the case; other modalities need another scale, such as percentile or zscore",
                code="not_ct",
            )
        lowest, highest = float(image.array.min()), float(image.array.max())
        if highest > _LARGEST_HU or highest <= _AIR_HU:
            self._refuse(view, f"its values go from {lowest:g} to {highest:g}")
        if self.needs_air and lowest > _AIR_HU:
            self._refuse(view, f"it has no air: its lowest value is {lowest:g}")

    def _refuse(self, view: str, why: str) -> None:
        raise PrepareError(
            f"the view '{view}' is not in Hounsfield units: {why}",
            where="prepare.hounsfield",
            expected="air near -1000, water at 0, bone up to some 3000",
            remedy="convert it with its rescale slope and intercept; {hounsfield: {needs_air: false}} for cut-out regions",
            code="not_hounsfield",
        )
