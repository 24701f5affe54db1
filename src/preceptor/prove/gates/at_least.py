"""A finding must reach a value."""

from __future__ import annotations

import math
from typing import Literal

from preceptor.core.evidence import Evidence, Verdict


class AtLeast:
    """Holds when a finding, or the lower end of its interval, is at least a value.

    A finding that is not there, or is undefined, or has no interval where its bound is asked for, does not hold.

    Args:
        finding: Its name, ``dice`` or a part such as ``dice.anterior``.
        value: What it must reach, in the finding's unit.
        bound: What is compared: the "lower" end of the interval, or the "value" itself.

    Returns:
        A `Verdict` with the numbers in its sentence.

    Source: an acceptance limit is set before the test and met by the interval, not by the estimate (as for
        non-inferiority: ICH E9, section 3.3.2).

    Example:
        >>> from preceptor.core.evidence import Finding
        >>> evidence = Evidence({"dice": Finding("dice", 0.9, "overlap", interval=(0.88, 0.92))})
        >>> AtLeast(finding="dice", value=0.85)(evidence).passed
        True
    """

    def __init__(self, finding: str, value: float, bound: Literal["lower", "value"] = "lower") -> None:
        self.finding = finding
        self.value = value
        self.bound = bound

    @classmethod
    def example(cls) -> AtLeast:
        return cls(finding="dice", value=0.85)

    def __call__(self, evidence: Evidence) -> Verdict:
        try:
            finding = evidence[self.finding]
        except KeyError:
            return Verdict("at_least", False, f"there is no finding '{self.finding}' to compare with {self.value:g}")
        if self.bound == "lower":
            what = f"the lower end of the {100 * finding.level:g} % interval of {self.finding}"
            found = math.nan if finding.interval is None else finding.interval[0]
        else:
            what, found = self.finding, finding.value
        unit = f" {finding.unit}" if finding.unit else ""
        if math.isnan(found):
            return Verdict("at_least", False, f"{what} is undefined, and {self.value:g}{unit} is asked for")
        passed = found >= self.value
        return Verdict(
            "at_least", passed, f"{what} is {found:.4g}{unit}, {'at least' if passed else 'below'} {self.value:g}{unit}"
        )
