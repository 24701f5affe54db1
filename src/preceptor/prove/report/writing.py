"""The report: one HTML file that a clinician reads, from what lies in a run's folder. Nothing in it leaves the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from preceptor.core.evidence import Finding, Question, Verdict
from preceptor.core.files import write_aside
from preceptor.prove.explaining.trust import TrustReport
from preceptor.prove.readers.section import readers_section
from preceptor.prove.report import plots
from preceptor.prove.report.audit_section import audit_section, render
from preceptor.prove.report.beside import beside
from preceptor.prove.report.clouds import cloud_plots
from preceptor.prove.report.explained_cases import explained_cases, readings
from preceptor.prove.report.failures import failures, pictures
from preceptor.prove.report.limits import limits
from preceptor.prove.report.needs_section import needs_section
from preceptor.prove.report.odd_images import odd_images
from preceptor.prove.report.plain_words import plain_words
from preceptor.prove.report.record import Record
from preceptor.prove.report.sprites import heat_colours, legend
from preceptor.prove.report.subgroups import SMALLEST_GROUP, subgroups
from preceptor.prove.report.survival_plots import survival_plots
from preceptor.prove.report.table_one import ROLE_NAMES, flow, table_one
from preceptor.prove.report.trust_section import trust_section
from preceptor.prove.report.wording import answers_of, duration, listed, number, sentence, title_of, whole, words
from preceptor.prove.report.worst_cases import ranking, shown_cases
from preceptor.prove.tuning_score import score_name

_HERE = Path(__file__).parent
_MOST_REFUSED = 25


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` from what lies in a run's folder.

    The page is one file: it opens without a network, asks for nothing, and names cases by their keys only. Whatever is
    missing from the folder is left out, and the page says so. Pictures of the worst cases are read from where the
    cohort's images lie; where they are gone the rest of the page is whole.

    Args:
        run_folder: A run's folder.

    Returns:
        Path of the page.
    """
    import jinja2

    run_folder = Path(run_folder)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.loopcontrols"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "sentence": sentence, "whole": whole}
    page = environment.get_template("report.html.j2").render(**context(Record.read(run_folder)))
    path = run_folder / "report.html"
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def context(record: Record) -> dict[str, Any]:
    """Everything the template shows."""
    evidence, question = record.evidence, record.question
    headline = _headline(record)
    tested = None if record.predictions is None else record.predictions.role("test")
    worst = shown_cases(record)
    trust = record.folder / "explanations" / "trust.json"
    trusted = TrustReport.read(trust) if trust.exists() else None
    audited, failed = audit_section(record), failures(record)
    return {
        "style": Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        "script": Markup((_HERE / "report.js").read_text(encoding="utf-8")),
        "study": _study(record),
        "run": record.folder.name,
        "asked": asked(question, record),
        "verdict": verdict(evidence.verdicts, bool(evidence.facts.get("rehearsal"))),
        "verdicts": evidence.verdicts,
        "headline": headline,
        "beside": beside(evidence),
        "plain": plain_words(evidence.findings, question),
        "limits": limits(record),
        "cohort": record.cohort,
        "flow": [] if record.cohort is None else flow(record.cohort),
        "roles": _roles(record),
        "folds": _folds(record),
        "table_one": None if record.cohort is None else table_one(record.cohort, record.task),
        "left_out": evidence.facts.get("left_out", {}),
        "readers": readers_section(evidence.findings, question),
        "findings": _findings(evidence.findings, question.classes),
        "parts": _parts(record),
        "per_case": _per_case(record),
        "curves": [*_survival(record), *_curves(evidence)],
        "epochs": len(record.epochs),
        "training": plots.training_plots(record.epochs, score_name(question)),
        "dense": question.dense,
        "knows_patients": record.knows_patients,
        "confusion": None if tested is None else plots.confusion(tested),
        "scatter": _scatter(record),
        "subgroups": subgroups(record),
        "worst": worst,
        "ranked_by": ranking(record)[1],
        "structures": legend(question.classes) if question.dense else [],
        "failed": failed,
        "mistaken": [] if failed is None else pictures(record, failed),
        "audited": None if audited is None else render(audited),
        "trust": None if trusted is None else trust_section(trusted),
        "explained": explained_cases(record.explanations, trusted),
        "readings": readings(record.explanations),
        "needs": needs_section(record.folder, "patients" if record.knows_patients else "images"),
        "heat": {"plain": heat_colours(False), "signed": heat_colours(True)},
        "refusals": _refusals(record),
        "problems": evidence.problems,
        "odd": odd_images(record),
        "checked": bool(record.resolved.get("checks")),
        "guarded": bool(record.resolved.get("safeguards")),
        "facts": _facts(record),
        "packages": {name: version for name, version in record.environment.get("packages", {}).items() if version},
        "recipe": record.recipe,
    }


