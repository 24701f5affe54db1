"""A page of its own: one HTML file in the report's dress, offline, printable, with nothing that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

from preceptor.core.files import write_aside

_HERE = Path(__file__).parent


def page(title: str, kind: str, body: Markup) -> str:
    """The text of the file.

    Args:
        title: Heading of the page.
        kind: Small line above it.
        body: Sections.
    """
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{escape(title)}</title>\n<style>{style}</style>\n'
        f'</head>\n<body>\n<header>\n<p class="kind">{escape(kind)}</p>\n<h1>{escape(title)}</h1>\n</header>\n'
        f"<main>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def write_page(path: Path, title: str, kind: str, body: Markup) -> Path:
    """Write the page aside and rename it, so that it is never half there.

    Args:
        path: Of the file.
        title, kind, body: See `page`.
    """
    with write_aside(path) as aside:
        aside.write_text(page(title, kind, body), encoding="utf-8")
    return path


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> Markup:
    """A table whose first column names its rows.

    Args:
        caption: Above it.
        head: Names of the columns.
        rows: As text (or `Markup`), as wide as `head`.
        numbers: Columns of numbers, which are set to the right and not broken.
    """
    plain, right = Markup("<td>{}</td>"), Markup('<td class="n">{}</td>')
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if at in numbers else "", each)
        for at, each in enumerate(head)
    )
    lines = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0],
            Markup("").join((right if at in numbers else plain).format(each) for at, each in enumerate(row[1:], 1)),
        )
        for row in rows
    )
    start = '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table><caption>{0}</caption>'
    return Markup(start + "<thead><tr>{1}</tr></thead><tbody>{2}</tbody></table></div>").format(caption, heads, lines)
