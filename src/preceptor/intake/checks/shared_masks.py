"""One label map on two images that are not the same."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task

#: Share of the maps that are a single case's, from which sharing one is strange.
_OWN = 0.8


class SharedMasks:
    """Label maps that are the same voxel for voxel in two cases whose images differ: one of them is another case's.

    A map put on a wrong image that has no second copy of it is not found: how well edges of map and image agree parts
    true from exchanged maps with an area of 0.78 alone, which is too little to accuse a case.

    Args:
        least_voxels: Labelled voxels below which two maps may be equal by chance.

    Raises: nothing; it returns `Problem` records of severity ``warning``.

    Source: own.

    Example:
        >>> SharedMasks()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(self, least_voxels: Annotated[int, Ge(1)] = 30) -> None:
        self.least_voxels = least_voxels

    @classmethod
    def example(cls) -> SharedMasks:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None or not sample.masks:
            return None
        images = "".join(_hash(image.array) for image in sample.images.values())
        masks = {
            name: _hash(mask.array)
            for name, mask in sample.masks.items()
            if self.least_voxels <= np.count_nonzero(mask.array) < mask.array.size
        }
        return {"images": images, "masks": masks}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        shared: dict[tuple[str, str], list[Case]] = defaultdict(list)
        for case in cohort:
            for name, content in ((facts.get(case.key) or {}).get("masks") or {}).items():
                shared[name, content].append(case)
        twice = []
        for name in dict.fromkeys(name for name, _ in shared):
            groups = [cases for (named, _), cases in shared.items() if named == name]
            # A region that is one and the same for all, such as a template's, is shared on purpose.
            if sum(len(cases) == 1 for cases in groups) >= _OWN * sum(map(len, groups)):
                twice += [cases for cases in groups if self._is_strange(cases, facts)]
        if not twice:
            return []
        return [
            Problem(
                f"{len(twice)} label map{'s belong' if len(twice) > 1 else ' belongs'} to two cases or more, whose images differ",
                "masks",
                "a label map of its own for each image",
                "look which case it was drawn on, and find the other's",
                "mask_shared",
                tuple(dict.fromkeys(case.key for cases in twice for case in cases)),
                "warning",
            )
        ]

    @staticmethod
    def _is_strange(cases: Sequence[Case], facts: Mapping[str, Any]) -> bool:
        """Several images of several people; two scans of one person may share a map."""
        return len({facts[case.key]["images"] for case in cases}) > 1 and len({case.cluster for case in cases}) > 1


def _hash(array: np.ndarray) -> str:
    content = hashlib.blake2b(repr(array.shape).encode(), digest_size=12)
    content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()