def asked(question: Question, record: Record) -> str:
    """The question in a sentence."""
    classes = [each.replace("_", " ") for each in question.classes]
    what = "each image" if record.cohort is None or len(record.cohort.views) < 2 else "each study"
    others = {
        "survival": f"How soon after {what} is {listed(classes, 'or')} to be expected?",
        "localisation": f"Where in {what} is a {listed(classes, 'or')}?",
        "counting": f"How many {listed(classes, 'and')} does {what} hold?",
        "instances": f"Which voxels of {what} belong to which {listed(classes, 'or')}?",
        "translation": f"What would {what} look like as {listed(classes, 'and')}?",
    }
    if question.task in others:
        return others[question.task]
    if question.dense:
        return f"Which voxels of {what} belong to {listed(classes[1:], 'and') or 'the structure'}?"
    if question.is_regression:
        return f"What is the {listed(classes, 'and')}{f' in {question.unit}' if question.unit else ''} of {what}?"
    if question.exclusive and classes:
        return f"How is {what} to be read: {listed(classes, 'or')}?"
    return f"Which of {listed(classes, 'and')} does {what} show?" if classes else "The question is not recorded."


def verdict(verdicts: Sequence[Verdict], rehearsal: bool) -> dict[str, str]:
    """``{kind, mark, words}``: told by a word and a mark, not by a colour alone."""
    failed, count = sum(not each.passed for each in verdicts), len(verdicts)
    if rehearsal:
        return {"kind": "open", "mark": "…", "words": "A rehearsal: nothing to sign"}
    if not verdicts:
        return {"kind": "open", "mark": "?", "words": "Not judged: the recipe asks for no gate"}
    if failed:
        which = "the gate" if count == 1 else f"{failed} of {count} gates"
        holds = "does not hold" if failed == 1 else "do not hold"
        return {"kind": "refused", "mark": "✕", "words": f"Not signed off: {which} {holds}"}
    hold = {1: "the gate holds", 2: "both gates hold"}.get(count, f"all {count} gates hold")
    return {"kind": "passed", "mark": "✓", "words": f"Signed off: {hold}"}


# -------------------------------------------------------------------- parts of the page


def _study(record: Record) -> str:
    named = record.resolved.get("name") or record.resolved.get("study")
    return str(named or (record.folder.name if record.cohort is None else record.cohort.name))


def _headline(record: Record) -> dict[str, Any] | None:
    name = record.evidence.facts.get("headline")
    finding = record.evidence.findings.get(str(name)) or next(iter(record.evidence.findings.values()), None)
    if finding is None:
        return None
    interval = ""
    if finding.interval is not None:
        low, high = (number(each, finding.unit) for each in finding.interval)
        interval = f"{finding.level:.0%} interval {low} to {high}".replace("%", " %")
    clusters = finding.clusters or finding.cases
    return {
        "title": title_of(str(name) if name in record.evidence.findings else finding.name),
        "value": number(finding.value, finding.unit),
        "interval": interval or "no interval was computed",
        "from": f"from {record.one(clusters)}" if clusters else "",
        "definition": finding.definition,
        "method": finding.method,
        "notes": finding.notes,
    }


def _roles(record: Record) -> list[tuple[str, int, int]]:
    """``(split, cases, patients)``."""
    if record.cohort is None:
        return []
    found = []
    for role, name in ROLE_NAMES.items():
        cases = [case for case in record.cohort if case.role == role]
        if cases:
            found.append((name, len(cases), len({case.cluster for case in cases})))
    return found


def _folds(record: Record) -> str:
    """How often the split changed: in cross-validation each case is tested by a training that never saw it."""
    if record.predictions is None:
        return ""
    tested = record.predictions.role("test").table
    fits = tested["fit"].nunique()
    if fits < 2:
        return ""
    return (
        f"The split changed from training to training: {tested['key'].nunique()} cases were tested in {fits} folds, "
        "each by a training that had not seen it. The table shows the split as it was at first."
    )


