"""The flow of a set of runs in the boxes of PRISMA 2020: found, left out and why, included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from preceptor.core.errors import RecipeError
from preceptor.prove.report.page import page, table
from preceptor.prove.report.record import Record
from preceptor.prove.report.wording import counted, number, title_of, whole

from .writing import write_text

_SOURCE = "Page MJ et al. BMJ 2021;372:n71 (PRISMA 2020), item 16a: the flow diagram, with runs in place of records."


@dataclass(frozen=True)
class Run:
    """One run of the set.

    Args:
        name: Of its folder.
        cases, patients: In its cohort.
        excluded: Cases its cohort left out.
        headline: Its first finding with the interval; empty where it has none.
        left_out: Why the run is not included; empty where it is.
    """

    name: str
    cases: int
    patients: int
    excluded: int
    headline: str
    left_out: str = ""


@dataclass(frozen=True)
class Flow:
    """A set of runs, screened.

    Args:
        runs: In the order given.
    """

    runs: tuple[Run, ...]

    @property
    def included(self) -> tuple[Run, ...]:
        """Those that are not left out."""
        return tuple(run for run in self.runs if not run.left_out)

    def boxes(self) -> list[tuple[str, str, int]]:
        """``(stage, what, how many)`` in PRISMA's order."""
        reasons = Counter(run.left_out for run in self.runs if run.left_out)
        twice = reasons.pop(_TWICE, 0)
        found = [("Identification", "runs identified", len(self.runs))]
        found += [("Identification", f"removed before screening: {_TWICE}", twice)] if twice else []
        found.append(("Screening", "runs screened", len(self.runs) - twice))
        found += [("Screening", f"excluded: {reason}", count) for reason, count in reasons.most_common()]
        found.append(("Included", "runs included", len(self.included)))
        found.append(("Included", "cases in them", sum(run.cases for run in self.included)))
        return found

    def as_markdown(self) -> str:
        """The flow and the runs as Markdown."""
        return _markdown(self)


_TWICE = "the same recipe on the same cohort as another run"


def flow_of_runs(records: Sequence[Record]) -> Flow:
    """Screen runs: rehearsals, runs without predictions or without evidence and repeated runs are left out.

    A model that failed its gate stays in: leaving it out would make the rest look better than they are.

    Args:
        records: Of the runs.

    Raises:
        RecipeError: There is none.
    """
    if not records:
        raise RecipeError("no run is named", expected="folders that `preceptor run` made", code="prisma_no_runs")
    seen: set[tuple[object, object]] = set()
    runs = []
    for record in records:
        facts = record.evidence.facts
        identity = (facts.get("recipe"), facts.get("cohort"))
        why = ""
        if not len(record.evidence):
            why = "nothing was measured"
        elif facts.get("rehearsal"):
            why = "a rehearsal"
        elif identity[0] is not None and identity in seen:
            why = _TWICE
        seen.add(identity)
        cases = () if record.cohort is None else record.cohort.cases
        excluded = 0 if record.cohort is None else sum(count for _, count in record.cohort.exclusions)
        patients = len({case.cluster for case in cases})
        runs.append(Run(record.folder.name, len(cases), patients, excluded, _headline(record), why))
    return Flow(tuple(runs))


def write_flow(flow: Flow, path: Path) -> Path:
    """Write by the suffix: ``.md``, ``.html`` or ``.csv``.

    Raises:
        RecipeError: Another suffix.
    """
    if path.suffix == ".md":
        return write_text(path, _markdown(flow))
    if path.suffix == ".csv":
        lines = ["stage,what,number", *(f'{stage},"{what}",{count}' for stage, what, count in flow.boxes())]
        return write_text(path, "\n".join([*lines, ""]))
    if path.suffix != ".html":
        raise RecipeError(
            f"a flow can't be written as '{path.suffix}'", expected=".md, .html or .csv", code="checklist_form"
        )
    boxes = [(what, stage, whole(count)) for stage, what, count in flow.boxes()]
    body = Markup('<section>{}{}<p class="small">{}</p></section>').format(
        table("Flow of runs", ("What", "Stage", "Number"), boxes), table("Runs", _HEAD, _rows(flow)), _SOURCE
    )
    return write_text(path, page("Flow of runs", "preceptor checklist", body))


_HEAD = ("Run", "Cases", "Patients", "Cases left out", "Headline", "Included")


def _rows(flow: Flow) -> list[tuple[str, ...]]:
    return [
        (
            run.name,
            whole(run.cases),
            whole(run.patients),
            whole(run.excluded),
            run.headline,
            f"no: {run.left_out}" if run.left_out else "yes",
        )
        for run in flow.runs
    ]


def _markdown(flow: Flow) -> str:
    lines = ["# Flow of runs (PRISMA 2020)", "", _SOURCE, ""]
    stage = ""
    for at, what, count in flow.boxes():
        lines += [*(["", f"**{at}**", ""] if at != stage else []), f"- {what}: {whole(count)}"]
        stage = at
    lines += ["", f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(flow)]
    return "\n".join([*lines, ""])


def _headline(record: Record) -> str:
    name = record.evidence.facts.get("headline") or next(iter(record.evidence), None)
    if name is None or name not in record.evidence.findings:
        return ""
    finding = record.evidence.findings[name]
    between = "" if finding.interval is None else f" ({' to '.join(number(each) for each in finding.interval)})"
    return f"{title_of(name)} {number(finding.value, finding.unit)}{between}, {counted(finding.cases, 'case')}"
