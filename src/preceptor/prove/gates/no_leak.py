"""No person and no picture on both sides of the split."""

from __future__ import annotations

from preceptor.core.evidence import Evidence, Verdict

#: Problems that mean: what was tested had been learnt from.
_LEAKS = ("leaked_patients", "duplicates_across_split", "leak")


class NoLeak:
    """Holds when no check found a person, or a copy of a picture, on both sides of the split.

    Reads what the cohort's checks reported, whatever its severity; it finds nothing by itself. Patient ids that are
    told apart by nothing but case, spaces or zeros count when the check called them an error.

    Returns:
        A `Verdict` that names the first finding.

    Source: Kapoor & Narayanan 2023, "Leakage and the reproducibility crisis in machine-learning-based science".

    Example:
        >>> NoLeak()(Evidence({}, problems=({"code": "leaked_patients", "what": "2 people stand in both"},))).passed
        False
    """

    @classmethod
    def example(cls) -> NoLeak:
        return cls()

    def __call__(self, evidence: Evidence) -> Verdict:
        found = [
            problem
            for problem in evidence.problems
            if problem.get("code") in _LEAKS
            or (problem.get("code") == "patient_ids_alike" and problem.get("severity") == "error")
        ]
        if not found:
            return Verdict("no_leak", True, "no check reported a person or a picture on both sides of the split")
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return Verdict("no_leak", False, f"{found[0].get('what')}{more}")