def _findings(findings: Mapping[str, Finding], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Every finding with its parts, flat; parts of parts once deeper, those of few patients held back."""
    rows: list[dict[str, Any]] = []

    def add(name: str, finding: Finding, depth: int, said: tuple[str, ...] = ()) -> None:
        title = title_of(name) if depth == 0 else words(name)
        held_back = depth > 0 and _is_small(name, finding)
        notes = [note for note in finding.notes if note not in said]
        # A class or a site is defined as the whole is; a part of another kind says what it is.
        defined = depth == 0 or not (name in classes or "=" in name)
        row = {"title": title, "finding": finding, "depth": depth, "held_back": held_back, "notes": notes}
        rows.append(row | {"defined": defined})
        for part, each in ({} if held_back else finding.parts).items():
            add(part, each, depth + 1, (*said, *finding.notes))

    for name, finding in findings.items():
        add(name, finding, 0)
    return rows


def _is_small(part: str, finding: Finding) -> bool:
    """A part of a field's value (``site=A``) with so few patients that it says more about them than about the site."""
    return "=" in part and finding.clusters < SMALLEST_GROUP


def _shown(finding: Finding) -> Finding:
    """Without the parts that are held back."""
    return replace(finding, parts={part: each for part, each in finding.parts.items() if not _is_small(part, each)})


def _comparable(finding: Finding, record: Record) -> list[tuple[str, Finding]]:
    """Parts that share an axis with the whole: of classes or of values of a field; no Brier score beside an ECE."""
    return [
        (words(part), each)
        for part, each in _shown(finding).parts.items()
        if part in record.question.classes or "=" in part
    ]


def _parts(record: Record) -> list[plots.Plot]:
    """A chart of intervals for every finding with parts."""
    found = []
    for name, finding in record.evidence.items():
        shown = _comparable(finding, record)
        axis = f"{title_of(name)}{f' ({finding.unit})' if finding.unit else ''}"
        chart = plots.interval_plot([("all", finding), *shown], axis) if shown else None
        if chart is not None:
            found.append(plots.Plot(title_of(name), chart, f"Bars: {finding.level:.0%} intervals.".replace("%", " %")))
    return found


def _per_case(record: Record) -> list[plots.Plot]:
    found = []
    for name, finding in record.evidence.items():
        groups = [("all", finding.per_case)] if finding.per_case else []
        groups += [(part, each.per_case) for part, each in _comparable(finding, record) if each.per_case]
        axis = f"{title_of(name)}{f' ({finding.unit})' if finding.unit else ''}"
        chart = plots.case_plot(groups, axis) if groups else None
        if chart is not None:
            thinned = any(len(values) > plots.MOST_DOTS for _, values in groups)
            dots = f"Each dot is a case; of many, {plots.MOST_DOTS} are shown" if thinned else "Each dot is a case"
            found.append(plots.Plot(f"{title_of(name)}, case by case", chart, f"{dots}. The bar is the median."))
    return found


def _curves(findings: Mapping[str, Finding]) -> list[plots.Plot]:
    """Lines, and clouds of dots, of every finding."""
    shown = [(title_of(name), _shown(each)) for name, each in findings.items()]
    return [plot for named in shown for plot in (*plots.curve_plots(*named), *cloud_plots(*named))]


def _survival(record: Record) -> list[plots.Plot]:
    return [] if record.predictions is None else survival_plots(record.predictions)


def _scatter(record: Record) -> Markup | None:
    if record.predictions is None or not record.question.is_number:
        return None
    rows = record.predictions.role("test").table
    known = rows[rows["truth"].notna() & rows["answer"].notna()]
    if not len(known):
        return None
    truth, answer = list(known["truth"].astype(float)), list(known["answer"].astype(float))
    name = record.question.classes[0].replace("_", " ") if record.question.classes else "value"
    return plots.scatter_plot(truth, answer, list(known["key"].astype(str)), name, record.question.unit)


def _refusals(record: Record) -> dict[str, Any] | None:
    """How many answers were refused, why, and which."""
    if record.predictions is None:
        return None
    rows = record.predictions.role("test", "external").table
    refused = rows[~rows["accepted"].astype(bool)] if "accepted" in rows else rows[:0]
    reasons = Counter(reason for text in refused.get("reasons", []) for reason in str(text or "").split("; ") if reason)
    listed = [
        {
            "key": row["key"],
            "reasons": row["reasons"],
            "truth": _told(row, "truth", record),
            "answer": _told(row, "answer", record),
        }
        for row in refused.head(_MOST_REFUSED).to_dict("records")
    ]
    return {"count": len(refused), "of": len(rows), "reasons": reasons.most_common(), "rows": listed}


def _told(row: Mapping[str, Any], column: str, record: Record) -> str:
    return "a map" if record.question.dense else answers_of(row.get(column))


def _facts(record: Record) -> list[tuple[str, str]]:
    """What is needed to run it again, in the order one needs it."""
    environment, facts = record.environment, record.evidence.facts
    seconds = facts.get("seconds", environment.get("seconds"))
    fits = len({str(each.get("fit")) for each in record.epochs})
    rows = [
        ("Command", environment.get("command")),
        ("Recipe", facts.get("recipe")),
        ("Cohort and split", facts.get("cohort")),
        ("Seed", facts.get("seed", record.resolved.get("seed"))),
        ("Trainings", fits or None),
        ("Epochs in all", len(record.epochs) or None),
        ("Wall time", None if seconds is None else duration(float(seconds))),
        ("Device", facts.get("device", environment.get("device"))),
        ("Machine", environment.get("system")),
        ("Cores, threads", _pair(environment.get("cores"), environment.get("threads"))),
        ("Python", environment.get("python")),
        ("Written", environment.get("written")),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def _pair(*values: Any) -> str | None:
    known = [str(value) for value in values if value is not None]
    return ", ".join(known) or None
