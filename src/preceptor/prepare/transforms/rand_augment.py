"""RandAugment: some of a list of transforms, drawn anew each time, all at one strength."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Nothing, Several
from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Nested, Transform
from preceptor.core.slots import build, parameters, spec


class RandAugment:
    """Draws a few of a list of transforms and applies them in the order drawn: two numbers stand for a whole policy.

    Every transform is named with the settings of its full strength. `magnitude` is the share of that at which it works:
    each setting that its class names in `neutral` lies that far on the way from the value that changes nothing to the one
    given. Settings without a neutral value, and transforms without any (`flip`), stay as given.

    A transform may be drawn twice. What moves voxels is composed with the recipe's other maps into one, as everywhere.

    Args:
        transforms: The list, spatial and of pixel values, each with its settings at full strength.
        count: How many are drawn each time.
        magnitude: 0 to 1; the source counts it from 0 to 30.
        chance: How often it happens. Each transform's own `chance` counts on top.

    Returns:
        From `draw`: `Several`, or `Nothing`.

    Raises:
        RecipeError: The list is empty, or holds a transform that is fitted.

    Source: Cubuk 2020, "RandAugment" (arXiv:1909.13719), algorithm in section 3.

    Example:
        >>> policy = RandAugment([{"noise": {"sigma": 0.4}}, {"gamma": {"highest": 3.0}}], count=2, magnitude=0.5)
        >>> [len(each) for each in policy.draw(np.random.default_rng(0), Sample("a", {})).parameters["drawn"]]
        [1, 1]
    """

    def __init__(
        self,
        transforms: Annotated[list[str | dict[str, Any]], Nested("transforms", many=True)],
        count: Annotated[int, Ge(1)] = 2,
        magnitude: Annotated[float, Ge(0), Le(1)] = 0.3,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.transforms = transforms
        self.count = count
        self.magnitude = magnitude
        self.chance = chance
        self._names = [spec(each)[0] for each in transforms]
        self._made = [_at(build("transforms", each), magnitude) for each in transforms]
        for name, each in zip(self._names, self._made, strict=True):
            if hasattr(each, "fit"):
                raise _refused(f"'{name}' is fitted on the training cases", f"move {name} to prepare")
        if not self._made:
            raise _refused("the list of transforms is empty", "name some, or take rand_augment out")

    @classmethod
    def example(cls) -> RandAugment:
        return cls([{"affine": {"degrees": 20.0}}, {"noise": {"sigma": 0.3}}, {"blur": {"sigma_mm": 2.0}}])

    @property
    def reads_pixels(self) -> bool:
        """Whether any of them does."""
        return any(getattr(each, "reads_pixels", True) for each in self._made)

    def suits(self, question: Question) -> bool:
        """Whether all of them do."""
        return all(each.suits(question) for each in self._made if hasattr(each, "suits"))

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        chosen = rng.integers(len(self._made), size=self.count).tolist()
        parts = tuple(self._made[number].draw(rng, sample) for number in chosen)
        drawn = [{self._names[number]: dict(part.parameters)} for number, part in zip(chosen, parts, strict=True)]
        return Several(parts, parameters={"drawn": drawn})


def _at(transform: Any, magnitude: float) -> Transform:
    """The transform at a share of its strength."""
    neutral = getattr(transform, "neutral", {})
    cls: Any = type(transform)
    settings = {name: getattr(transform, name) for name in parameters(cls)}
    for name, still in neutral.items():
        given = settings[name]
        several = [still + magnitude * (each - still) for each in (given if isinstance(given, list) else [given])]
        several = [round(each) for each in several] if isinstance(still, int) else several
        settings[name] = several if isinstance(given, list) else several[0]
    made: Transform = cls(**settings)
    return made


def _refused(what: str, remedy: str) -> RecipeError:
    return RecipeError(
        what,
        where="augment.rand_augment",
        expected="transforms that are drawn for one case",
        remedy=remedy,
        code="rand_augment",
    )
