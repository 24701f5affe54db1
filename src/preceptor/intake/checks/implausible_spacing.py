"""Voxels of a size that no scanner makes, or that differ from those of every other case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task

#: Fewer cases than this say nothing of what is usual.
_ENOUGH = 8


class ImplausibleSpacing:
    """Spacings that can't be true, and cases whose size in millimetres stands far apart from the others'.

    Without millimetres (PNG, JPEG) there is nothing to check; where some cases have them and others not, that is said.
    Whole slides are checked when they are opened.

    Args:
        smallest_mm: Below it a spacing is taken for a slip of the unit (metres written as millimetres).
        largest_mm: Above it likewise.
        deviations: How many robust standard deviations of the logarithm of the cohort's sizes a case may lie away, and
            by how much more than a factor of 1.5 at least.

    Raises: nothing; it returns `Problem` records: an impossible spacing is an ``error``, an unusual size a ``warning``.

    Source: own; median absolute deviation times 1.4826 (Rousseeuw & Croux 1993).

    Example:
        >>> ImplausibleSpacing()(Cohort((), Path()), {}, None)
        []
    """

    reads = "pixels"

    def __init__(
        self,
        smallest_mm: Annotated[float, Gt(0)] = 0.01,
        largest_mm: Annotated[float, Gt(0)] = 30.0,
        deviations: Annotated[float, Gt(0)] = 6.0,
    ) -> None:
        self.smallest_mm = smallest_mm
        self.largest_mm = largest_mm
        self.deviations = deviations

    @classmethod
    def example(cls) -> ImplausibleSpacing:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        if sample is None:
            return None
        images = {
            view: {"spacing_mm": image.spacing_mm, "shape": image.shape} if image.has_known_geometry else None
            for view, image in sample.images.items()
            if image.meta.get("source_format") != "slide"  # whose microns were held against their own bounds
        }
        volumes = {
            name: int(np.count_nonzero(mask.array)) * float(np.prod(mask.spacing_mm))
            for name, mask in sample.masks.items()
            if mask.has_known_geometry
        }
        return {"images": images, "volumes": volumes}

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        seen = [(case.key, facts[case.key]) for case in cohort if facts.get(case.key)]
        known = [(key, view, each) for key, fact in seen for view, each in fact["images"].items() if each]
        measured = {view for _, view, _ in known}
        unknown = {key for key, fact in seen for view, each in fact["images"].items() if not each and view in measured}
        problems = self._impossible(known)
        bad = {key for problem in problems for key in problem.cases}
        if unknown:
            problems.append(
                Problem(
                    f"{len(unknown)} of {len(seen)} cases say nothing of their voxel size, the others do",
                    "spacing",
                    "millimetres for all, or for none",
                    "bring the cases from files that keep the spacing; resampling treats a missing one as 1",
                    "spacing_missing",
                    tuple(sorted(unknown)),
                    "warning",
                )
            )
        for view in dict.fromkeys(view for _, view, _ in known):
            sides = {key: each for key, named, each in known if named == view and key not in bad}
            extents = {key: np.multiply(each["spacing_mm"], each["shape"]) for key, each in sides.items()}
            problems += self._unusual(extents, f"view {view}", "mm along an axis", "image_extent")
        if task is not None and task.mask is not None:
            volumes = {key: [fact["volumes"][task.mask]] for key, fact in seen if fact["volumes"].get(task.mask)}
            problems += self._unusual(volumes, f"mask {task.mask}", "mm³ labelled", "label_volume", power=3)
        return problems

    def _impossible(self, known: list[tuple[str, str, Any]]) -> list[Problem]:
        wrong = {
            key: each["spacing_mm"]
            for key, _, each in known
            if min(each["spacing_mm"]) < self.smallest_mm or max(each["spacing_mm"]) > self.largest_mm
        }
        if not wrong:
            return []
        shown = " x ".join(f"{side:.4g}" for side in next(iter(wrong.values())))
        who = f"{len(wrong)} cases have" if len(wrong) > 1 else "1 case has"
        return [
            Problem(
                f"{who} voxels no scanner makes ({shown} mm)",
                "spacing",
                f"{self.smallest_mm:g} to {self.largest_mm:g} mm",
                "repair the header: metres or micrometres may be written as millimetres",
                "spacing_impossible",
                tuple(wrong),
            )
        ]

    def _unusual(self, sizes: Mapping[str, Any], where: str, unit: str, code: str, power: int = 1) -> list[Problem]:
        """Cases whose size stands apart. `power`: a volume grows with the third power of a spacing error."""
        sizes = {key: value for key, value in sizes.items() if len(value) == len(next(iter(sizes.values())))}
        if len(sizes) < _ENOUGH:
            return []
        logs = np.log(np.array(list(sizes.values()), dtype=float))
        middle = np.median(logs, axis=0)
        spread = 1.4826 * np.median(np.abs(logs - middle), axis=0)
        limit = np.maximum(self.deviations * spread, power * np.log(1.5))
        far = (np.abs(logs - middle) > limit).any(axis=1)
        keys = [key for key, is_far in zip(sizes, far, strict=True) if is_far]
        if not keys:
            return []
        worst = max(keys, key=lambda key: np.abs(np.log(sizes[key]) - middle).max())
        axis = int(np.abs(np.log(sizes[worst]) - middle).argmax())
        return [
            Problem(
                f"{len(keys)} case{'s stand' if len(keys) > 1 else ' stands'} apart in size: "
                f"{sizes[worst][axis]:.4g} {unit} where {np.exp(middle[axis]):.4g} is usual (case {worst})",
                where,
                f"within {self.deviations:g} robust deviations of the cohort",
                "look whether the spacing is right; a factor of 2 is often a slip",
                code,
                tuple(keys),
                "warning",
            )
        ]
