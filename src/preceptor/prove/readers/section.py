"""What a reader study found, as a section of a report and as a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from preceptor.core.evidence import Evidence, Finding, Question
from preceptor.prove.report import plots
from preceptor.prove.report.page import table, write_page
from preceptor.prove.report.plain_words import in_plain_words
from preceptor.prove.report.wording import number, sentence

_HEAD = ("", "Value", "95 % interval", "What it is")

#: Parts that speak for these readers or cases alone.
_FIXED = {"these_readers": "these very readers", "these_cases": "these very cases"}


def readers_section(findings: Mapping[str, Finding], question: Question | None = None) -> Markup:
    """The section; empty where there is no reader study among the findings.

    Args:
        findings: Of a run, or of `analyse`; those named ``readers.`` are shown.
        question: What was asked: its classes stand in the sentences; None leaves the sentences out.
    """
    found = {name.removeprefix("readers."): each for name, each in findings.items() if name.startswith("readers.")}
    if not found:
        return Markup("")
    pieces = [
        _told(found, question),
        _areas(found),
        _compared(found, "model_minus_", "The model against the average reader"),
        _compared(found, "assistance", "With assistance against without"),
        _points(found),
        _agreement(found),
        _compared(found, "over_reliance", "Over-reliance: agreement with planted wrong advice"),
        _compared(found, "followed_errors", "Agreement with the model's own errors"),
        _compared(found, "sound_reliance", "Agreement with right advice"),
        _time(found),
    ]
    start = '<section id="readers" aria-labelledby="readers-title"><h2 id="readers-title">Readers</h2>'
    return Markup(start) + Markup("").join(pieces) + Markup("</section>")


def write_readers_page(
    findings: Mapping[str, Finding], folder: Path, question: Question | None = None, title: str = "Reader study"
) -> Path:
    """Write ``readers.html`` and ``evidence.json``.

    Args:
        findings: Of `analyse`.
        folder: Made if it is not there.
        question: What was asked.
        title: Of the page.

    Returns:
        Path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    Evidence(findings).write(folder / "evidence.json")
    return write_page(folder / "readers.html", title, "preceptor reader study", readers_section(findings, question))


def _told(found: Mapping[str, Finding], question: Question | None) -> Markup:
    """Who exceeds whom, what it means for patients, and what was left out, in sentences."""
    lines = [note for name, each in found.items() if name.startswith("model_minus_") for note in each.notes[:1]]
    lines += next(iter(found.values())).notes
    if (over := found.get("over_reliance")) is not None and over.interval is not None:
        if over.interval[0] > 0:
            lines.append("readers follow wrong advice that they would not have given")
        else:
            lines.append("over-reliance is not shown for readers like these" + _but_these(over))
    if question is not None:
        said = [in_plain_words(f"readers.{name}", each, question) for name, each in found.items()]
        lines += [each for each in said if each is not None]
    items = Markup("").join(Markup("<li>{}</li>").format(sentence(line)) for line in dict.fromkeys(lines))
    return Markup("<ul>{}</ul>").format(items)


def _but_these(over: Finding) -> str:
    fixed = over.parts.get("these_readers")
    shown = fixed is not None and fixed.interval is not None and fixed.interval[0] > 0
    return "; for these very readers it is" if shown else ""


def _areas(found: Mapping[str, Finding]) -> Markup:
    """A chart of intervals for each arm: every reader, the average one, the model."""
    charts = []
    for name, finding in found.items():
        if not name.startswith("auroc."):
            continue
        arm = name.removeprefix("auroc.")
        rows = [(reader, part) for reader, part in finding.parts.items() if reader not in _FIXED]
        rows += [("average reader", finding), ("model", found["model"])]
        chart = plots.interval_plot(rows, "AUROC")
        if chart is not None:
            caption = "Bars: 95 % intervals; the average reader's is for readers and cases like these."
            charts.append(_figure(f"AUROC, {arm}", chart, caption))
    return Markup('<div class="plots">{}</div>').format(Markup("").join(charts)) if charts else Markup("")


def _figure(title: str, chart: Markup, caption: str) -> Markup:
    frame = '<figure class="plot"><h3>{}</h3>{}<figcaption>{}</figcaption></figure>'
    return Markup(frame).format(title, chart, caption)


def _compared(found: Mapping[str, Finding], start: str, caption: str) -> Markup:
    rows = []
    for name, finding in found.items():
        if name.startswith(start):
            rows += _rows(name.removeprefix("model_minus_").replace("_", " "), "readers and cases like these", finding)
    return _shown(caption, rows)


def _points(found: Mapping[str, Finding]) -> Markup:
    rows = []
    for name, finding in found.items():
        kind, _, arm = name.partition(".")
        if kind in ("sensitivity", "specificity"):
            rows += _rows(f"{kind}, {arm}", "average reader", finding)
        elif kind == "model" and arm:
            rows.append(_row(f"{arm}: model", finding))
    return _shown("Where readers draw the line", rows)


def _agreement(found: Mapping[str, Finding]) -> Markup:
    names = {"fleiss": "Fleiss' kappa", "mean_kappa": "mean of pairs", "icc_2_1": "ICC(2,1)", "icc_3_1": "ICC(3,1)"}
    rows = [
        _row(f"{name.removeprefix('agreement.')}: {names.get(part, part)}", each, told=part in names)
        for name, finding in found.items()
        if name.startswith("agreement.")
        for part, each in finding.parts.items()
    ]
    return _shown("Agreement of readers beyond chance", rows)


def _time(found: Mapping[str, Finding]) -> Markup:
    rows = []
    for name, finding in found.items():
        kind, _, arm = name.partition(".")
        if kind == "seconds":
            rows += _rows(arm or "assisted minus unaided", "average reader", finding)
    return _shown("Reading time", rows)


def _rows(label: str, whole: str, finding: Finding) -> list[tuple[str, ...]]:
    """The whole first, then each reader, then what speaks for these readers or cases alone."""
    rows = [_row(f"{label}: {whole}", finding)]
    rows += [_row(f"{label}: {part}", each, told=False) for part, each in finding.parts.items() if part not in _FIXED]
    return rows + [_row(f"{label}: {_FIXED[part]}", each) for part, each in finding.parts.items() if part in _FIXED]


def _row(label: str, finding: Finding, told: bool = True) -> tuple[str, ...]:
    interval = "–"
    if finding.interval is not None:
        interval = f"{number(finding.interval[0])} to {number(finding.interval[1])}"
    what = sentence(f"{finding.definition} ({finding.method})") if told else ""
    return (label, number(finding.value, finding.unit), interval, what)


def _shown(caption: str, rows: list[tuple[str, ...]]) -> Markup:
    return table(caption, _HEAD, rows, numbers=(1, 2)) if rows else Markup("")
