"""A finding must not exceed a value."""

from __future__ import annotations

import math
from typing import Literal

from preceptor.core.evidence import Evidence, Verdict


class AtMost:
    """Holds when a finding, or the upper end of its interval, is at most a value.

    A finding that is not there, or is undefined, or has no interval where its bound is asked for, does not hold.

    Args:
        finding: Its name, ``calibration`` or a part such as ``surface_distance.hd95``.
        value: What it must not exceed, in the finding's unit.
        bound: What is compared: the "upper" end of the interval, or the "value" itself.

    Returns:
        A `Verdict` with the numbers in its sentence.

    Source: an acceptance limit is set before the test and met by the interval, not by the estimate (as for
        non-inferiority: ICH E9, section 3.3.2).

    Example:
        >>> from preceptor.core.evidence import Finding
        >>> evidence = Evidence({"calibration": Finding("calibration", 0.03, "gap", interval=(0.02, 0.05))})
        >>> AtMost(finding="calibration", value=0.1)(evidence).passed
        True
    """

    def __init__(self, finding: str, value: float, bound: Literal["upper", "value"] = "upper") -> None:
        self.finding = finding
        self.value = value
        self.bound = bound

    @classmethod
    def example(cls) -> AtMost:
        return cls(finding="calibration", value=0.1)

    def __call__(self, evidence: Evidence) -> Verdict:
        try:
            finding = evidence[self.finding]
        except KeyError:
            return Verdict("at_most", False, f"there is no finding '{self.finding}' to compare with {self.value:g}")
        if self.bound == "upper":
            what = f"the upper end of the {100 * finding.level:g} % interval of {self.finding}"
            found = math.nan if finding.interval is None else finding.interval[1]
        else:
            what, found = self.finding, finding.value
        unit = f" {finding.unit}" if finding.unit else ""
        if math.isnan(found):
            return Verdict("at_most", False, f"{what} is undefined, and {self.value:g}{unit} is asked for")
        passed = found <= self.value
        return Verdict(
            "at_most", passed, f"{what} is {found:.4g}{unit}, {'at most' if passed else 'above'} {self.value:g}{unit}"
        )
