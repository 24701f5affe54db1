"""What a run's record says of how well its model did. A function says None where nothing was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from preceptor.core.evidence import Finding
from preceptor.prove.explaining.trust import TrustReport
from preceptor.prove.report.limits import limits as limits_of
from preceptor.prove.report.record import Record
from preceptor.prove.report.wording import called, counted, listed, number, sentence, title_of

from .plain import spelt

_MOST = 6
#: Problems that mean: one person or one picture under two keys, patients or parts.
_LEAKS = ("duplicates", "duplicates_across_split", "leaked_patients", "leak", "patient_ids_alike")


def measures(record: Record) -> str | None:
    """Every measure with its definition."""
    found = [_defined(title_of(name), each.definition) for name, each in record.evidence.items() if each.definition]
    return None if not found else f"{'; '.join(found[:_MOST])}{_more(len(found))}."


def intervals(record: Record) -> str | None:
    """How intervals were made."""
    methods = list(dict.fromkeys(each.method for each in record.evidence.values() if each.interval and each.method))
    if not methods:
        return None
    level = next(each.level for each in record.evidence.values() if each.interval)
    return f"{level:.0%} intervals: {'; '.join(methods[:3])}.".replace("%", " %")


def performance(record: Record) -> str | None:
    """Every headline figure with its interval."""
    return _figures(record.evidence, lambda name: not name.startswith(("external.", "readers.", "baseline")))


def discrimination_and_calibration(record: Record) -> str | None:
    """Figures of ranking or overlap, and of calibration; None unless both kinds are there."""
    names = list(record.evidence)
    both = any(name == "calibration" for name in names) and any(name != "calibration" for name in names)
    return performance(record) if both else None


def calibration(record: Record) -> str | None:
    """Calibration error, slope and intercept."""
    finding = record.evidence.findings.get("calibration")
    if finding is None:
        return None
    parts = {name: finding.parts[name] for name in ("slope", "intercept", "brier") if name in finding.parts}
    return _list([("calibration error", finding), *parts.items()])


def internal(record: Record) -> str | None:
    """Performance on test cases of the same cohort."""
    told = performance(record)
    tested = record.evidence.facts.get("predicted", {}).get("test") or _tested(record, "test")
    return None if told is None or not tested else f"On {counted(int(tested), 'test case')} of the same cohort: {told}"


def external(record: Record) -> str | None:
    """Performance on cases kept apart as external."""
    told = _figures(record.evidence, lambda name: name.startswith("external."))
    return f"On external cases: {told}" if told else None


def subgroups(record: Record) -> str | None:
    """Measures for each value of a field such as site or sex (`by:` of the evaluators, or `group_gaps`)."""
    rows = [
        (f"{title_of(name)}, {part.replace('=', ' ')}", each)
        for name, finding in record.evidence.items()
        for part, each in finding.parts.items()
        if "=" in part
    ]
    return _list(rows) if rows else None


def fairness(record: Record) -> str | None:
    """Gaps between groups that were measured."""
    return _figures(record.evidence, lambda name: name.startswith(("group_gaps", "fairness", "subgroup")))


def across_clusters(record: Record) -> str | None:
    """Performance within and across sites."""
    return _figures(record.evidence, lambda name: name.startswith(("roc_within", "external.", "site")))


def baseline(record: Record) -> str | None:
    """What the model is held against: the majority or mean, simple features, a plain network, or another model."""
    made = record.evidence.facts.get("baselines") or {}
    measures = made.get("measures") or {}
    if not measures:
        return None
    told = []
    for name, beside in list(measures.items())[:_MOST]:
        rows = [
            f"{each.replace('_', ' ')} {number(of['value'])}{'' if of.get('beaten') else ' (not beaten)'}"
            for each, of in beside.items()
            if each != "model" and of.get("value") is not None
        ]
        told.append(f"{title_of(name)} of the model {number(beside.get('model', {}).get('value'))}, {', '.join(rows)}")
    return f"Baselines on the same cases: {'; '.join(told)}."


def utility(record: Record) -> str | None:
    """Net benefit, or predictive values at a prevalence."""
    return _figures(record.evidence, lambda name: name in ("decision_curve", "predictive_values", "operating_point"))


def thresholds(record: Record) -> str | None:
    """Where a threshold was chosen."""
    found = record.evidence.findings.get("operating_point")
    if found is None:
        return None
    return f"{sentence(found.definition)} {' '.join(sentence(note) for note in found.notes)}".strip()


def robustness(record: Record) -> str | None:
    """Answers to other data or to other seeds, where measured."""
    return _figures(
        record.evidence, lambda name: name.startswith(("ood", "roc_within", "shortcut", "changed_sides", "stability"))
    )


def explanations(record: Record) -> str | None:
    """Explainers, and on how many cases."""
    used = spelt(record.resolved.get("explain"))
    if not used or not record.explanations:
        return None
    names = listed([called("explainers", each) for each in used], "and")
    return f"{names} for {counted(len(record.explanations), 'test case')}; the maps stand in the report."


def explanations_checked(record: Record) -> str | None:
    """Whether the maps were themselves tested."""
    told = []
    path = record.folder / "explanations" / "trust.json"
    if path.exists():
        for name, trust in TrustReport.read(path).explainers.items():
            if not trust.is_control:
                failed = f"failed {listed([each.replace('_', ' ') for each in trust.failed], 'and')}"
                verdict = "passed" if trust.passed else failed if trust.failed else "not checked"
                told.append(f"{called('explainers', name)} {verdict} ({counted(trust.cases, 'case')})")
    checked = (
        f"Maps were held against networks made random, edges, noise and removal: {'; '.join(told)}." if told else ""
    )
    path = record.folder / "explanations" / "serial_occlusion.json"
    if path.exists():
        found = Finding.from_json(json.loads(path.read_text(encoding="utf-8")))
        whole, covered = number(found.parts["whole"].value), number(found.value)
        regions = [
            each.removeprefix("without_").replace("_", " ") for each in found.parts if each.startswith("without_")
        ]
        measure = found.definition.partition(" with ")[0]
        checked += f" {measure} is {whole} on the whole image and {covered} with {listed(regions, 'and')} covered."
    return checked.strip() or None


def failures(record: Record) -> str | None:
    """What the report shows of failures."""
    if record.predictions is None:
        return None
    tested = record.predictions.role("test", "external")
    if not len(tested):
        return None
    asked = record.question
    if asked.exclusive and not asked.dense and not asked.is_regression:
        table = tested.table
        known = table[table["truth"].notna()]
        wrong = int((known["truth"] != known["answer"]).sum())
        shown = "a table of truth by answer and the worst cases stand in the report"
        return f"{wrong} of {counted(len(known), 'test case')} answered wrong; {shown}."
    return f"The worst of {counted(len(tested), 'test case')} stand in the report with their images."


def refusals(record: Record) -> str | None:
    """How many answers were refused."""
    if "refused" not in record.evidence.facts:
        return None
    return f"{counted(int(record.evidence.facts['refused']), 'test case')} refused by safeguards."


def gates(record: Record) -> str | None:
    """What was asked beforehand, and whether it holds."""
    verdicts = record.evidence.verdicts
    if not verdicts:
        return None
    told = "; ".join(
        f"{called('gates', each.gate)}: {'holds' if each.passed else 'does not hold'} ({each.sentence})"
        for each in verdicts
    )
    return f"Asked for beforehand, by the recipe: {told}."


def leaks(record: Record) -> str | None:
    """What the checks for leaks found."""
    checks = spelt(record.resolved.get("checks"))
    if not {"duplicates", "leaked_patients"} & set(checks):
        return None
    problems = [p for p in record.evidence.problems if p.get("code") in _LEAKS]
    told = "; ".join(str(problem.get("what")) for problem in problems) or "nothing found"
    return f"Checked for one patient or one picture on two sides of the split: {told}."


def limits(record: Record) -> str | None:
    """Limits of use, derived from the run."""
    found = limits_of(record)
    return " ".join(found) if found else None


def readers(record: Record) -> str | None:
    """A reader study among the findings."""
    return _figures(record.evidence, lambda name: name.startswith(("readers.model_minus", "readers.assistance")))


def uncertainty(record: Record) -> str | None:
    """Whether each answer has an uncertainty."""
    if record.predictions is None or "uncertainty" not in record.predictions.table:
        return None
    known = int(record.predictions.table["uncertainty"].notna().sum())
    of_each = "an uncertainty of its own" if known == 1 else "an uncertainty each"
    return f"{counted(known, 'stored answer')} with {of_each}." if known else None


def _defined(title: str, definition: str) -> str:
    """A measure and what it is; some definitions begin with the measure's own name."""
    head, colon, rest = definition.rstrip(".").partition(": ")
    return f"{title}: {rest if colon and head.lower() == title.lower() else definition.rstrip('.')}"


def _tested(record: Record, role: str) -> int:
    return 0 if record.predictions is None else record.predictions.role(role).table["key"].nunique()


def _figures(findings: Mapping[str, Finding], wanted: Callable[[str], bool]) -> str | None:
    rows = [(title_of(name), each) for name, each in findings.items() if wanted(name)]
    return _list(rows) if rows else None


def _list(rows: list[tuple[str, Finding]]) -> str:
    return f"{'; '.join(_shown(rows[:_MOST]))}{_more(len(rows))}."


def _shown(rows: list[tuple[str, Finding]]) -> Iterator[str]:
    for name, each in rows:
        between = ""
        if each.interval is not None:
            level = f"{each.level:.0%}".replace("%", " %")
            between = f" ({level} interval {number(each.interval[0])} to {number(each.interval[1])})"
        yield f"{name} {number(each.value, each.unit)}{between}"


def _more(count: int) -> str:
    return f"; and {count - _MOST} more in the report" if count > _MOST else ""
