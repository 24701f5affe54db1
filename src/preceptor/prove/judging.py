"""From stored predictions to evidence: every evaluator, then every gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, Problem
from preceptor.core.evidence import Evidence, Finding, Predictions
from preceptor.core.slots import build, spec


def judge(
    predictions: Predictions,
    cohort: Cohort,
    evaluators: Sequence[Any],
    gates: Sequence[Any],
    problems: Sequence[Problem] = (),
    facts: Mapping[str, Any] | None = None,
    *,
    unasked: bool = False,
) -> Evidence:
    """Measure the test cases (out-of-fold, after cross-validation) and decide.

    Cases with the role `external` are measured apart, under ``external.<finding>``. An evaluator that compares roles
    says which it reads (``roles``), and is asked once for all of them. One that chooses something first, such as a
    threshold, is fitted on the cases of its `fit_role`.

    Args:
        predictions: Of every role.
        cohort: Whom they are of.
        evaluators, gates: Sections of the recipe.
        problems: What the checks reported; gates such as `no_leak` read them.
        facts: Whatever else the report shows.
        unasked: Nobody named the evaluators: one that the predictions do not hold enough for (no uncertainty, no tuning
            cases …) is left out, and the fact ``left_out`` says why.

    Raises:
        CohortError: No test case was predicted, or an evaluator that was asked for can't measure.
    """
    tested = predictions.role("test")
    if not len(tested):
        raise CohortError(
            "no case with the role 'test' was predicted",
            expected="a test share in `split`, or predictions whose role is 'test'",
            code="no_test_cases",
        )
    findings: dict[str, Finding] = {}
    left_out: dict[str, str] = {}
    for each in evaluators:
        try:
            findings |= _measured(each, predictions, tested, cohort)
        except CohortError as error:
            if not unasked:
                raise
            left_out[spec(each)[0]] = error.problem.what
    counts = predictions.table.groupby("role")["key"].nunique().to_dict()
    refused = int((~tested.table["accepted"].astype(bool)).sum())
    told = {
        "question": asdict(predictions.question),
        "headline": next(iter(findings), None),
        **({"left_out": left_out} if left_out else {}),
        "predicted": {role: int(number) for role, number in counts.items()},
        "refused": refused,
        "interval_unit": "patient" if cohort.knows_patients else "image",
        **(facts or {}),
    }
    evidence = Evidence(findings, (), tuple(asdict(problem) for problem in problems), told)
    verdicts = tuple(build("gates", each)(evidence) for each in gates)
    return Evidence(evidence.findings, verdicts, evidence.problems, evidence.facts)


def _measured(each: Any, predictions: Predictions, tested: Predictions, cohort: Cohort) -> dict[str, Finding]:
    """What one evaluator finds, of the test cases and of the external ones."""
    name, _ = spec(each)
    evaluator = build("evaluators", each)
    if hasattr(evaluator, "fit"):
        evaluator = evaluator.with_state(evaluator.fit(predictions.role(evaluator.fit_role)))
    roles = getattr(evaluator, "roles", None)
    found = {name: evaluator(tested if roles is None else predictions.role(*roles), cohort)}
    external = predictions.role("external")
    if len(external) and roles is None:
        found[f"external.{name}"] = evaluator(external, cohort)
    return found


def stated(evaluators: Sequence[Any], evidence: Evidence) -> list[Any]:
    """Evaluators with what an earlier run chose written out, for a cohort without tuning cases of its own.

    Args:
        evaluators: Section of the recipe.
        evidence: Of the run.
    """
    found = []
    for each in evaluators:
        name, _ = spec(each)
        evaluator = build("evaluators", each)
        known = hasattr(evaluator, "stated") and name in evidence
        found.append(evaluator.stated(evidence[name]) if known else each)
    return found
