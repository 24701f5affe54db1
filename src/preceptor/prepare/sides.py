"""Sides: what a mirror makes of left and right, and which turns and mirrors a case refuses.

A mirror along left-right makes a left hippocampus a right one: structures whose names differ in their side alone trade places.
A turn is no mirror and leaves every name as it is; but a large one brings the left to the right of the grid. Every transform that
mirrors or turns asks here, so that all obey one rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.evidence import Question
from preceptor.core.plain import is_missing
from preceptor.maths.geometry import closest_axes

_OTHER_SIDE = {"left": "right", "right": "left", "lh": "rh", "rh": "lh", "l": "r", "r": "l"}
#: Words and numbers; L1 and R2 are no sides but a vertebra and a rib.
_WORDS = re.compile(r"\b[lr][0-9]+\b|[a-z]+|[0-9]+")
#: Organs that lie on one side, or differ between their sides: a mirror makes a situs inversus of them.
_LIES_ON_ONE_SIDE = frozenset(
    (
        "heart",
        "cardiac",
        "myocardium",
        "atrium",
        "atrial",
        "ventricular",
        "aorta",
        "aortic",
        "liver",
        "hepatic",
        "spleen",
    )
    + ("stomach", "gallbladder", "pancreas", "caecum", "cecum", "appendix", "duodenum")
)
#: Ventricles of the brain come in pairs that a mirror exchanges; those of the heart are two different things.
_OF_THE_BRAIN = frozenset(["lateral", "third", "fourth", "inferior"])
_LATERALITY = ("laterality", "imagelaterality", "image laterality", "frame laterality", "measurement laterality")


def is_sided(name: str) -> bool:
    """Whether a name says left or right."""
    return any(word in _OTHER_SIDE for word in _words(name))


def lies_on_one_side(name: str) -> bool:
    """Whether a name is that of an organ that has no equal on the other side: the heart and its chambers, the liver …"""
    words = set(_words(name))
    of_the_heart = bool(words & {"ventricle", "ventricles"}) and not words & _OF_THE_BRAIN
    return bool(words & _LIES_ON_ONE_SIDE) or (of_the_heart and is_sided(name))


def has_sides(question: Question) -> bool:
    """Whether a class of the question says left or right."""
    return any(is_sided(name) for name in question.classes)


def exchanged(values: Mapping[int, str], sides: Mapping[str, str] | None, *, one_sided: bool = False) -> dict[int, int]:
    """``{value: value}`` of the structures that trade places in a mirror along left-right.

    Args:
        values: ``{value in the mask: structure}``.
        sides: What becomes what, both ways; a structure named with itself stays. The rest is found by names.
        one_sided: Whether organs that lie on one side may be mirrored; they keep their names.

    Raises:
        PrepareError: A side has no partner, or an organ that lies on one side would be mirrored unasked.
    """
    by_name = {_normal(name): value for value, name in values.items()}
    given = {_normal(a): _normal(b) for a, b in (sides or {}).items()}
    given |= {b: a for a, b in given.items()}
    found = {}
    for name, value in by_name.items():
        on_one_side = lies_on_one_side(name) and name not in given
        if on_one_side and not one_sided:
            raise PrepareError(
                f"a mirror along left-right would move the structure '{values[value]}', which lies on one side of the body",
                where="augment.flip",
                expected="structures that a mirrored patient could have",
                remedy=f"flip along other axes only, or ask for it: flip.sides {{{values[value]}: {values[value]}}}, or "
                "flip.one_sided: mirror",
                code="flip_one_sided",
            )
        partner = name if on_one_side else given.get(name) or (_mirrored(name) if is_sided(name) else name)
        if partner not in by_name:
            raise PrepareError(
                f"the structure '{values[value]}' is on one side, and there is none for the other",
                where="augment.flip",
                expected="structures in pairs, or `sides` to say what a mirror makes of each",
                remedy=f"flip along other axes only, or give flip.sides, such as {{{values[value]}: {values[value]}}}",
                code="flip_side_structure",
            )
        if by_name[partner] != value:
            found[value] = by_name[partner]
    return found


def refuse_side_labels(sample: Sample) -> None:
    """Refuse a mirror along left-right of a case whose label is a side.

    Raises:
        PrepareError: It is.
    """
    for name, value in sample.labels.items():
        if isinstance(value, str) and is_sided(value):
            raise PrepareError(
                f"the label '{name}' is a side, which a mirror along left-right makes wrong",
                where=f"case {sample.key}, augment.flip",
                expected="a label that a mirrored image keeps",
                remedy="flip along other axes only",
                code="flip_side_label",
            )


def refuse_laterality(sample: Sample) -> None:
    """Refuse a mirror along left-right of a case whose record says which side the image shows.

    Raises:
        PrepareError: A field or the image's own record (DICOM's ImageLaterality) says left or right.
    """
    known = [
        *sample.fields.items(),
        *((name, value) for image in sample.images.values() for name, value in image.meta.items()),
    ]
    for name, value in known:
        if not is_missing(value) and " ".join(_words(str(name))) in _LATERALITY and is_sided(str(value)):
            raise PrepareError(
                f"'{name}' says which side the image shows, and a mirror along left-right makes it wrong",
                where=f"case {sample.key}, augment.flip",
                expected="images that show no one side",
                remedy="flip along other axes only, or ask for it: flip.one_sided: mirror",
                code="flip_laterality",
            )


def refuse_turned_sides(sample: Sample, degrees: Iterable[float], transform: str) -> None:
    """Refuse turns that bring the patient's left to the right of the grid where a label or a structure is a side.

    Args:
        sample: Its labels, its structures and its grid are looked at.
        degrees: Largest turn about each axis of the array; in a plane about its normal.
        transform: Its name in the recipe.

    Raises:
        PrepareError: A turn of a quarter or more, about another axis than left-right, meets a side.
    """
    turned = [axis for axis, most in enumerate(degrees) if most >= 90]
    image = sample.reference
    if not turned or not _moves_sides(turned, image.affine_mm, image.space_dims, image.has_known_geometry):
        return
    labels = [value for value in sample.labels.values() if isinstance(value, str)]
    structures = [name for values in sample.mask_values.values() for name in values.values()]
    sided = next((name for name in (*labels, *structures) if is_sided(name)), None)
    if sided is not None:
        raise PrepareError(
            f"turns of a quarter or more bring left to right, and '{sided}' is a side",
            where=f"case {sample.key}, augment.{transform}",
            expected="turns below 90 degrees about every axis but left-right",
            remedy="lower the degrees; or, where anatomy alone should tell the side, take "
            "{rotate: {turned_sides: keep}} for the turns",
            code="turn_sides",
        )


def _moves_sides(turned: Iterable[int], affine_mm: np.ndarray, dims: int, known: bool) -> bool:
    if not known:
        return True
    axes = [anatomical for anatomical, _ in closest_axes(affine_mm, dims)]
    return 0 in axes if dims == 2 else any(axes[axis] != 0 for axis in turned)


def _words(name: str) -> list[str]:
    return _WORDS.findall(_spaced(name).lower())


def _spaced(name: str) -> str:
    """``ImageLaterality`` as two words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _normal(name: str) -> str:
    return " ".join(_words(name))


def _mirrored(name: str) -> str:
    return " ".join(_OTHER_SIDE.get(word, word) for word in name.split())
