"""Numbers of one column in two units: centimetres beside millimetres, days beside months."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task
from preceptor.intake.columns import number_of

#: Factors between units that are mixed up, and what they may be.
_FACTORS: Mapping[float, str] = {
    2.2046: "pounds and kilograms",
    2.54: "inches and centimetres",
    7.0: "weeks and days",
    10.0: "centimetres and millimetres",
    12.0: "years and months",
    18.016: "mmol/l and mg/dl of glucose",
    24.0: "days and hours",
    30.44: "months and days",
    60.0: "hours and minutes",
    88.42: "mg/dl and µmol/l of creatinine",
    100.0: "metres and centimetres",
    365.25: "years and days",
    1000.0: "metres and millimetres, or grams and kilograms",
}

#: How far the ratio of the medians may lie from the factor, and how empty the gap between the two groups must be.
_NEAR, _GAP = 0.15, 1.4

#: Fewer values than this are codes, not measurements.
_DISTINCT = 12


class MixedUnits:
    """Columns of numbers that fall into two groups, one of which fits into the other by the factor between two units.

    Found where the groups are parted by a gap (heights, sizes, weights, laboratory values); a time of follow-up that
    runs from days to years has none, and its units can't be told apart by the numbers.

    Args:
        least: Cases of the smaller group below which nothing is said.

    Raises: nothing; it returns `Problem` records of severity ``warning``.

    Source: own.

    Example:
        >>> MixedUnits()(Cohort((), Path()), {}, None)
        []
    """

    reads = "nothing"

    def __init__(self, least: Annotated[int, Ge(1)] = 2) -> None:
        self.least = least

    @classmethod
    def example(cls) -> MixedUnits:
        return cls()

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        problems = []
        for kind in ("labels", "fields"):
            for name in dict.fromkeys(each for case in cohort for each in getattr(case, kind)):
                values = {case.key: getattr(case, kind).get(name) for case in cohort}
                held = {key: value for key, value in values.items() if not is_missing(value)}
                numbers = {
                    key: each for key, value in held.items() if (each := number_of(value)) is not None and each > 0
                }
                if len(numbers) > 0.9 * len(held) and len(set(numbers.values())) >= _DISTINCT:
                    problems += self._parted(f"{kind[:-1]} {name}", numbers)
        return problems

    def _parted(self, where: str, numbers: Mapping[str, float]) -> list[Problem]:
        keys = sorted(numbers, key=numbers.__getitem__)
        values = np.array([numbers[key] for key in keys])
        steps = values[1:] / values[:-1]
        cut = int(steps.argmax()) + 1
        low, high = values[:cut], values[cut:]
        few = min(len(low), len(high))
        if steps[cut - 1] < _GAP or few < self.least or few == max(len(low), len(high)) == 1:
            return []
        ratio = float(np.median(high) / np.median(low))
        factor = min(_FACTORS, key=lambda each: abs(np.log(each / ratio)))
        most, other = (high, low * factor) if len(high) >= len(low) else (low, high / factor)
        # A column as wide as the factor itself has gaps of its own.
        fits = most.min() <= np.median(other) <= most.max() and most.max() / most.min() < factor**0.8
        if abs(ratio / factor - 1) > _NEAR or not fits:
            return []
        odd = keys[:cut] if len(low) < len(high) else keys[cut:]
        return [
            Problem(
                f"{len(odd)} of {len(keys)} values lie apart by a factor of {ratio:.3g}, as between {_FACTORS[factor]}",
                where,
                "one unit in a column",
                "look where these cases come from, bring them to one unit, and name it in the column",
                "units_mixed",
                tuple(sorted(odd)),
                "warning",
            )
        ]
