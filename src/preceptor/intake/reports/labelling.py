"""A table of reports labelled as the public chest X-ray sets are, and a sheet of questions for a person who reads again.

Labels are 1 (present), 0 (absent), -1 (uncertain) or empty (not mentioned). The sheet asks one finding of one report a row
and does not show what the rules said. Neither the text of a report nor its key is ever part of a message.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError
from preceptor.core.files import write_aside
from preceptor.core.plain import is_missing
from preceptor.intake.sheet import read_sheet

from .rereading import ErrorEstimate, draw_sample, estimate_error
from .rules import Labeller, Said

#: As CheXpert writes them.
WRITTEN: Mapping[Said | None, str] = {"present": "1", "absent": "0", "uncertain": "-1", None: ""}

#: What a reader writes of a report that does not mention the finding: an empty cell is one that nobody has read.
NOT_MENTIONED = "n"

_ANSWERS: Mapping[str, Said | None] = {"1": "present", "0": "absent", "-1": "uncertain", NOT_MENTIONED: None}
_SHEET = ("report", "finding", "text", "read")


@dataclass(frozen=True)
class LabelledReports:
    """What the rules said of every report.

    Args:
        texts: ``{key: report}``.
        said: ``{finding: {key: what the rules say}}``.
    """

    texts: Mapping[str, str]
    said: Mapping[str, Mapping[str, Said | None]]

    def counts(self) -> dict[str, dict[str, int]]:
        """``{finding: {present, uncertain, absent, not mentioned: reports}}``."""
        names = {"present": "present", "uncertain": "uncertain", "absent": "absent", None: "not mentioned"}
        return {
            finding: {shown: sum(each == value for each in said.values()) for value, shown in names.items()}
            for finding, said in self.said.items()
        }


@dataclass(frozen=True)
class Labelling:
    """Labels, and where a person has read some reports again, how often they are wrong.

    Args:
        labelled: What the rules said.
        sheet: Where the questions for a reader lie; None where none were asked for.
        questions: How many.
        still_open: How many nobody has answered.
        errors: ``{finding: its error}``, None where not every verdict has been read again; empty before any was.
    """

    labelled: LabelledReports
    sheet: Path | None = None
    questions: int = 0
    still_open: int = 0
    errors: Mapping[str, ErrorEstimate | None] = field(default_factory=dict)


def label_reports(
    table: Path,
    column: str,
    out: Path,
    *,
    key: str | None = None,
    findings: Path | None = None,
    review: int = 0,
    seed: int = 0,
) -> Labelling:
    """Label a table and write the labels; write the sheet for a reader, or read the one that lies there.

    Args:
        table, column, key: As in `label_table`.
        out: ``.csv`` for the labels; the sheet lies beside it as ``OUT-review.csv``.
        findings: As in `read_phrases`.
        review: Reports of each finding and verdict to be read again; 0 writes no sheet.
        seed: Of the draw.

    Raises:
        CohortError: As in the functions that this one calls.
    """
    labelled = label_table(table, column, read_phrases(findings), key)
    write_labels(out, labelled, key)
    sheet = out.with_name(f"{out.stem}-review.csv")
    if sheet.exists():
        answers, still_open = read_answers(sheet, labelled)
        answered = sum(map(len, answers.values()))
        errors = estimate_errors(labelled, answers) if answered else {}
        return Labelling(labelled, sheet, answered + still_open, still_open, errors)
    if review < 1:
        return Labelling(labelled)
    questions = write_sheet(sheet, labelled, review, seed)
    return Labelling(labelled, sheet, questions, questions)


def read_phrases(path: Path | None) -> Labeller:
    """The phrases of each finding.

    Args:
        path: YAML or JSON, ``{finding: [phrases]}``, or with ``phrases`` and ``denials``, each such a mapping; None for the
            package's own, of chest radiographs in English.

    Raises:
        CohortError: The file holds something else.
    """
    import yaml

    place = path or Path(__file__).with_name("chest.json")
    try:
        text = place.read_text(encoding="utf-8")
        held = json.loads(text) if place.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        held = None
    parts = held if isinstance(held, dict) and "phrases" in held else {"phrases": held}
    sound = all(
        isinstance(part, dict)
        and all(isinstance(each, list) and all(isinstance(one, str) for one in each) for each in part.values())
        for part in parts.values()
    )
    if not sound or not {*parts} <= {"phrases", "denials"}:
        raise CohortError(
            "the phrases of the findings can't be read",
            where=place.name,
            expected="YAML or JSON: {finding: [phrases]}, or {phrases: {…}, denials: {…}}",
            code="report_phrases",
        )
    phrases, denials = (
        {str(name): tuple(each) for name, each in parts.get(part, {}).items()} for part in ("phrases", "denials")
    )
    return Labeller(phrases, denials)


def label_table(table: Path, column: str, labeller: Labeller, key: str | None = None) -> LabelledReports:
    """Label every report of a table.

    Args:
        table: ``.csv``, ``.tsv`` or ``.parquet``.
        column: Of the reports' text.
        labeller: The phrases.
        key: Column that names each report; by default its number, from 1.

    Raises:
        CohortError: A column is missing, or two reports have one key.
    """
    rows = read_sheet(table, [column] if key is None else [column, key])
    names = [str(number) for number in range(1, len(rows) + 1)] if key is None else [str(each) for each in rows[key]]
    if len(set(names)) < len(names):
        raise CohortError(
            f"{len(names) - len(set(names))} reports bear the key of another",
            where=table.name,
            expected=f"one report for each value of the column '{key}'",
            remedy="name another column with --key, or none: reports are then numbered",
            code="report_keys",
        )
    texts = {name: "" if is_missing(text) else str(text) for name, text in zip(names, rows[column], strict=True)}
    read = {name: labeller.read(text) for name, text in texts.items()}
    return LabelledReports(
        texts, {finding: {name: each[finding] for name, each in read.items()} for finding in labeller.phrases}
    )


def write_labels(path: Path, labelled: LabelledReports, key: str | None) -> None:
    """Write the labels, a row a report; where they stand already, nothing.

    Args:
        path: ``.csv``.
        labelled: As `label_table` made it.
        key: What to call the first column; None for ``report``.

    Raises:
        CohortError: The file holds something else.
    """
    rows = [[name, *(WRITTEN[said[name]] for said in labelled.said.values())] for name in labelled.texts]
    text = _csv([[key or "report", *labelled.said], *rows])
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return
        raise CohortError("the output exists already", where=path.name, remedy="name another file", code="exists")
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="")


def write_sheet(path: Path, labelled: LabelledReports, each: int, seed: int = 0) -> int:
    """Write the questions for a reader: of every finding some reports of each verdict, in random order.

    Args:
        path: ``.csv``. It holds the text of the reports.
        labelled: As `label_table` made it.
        each: Reports of each finding and verdict; all, where there are fewer.
        seed: Of the draw.

    Returns:
        How many questions there are.
    """
    drawn = {finding: {*draw_sample(said, each, seed + n)} for n, (finding, said) in enumerate(labelled.said.items())}
    order = draw_sample(dict.fromkeys(labelled.texts), len(labelled.texts), seed)
    rows = [
        [name, finding, _as_text(labelled.texts[name]), ""]
        for name in order
        for finding in drawn
        if name in drawn[finding]
    ]
    with write_aside(path) as aside:
        # With its mark, or spreadsheets take UTF-8 for another encoding and spoil every umlaut.
        aside.write_text(_csv([_SHEET, *rows]), encoding="utf-8-sig", newline="")
    return len(rows)


def read_answers(path: Path, labelled: LabelledReports) -> tuple[dict[str, dict[str, Said | None]], int]:
    """What a reader wrote into the sheet.

    Args:
        path: As `write_sheet` wrote it, its column ``read`` filled with 1, 0, -1 or n (not mentioned).
        labelled: The same reports.

    Returns:
        ``{finding: {key: answer}}``, and how many questions are still open.

    Raises:
        CohortError: A cell holds something else, or the sheet is of other reports.
    """
    rows = read_sheet(path, _SHEET)
    answers: dict[str, dict[str, Said | None]] = {finding: {} for finding in labelled.said}
    still_open, wrong, strange = 0, [], 0
    for line, (name, finding, said) in enumerate(
        zip(rows["report"], rows["finding"], rows["read"], strict=True), start=2
    ):
        written = _plain_answer(said)
        if finding not in answers or name not in labelled.texts:
            strange += 1
        elif not written:
            still_open += 1
        elif written not in _ANSWERS:
            wrong.append(line)
        else:
            answers[finding][name] = _ANSWERS[written]
    if strange:
        raise CohortError(
            f"{strange} rows of the sheet are of other reports or findings",
            where=path.name,
            expected="the sheet that was drawn from this table with these findings",
            code="report_sheet",
        )
    if wrong:
        shown = ", ".join(map(str, wrong[:5])) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise CohortError(
            f"{len(wrong)} answers of the sheet can't be read",
            where=f"{path.name}, row {shown}",
            expected=f"1 (present), 0 (absent), -1 (uncertain), {NOT_MENTIONED} (not mentioned), or empty: not read yet",
            code="report_sheet",
        )
    return answers, still_open


def estimate_errors(
    labelled: LabelledReports, answers: Mapping[str, Mapping[str, Said | None]]
) -> dict[str, ErrorEstimate | None]:
    """Each finding's error; None where a verdict was given and none of its reports has been read again yet."""
    return {
        finding: estimate_error(said, answers[finding])
        if {*said.values()} <= {said[name] for name in answers[finding]}
        else None
        for finding, said in labelled.said.items()
    }


def _as_text(report: str) -> str:
    """A spreadsheet takes "- small effusion" for a formula, and shows an error in its place."""
    return f" {report}" if report[:1] in tuple("=+-@") else report


def _plain_answer(cell: Any) -> str:
    """A cell as it was meant: a spreadsheet may have made 1.0 of 1."""
    text = "" if is_missing(cell) else str(cell).strip().lower()
    return text.removesuffix(".0") if text.removesuffix(".0") in ("1", "0", "-1") else text


def _csv(rows: Sequence[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()
