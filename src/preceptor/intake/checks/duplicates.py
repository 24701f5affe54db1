"""One picture under two keys: the same file twice, a copy saved anew, a mirrored one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task
from preceptor.intake.copies.crops import find_crops, pack_wide, unpack_wide
from preceptor.intake.copies.duplicates import SAME_DETAIL, SAME_PICTURE, Pair, find_pairs, pack, thumbnail, unpack
from preceptor.intake.copies.thumbnail_index import pairs_on_disk
from preceptor.intake.stored_facts import StoredFacts

#: Sides of a split: a copy on two of them is a leak, for a model is fitted on one and measured on another.
_SIDES = {"train": 0, "tune": 0, "adapt": 0, "calibrate": 1, "test": 2, "external": 2}


class Duplicates:
    """Identical and near-identical images, across the whole cohort and whatever the role.

    Copies are found when saved anew (JPEG quality 15), at half the size, brighter, mirrored, turned or inverted, and
    flat ones when up to a tenth of a side is cropped. Pairs that cross patients become one identity before the split
    (`preceptor.intake.copies.duplicates`), so a copy on both sides of the split remains only where the data set fixes the
    roles. Labels that differ between two copies are told apart from that.

    Args:
        same_picture: Smallest absolute correlation of two 32 x 32 thumbnails.
        same_detail: Smallest absolute correlation of their fine detail, which tells different people apart who lie
            alike (heads registered to an atlas).
        crops_up_to: Crops are looked for among this many flat images at most, since the search grows with their square
            (2,000 chest X-rays take half a minute); of more images it is told that no crop was looked for. 0 looks for
            none and is silent.

    Raises: nothing; it returns `Problem` records. A picture on both sides of the split is an ``error``, anywhere else
    a ``warning``, and so are copies whose labels differ, and crops that were not looked for.

    Source: own. Threshold checked on the COVID-19 Image Data Collection: 8 pairs beyond 0.98, the next at 0.94.

    Example:
        >>> Duplicates()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(
        self,
        same_picture: Annotated[float, Gt(0), Le(1)] = SAME_PICTURE,
        same_detail: Annotated[float, Gt(0), Le(1)] = SAME_DETAIL,
        crops_up_to: Annotated[int, Ge(0)] = 2000,
    ) -> None:
        self.same_picture = same_picture
        self.same_detail = same_detail
        self.crops_up_to = crops_up_to
        self._found: tuple[Any, list[Pair], int] = (None, [], 0)

    @classmethod
    def example(cls) -> Duplicates:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        return {
            view: {"thumbnail": pack(thumbnail(image)), "hash": _hash(image), "wide": pack_wide(image)}
            for view, image in sample.images.items()
        }

    def pairs(self, facts: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> list[Pair]:
        """Every two images that are one picture.

        Args:
            facts: What was seen of each case. Where they lie on disk, so do the thumbnails that are compared.
            progress: Told ``(done, total)`` while thumbnails on disk are compared.
        """
        if self._found[0] is not facts:
            thresholds = (self.same_picture, self.same_detail)
            if isinstance(facts, StoredFacts):
                small = ((name, unpack(each["thumbnail"])) for name, each in _seen(facts))
                pairs = [
                    replace(pair, identical=_are_identical(facts, pair))
                    for pair in pairs_on_disk(facts.folder, small, *thresholds, progress)
                ]
            else:
                hashes = {name: each["hash"] for name, each in _seen(facts)}
                pairs = find_pairs(
                    {name: unpack(each["thumbnail"]) for name, each in _seen(facts)}, hashes, *thresholds
                )
            flat = sum(1 for _, each in _seen(facts) if each.get("wide"))
            if flat <= self.crops_up_to:
                wide = {name: unpack_wide(each["wide"]) for name, each in _seen(facts) if each.get("wide")}
                known = {frozenset(((pair.first, pair.first_view), (pair.second, pair.second_view))) for pair in pairs}
                pairs += find_crops(wide, known, *thresholds)
            self._found = (facts, pairs, flat)
        return self._found[1]

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        cases = {case.key: case for case in cohort}
        pairs = [pair for pair in self.pairs(facts) if pair.first in cases and pair.second in cases]
        kinds: dict[str, list[Pair]] = {}
        for pair in pairs:
            kinds.setdefault(_kind(cases[pair.first], cases[pair.second]), []).append(pair)
        told = [_problem(kind, kinds[kind]) for kind in _SAID if kind in kinds]
        return [*told, *_conflicting(pairs, cases), *self._not_looked_for(self._found[2])]

    def _not_looked_for(self, flat: int) -> list[Problem]:
        if not 0 < self.crops_up_to < flat:
            return []
        return [
            Problem(
                f"no crop was looked for among {flat:,} flat images: a picture cut out of another is not found",
                "images",
                f"{self.crops_up_to:,} flat images at most, since the search grows with their square",
                "raise `crops_up_to` of the check `duplicates` and be patient, or 0 where no crops can be among them",
                "crops_not_sought",
                severity="warning",
            )
        ]


def _seen(facts: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """``((case key, view), what was seen of it)``."""
    for key, fact in facts.items():
        for view, each in (fact or {}).items():
            yield (key, view), each


def _are_identical(facts: Mapping[str, Any], pair: Pair) -> bool:
    return bool(facts[pair.first][pair.first_view]["hash"] == facts[pair.second][pair.second_view]["hash"])


_SAID: Mapping[str, tuple[str, str, str]] = {
    "duplicates_across_split": (
        "stand on both sides of the split",
        "a picture on one side only",
        "deal the roles with `split`, which keeps copies together, or exclude one of each pair",
    ),
    "duplicates_within_case": (
        "are two views of one case",
        "a file of its own for each view",
        "look at how the views were assigned",
    ),
    "duplicates_across_patients": (
        "stand under two patients",
        "one patient for one picture",
        "look whether they are one person; the split keeps them together in any case",
    ),
    "duplicates_across_cases": (
        "stand under two keys",
        "a case for each picture",
        "keep one of them; the split keeps them together in any case",
    ),
    "duplicates_within_patient": (
        "are stored twice under one patient",
        "each picture once",
        "keep one of them: a picture that counts twice weighs twice",
    ),
}


def _kind(first: Case, second: Case) -> str:
    if first.key == second.key:
        return "duplicates_within_case"
    sides = {_SIDES[role] for role in (first.role, second.role) if role is not None}
    if len(sides) > 1:
        return "duplicates_across_split"
    if first.patient is None or second.patient is None:
        return "duplicates_across_cases"
    return "duplicates_within_patient" if first.patient == second.patient else "duplicates_across_patients"


def _problem(kind: str, pairs: Sequence[Pair]) -> Problem:
    said, expected, remedy = _SAID[kind]
    same = sum(pair.identical for pair in pairs)
    changed = sorted({pair.form for pair in pairs} - {"as it is"})
    how = f"{same} identical, {len(pairs) - same} nearly" + (f"; {', '.join(changed)}" if changed else "")
    return Problem(
        f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} of images {said} ({how})",
        "images",
        expected,
        remedy,
        kind,
        tuple(dict.fromkeys(key for pair in pairs for key in (pair.first, pair.second))),
        "error" if kind == "duplicates_across_split" else "warning",
    )


def _conflicting(pairs: Sequence[Pair], cases: Mapping[str, Case]) -> list[Problem]:
    """Copies of one picture that say different things."""
    apart: dict[str, list[Pair]] = {}
    for pair in pairs:
        first, second = cases[pair.first].labels, cases[pair.second].labels
        for label in first.keys() & second.keys():
            if (
                not is_missing(first[label])
                and not is_missing(second[label])
                and str(first[label]) != str(second[label])
            ):
                apart.setdefault(label, []).append(pair)
    return [
        Problem(
            f"{len(found)} pair{'s' if len(found) > 1 else ''} of images that are one picture differ in '{label}'",
            f"label {label}",
            "one label for one picture",
            "look at both and correct the label, or leave it empty for both",
            "duplicates_conflicting",
            tuple(dict.fromkeys(key for pair in found for key in (pair.first, pair.second))),
            "warning",
        )
        for label, found in sorted(apart.items())
    ]


def _hash(image: Any) -> str:
    content = hashlib.blake2b(repr((image.array.shape, str(image.array.dtype))).encode(), digest_size=12)
    content.update(image.array.tobytes())
    return content.hexdigest()
