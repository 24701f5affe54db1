"""A filled checklist as Markdown, HTML or CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from markupsafe import Markup

from preceptor.core.errors import RecipeError
from preceptor.core.files import write_aside
from preceptor.prove.report.page import page, table

from .lists import Checklist, Item

_HEAD = ("Item", "Section", "Asks for", "Status", "Answer")


def write_checklist(filled: Checklist, path: Path) -> Path:
    """Write by the suffix: ``.md``, ``.html`` or ``.csv``.

    Args:
        filled: Of `checklist`.
        path: Of the file; it is written aside and renamed.

    Raises:
        RecipeError: Another suffix.
    """
    forms = {".md": as_markdown, ".html": as_html, ".csv": as_csv}
    if path.suffix not in forms:
        raise RecipeError(
            f"a checklist can't be written as '{path.suffix}'", expected=", ".join(forms), code="checklist_form"
        )
    return write_text(path, forms[path.suffix](filled))


def write_text(path: Path, text: str) -> Path:
    """Write aside and rename, so that the file is never half there."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return path


def as_markdown(filled: Checklist) -> str:
    """The list as Markdown: a table, or of a document headings and paragraphs."""
    lines = [f"# {filled.title} ({filled.version})", "", f"Run `{filled.run}`. {filled.summary}", ""]
    lines += [*([filled.note, ""] if filled.note else []), filled.source, ""]
    if filled.form == "document":
        for section, items in _sections(filled):
            lines += [f"## {section}", ""]
            for item in items:
                lines += [f"**{item.asks}.** {' '.join(_told(item))}", ""]
        return "\n".join(lines)
    lines += [f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
    for item in filled.items:
        cells = (item.number, item.section, item.asks, item.status, " ".join(_told(item)))
        lines.append(f"| {' | '.join(_cell(each) for each in cells)} |")
    return "\n".join([*lines, ""])


def as_csv(filled: Checklist) -> str:
    """The list as a table with a column for each kind of answer."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["list", "number", "section", "asks", "status", "from_the_record", "by_the_authors", "still_needed"]
    )
    for item in filled.items:
        told = (item.number, item.section, item.asks, item.status, item.answer, item.given, item.needs)
        writer.writerow([filled.title, *told])
    return stream.getvalue()


def as_html(filled: Checklist) -> str:
    """The list as a page in the report's dress."""
    start = '<section><p>Run <code>{}</code>. {}</p><p>{}</p><p class="small">{}</p>'
    body = Markup(start).format(filled.run, filled.summary, filled.note, filled.source)
    if filled.form == "document":
        body += Markup("</section>")
        for section, items in _sections(filled):
            told = [(item.asks, item.status, Markup("<br>").join(_told(item))) for item in items]
            body += Markup("<section><h2>{}</h2>{}</section>").format(
                section, table(section, ("Question", "Status", "Answer"), told)
            )
    else:
        rows = [
            (item.number, item.section, item.asks, item.status, Markup("<br>").join(_told(item)))
            for item in filled.items
        ]
        body += table(filled.title, _HEAD, rows) + Markup("</section>")
    return page(f"{filled.title} ({filled.version})", "preceptor checklist", body)


def _sections(filled: Checklist) -> list[tuple[str, list[Item]]]:
    names = list(dict.fromkeys(item.section for item in filled.items))
    return [(name, [item for item in filled.items if item.section == name]) for name in names]


def _told(item: Item) -> list[str]:
    told = [item.answer] if item.answer else []
    told += [f"By the authors: {item.given}"] if item.given else []
    if item.needs:
        told.append(f"{'Not answered' if item.status == 'not answered' else 'Still needed'}: {item.needs}.")
    return told


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
