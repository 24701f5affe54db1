"""What a person still has to look at before a folder goes out, series by series: a sheet to sign, without pixels or names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preceptor.core.files import write_aside


@dataclass
class SeriesReview:
    """One folder of cleaned files: of DICOM, a series.

    Args:
        place: Of the folder, by its pseudonyms.
        shows: What kind of images, such as ``CT``.
        files: How many images.
        not_searched: In how many of them nobody searched for writing.
        masked: In how many writing was covered.
        doubtful: Those in which something may be left.
        flags: What else was noted, and of how many files.
    """

    place: str
    shows: set[str] = field(default_factory=set)
    files: int = 0
    not_searched: int = 0
    masked: int = 0
    doubtful: list[str] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)

    @property
    def is_open(self) -> bool:
        """Whether a person has to look."""
        return bool(self.not_searched or self.doubtful or self.flags)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "place": self.place,
            "shows": sorted(self.shows),
            "files": self.files,
            "not_searched": self.not_searched,
            "masked": self.masked,
            "doubtful": list(self.doubtful),
            "flags": dict(self.flags),
        }


def series_to_review(entries: Iterable[Mapping[str, Any]]) -> list[SeriesReview]:
    """Every folder with images, those with most to look at first.

    Args:
        entries: Of a manifest: what was noted for each file.
    """
    found: dict[str, SeriesReview] = {}
    for entry in entries:
        if "file" not in entry or not entry.get("shows"):
            continue
        place, _, name = entry["file"].rpartition("/")
        series = found.setdefault(place, SeriesReview(place))
        series.files += 1
        series.shows.add(entry["shows"])
        pixels = entry.get("pixels")
        series.not_searched += pixels is None
        if pixels is not None:
            series.masked += pixels["masked_share"] > 0
            if pixels["suspicious_boxes"] or pixels["notes"]:
                series.doubtful.append(name)
        series.flags.update(entry.get("flags", ()))
    return sorted(
        found.values(), key=lambda each: (-len(each.doubtful), -len(each.flags), not each.is_open, each.place)
    )


def write_series_sheet(series: list[SeriesReview], path: Path) -> Path:
    """Write the sheet.

    Args:
        series: See `series_to_review`.
        path: ``.html``.

    Returns:
        The path.
    """
    from jinja2 import Environment

    page = (
        Environment(autoescape=True)
        .from_string(_PAGE)
        .render(
            series=series,
            unseen=sum(each.not_searched for each in series),
            images=sum(each.files for each in series),
            faces=sum(any("face" in flag for flag in each.flags) for each in series),
        )
    )
    path = Path(path)
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>To be looked at</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1d1f23; background: #fff }
body { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 22px; margin: 0 0 4px } p { margin: 4px 0 14px; max-width: 80ch }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600; color: #5b616b; font-size: 13px }
th, td { padding: 6px 10px 6px 0; border-bottom: 1px solid #d4d7dc; vertical-align: top }
td.place { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; min-width: 22ch }
td.number { text-align: right } tr.open td.pixels { color: #8a4b00 }
footer { border-top: 2px solid #1d1f23; margin-top: 24px; padding-top: 14px }
footer div { display: inline-block; width: 46%; margin: 26px 3% 0 0; border-top: 1px solid #1d1f23; font-size: 13px }
</style></head><body>
<h1>To be looked at before it goes out</h1>
<p>{{ images }} image file{{ "" if images == 1 else "s" }} in {{ series | length }} series.
In {{ unseen }} of them nobody searched the pixels
for writing; from {{ faces }} series a face may be rebuilt, and no face was taken out.
Headers were cleaned by rule; what pixels show, only a person can sign for.</p>
<table><thead><tr><th>series</th><th>kind</th><th>files</th>
<th>writing in the pixels</th><th>besides</th><th>looked at</th></tr></thead><tbody>
{% for each in series %}<tr{% if each.is_open %} class="open"{% endif %}><td class="place">{{ each.place }}</td>
<td>{{ each.shows | sort | join(", ") }}</td><td class="number">{{ each.files }}</td>
<td class="pixels">{% if each.not_searched %}not searched in {{ each.not_searched }}
{% else %}searched; covered in {{ each.masked }}{% endif %}
{% for name in each.doubtful %}<br>doubtful: {{ name }}{% endfor %}</td>
<td>{% for flag, number in each.flags.items() %}{{ flag }}
{% if number < each.files %} ({{ number }} files){% endif %}<br>{% endfor %}</td>
<td><input type="checkbox" aria-label="looked at"></td></tr>
{% endfor %}</tbody></table>
<footer>I looked at every series above; what is ticked shows nobody's name and nobody's face, or may show it.
<br><div>reviewer</div><div>date and signature</div></footer>
</body></html>
"""
