"""Which axis of the array an augmentation acts along."""

from __future__ import annotations

from typing import Literal

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError

#: An axis of the array, or any, drawn anew each time.
Axis = Literal["any", "x", "y", "z"]


def chosen_axis(name: Axis, share: float, sample: Sample, transform: str) -> int:
    """The axis of space that is meant, counted from the end: -1 for the last.

    Args:
        name: ``x``, ``y``, ``z``, or ``any``.
        share: A number in 0..1 that decides where any will do.
        sample: Tells how many axes there are.
        transform: Name in the recipe, for the message.

    Raises:
        PrepareError: The image has no such axis.
    """
    dims = sample.reference.space_dims
    number = int(share * dims) if name == "any" else "xyz".index(name)
    if number >= dims:
        raise PrepareError(
            f"a picture of {dims} axes has no axis '{name}'",
            where=f"case {sample.key}, augment.{transform}",
            expected=" or ".join("xyz"[:dims]),
            remedy=f"{{{transform}: {{axis: any}}}}",
            code="axis_unknown",
        )
    return number - dims
