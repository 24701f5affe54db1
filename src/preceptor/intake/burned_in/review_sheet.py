"""The sheet on which a person signs what was masked: every picture before and after, what was found and what is doubtful.

It is one HTML file that opens offline. It shows the pixels under review, for nobody can review them otherwise, and
nothing else of a file: no name, no path, no identifier. It is as confidential as the images it was made from.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np

from preceptor.core.errors import safe_name
from preceptor.core.files import write_aside

from .pixel_cleaning import PixelFindings

#: The longest side of a picture on the sheet.
_SIDE_PX = 420

_MASKED, _DOUBTFUL = (214, 39, 40), (255, 176, 0)

_STYLE = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1d1f23; background: #fff }
body { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 22px; margin: 0 0 4px }
p { margin: 4px 0 12px; max-width: 76ch }
.keys span { display: inline-block; margin-right: 18px }
.keys b { display: inline-block; width: 26px; height: 12px; margin-right: 6px; border: 3px solid }
article { border-top: 1px solid #d4d7dc; padding: 14px 0; display: grid; grid-template-columns: 220px 1fr 1fr; gap: 16px;
  break-inside: avoid }
article.doubt { background: #fff8e6; box-shadow: -24px 0 #fff8e6, 24px 0 #fff8e6 }
h2 { font: 600 14px ui-monospace, monospace; margin: 0 0 6px; overflow-wrap: anywhere }
dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: 2px 10px; font-size: 14px }
dt { color: #5b616b } dd { margin: 0 }
ul { margin: 8px 0; padding-left: 18px; font-size: 14px }
figure { margin: 0 } figcaption { font-size: 13px; color: #5b616b; margin-bottom: 4px }
img { max-width: 100%; background: #000; display: block }
label { display: block; margin-top: 8px; font-size: 14px }
footer { border-top: 2px solid #1d1f23; margin-top: 20px; padding-top: 14px }
footer div { display: inline-block; width: 46%; margin: 26px 3% 0 0; border-top: 1px solid #1d1f23; font-size: 13px }
"""


def write_review_sheet(reviewed: Iterable[tuple[str, PixelFindings]], path: Path) -> Path:
    """Write the sheet: doubtful files first, then those of which most was masked.

    Args:
        reviewed: Any stable name of each file, which is shown as a hash alone, and its findings.
        path: ``.html``.

    Returns:
        The path.
    """
    from jinja2 import Environment

    shown = [each for each in reviewed if each[1].picture is not None]
    shown.sort(key=lambda each: (not each[1].needs_review, -each[1].masked_share))
    entries = []
    for name, findings in shown:
        before, after = _pictures(findings)
        entries.append({"name": safe_name(name), "findings": findings, "before": before, "after": after})
    page = (
        Environment(autoescape=True)
        .from_string(_PAGE)
        .render(
            style=_STYLE,
            entries=entries,
            doubtful=sum(each.needs_review for _, each in shown),
            masked=sum(each.masked_share > 0 for _, each in shown),
            colours={"masked": _MASKED, "doubtful": _DOUBTFUL},
        )
    )
    path = Path(path)
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def _pictures(findings: PixelFindings) -> tuple[str, str]:
    """Before, with boxes drawn round what was found, and after, with the mask in black; as data URIs."""
    from PIL import Image, ImageDraw

    assert findings.picture is not None and findings.mask is not None
    picture = findings.picture
    colour = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    masked = colour.copy()
    masked[findings.mask] = 0
    scale = _SIDE_PX / max(colour.shape[:2])
    size = max(1, round(colour.shape[1] * scale)), max(1, round(colour.shape[0] * scale))
    before, after = (Image.fromarray(np.ascontiguousarray(each)).resize(size) for each in (colour, masked))
    for boxes, ink in ((findings.text, _MASKED), (findings.suspicious, _DOUBTFUL)):
        for each, drawn in ((before, ImageDraw.Draw(before)), (after, ImageDraw.Draw(after))):
            if each is after and ink == _MASKED:
                continue
            for box in boxes:
                drawn.polygon(
                    [(float(column), float(row)) for column, row in box.corners * scale], outline=ink, width=2
                )
    return _uri(before), _uri(after)


def _uri(picture: object) -> str:
    file = BytesIO()
    picture.save(file, "PNG")  # type: ignore[attr-defined]
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Review of masked pixels</title>
<meta name="viewport" content="width=device-width"><style>{{ style }}</style></head><body>
<h1>Review of masked pixels</h1>
<p>{{ entries | length }} file{{ "" if entries | length == 1 else "s" }}; something was masked in {{ masked }},
{{ doubtful }} to be looked at with care (shaded, first). No search finds everything: handwriting, other scripts and letters
below 12 pixels are not covered by what was measured. The sheet shows the pixels under review and is as confidential as they
are.</p>
<p class="keys"><span><b style="border-color: rgb{{ colours.masked }}"></b>masked as text</span>
<span><b style="border-color: rgb{{ colours.doubtful }}"></b>doubtful, not masked</span></p>
{% for entry in entries %}{% set found = entry.findings %}
<article{% if found.needs_review %} class="doubt"{% endif %}>
<div><h2>{{ entry.name }}</h2>
<dl><dt>masked</dt><dd>{{ "%.1f" | format(100 * found.masked_share) }} % of the picture</dd>
<dt>text</dt><dd>{{ found.text | length }} box{{ "" if found.text | length == 1 else "es" }}</dd>
<dt>doubtful</dt><dd>{{ found.suspicious | length }}</dd>
<dt>frames</dt><dd>{{ found.frames }}</dd>
{% if found.outside %}<dt>sector</dt><dd>by {{ found.outside }}</dd>{% endif %}
{% if found.copies %}<dt>copies</dt><dd>{{ found.copies | join(", ") }}</dd>{% endif %}</dl>
{% if found.notes %}<ul>{% for note in found.notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}
<label><input type="checkbox"> clean</label><label><input type="checkbox"> not clean: leave out</label></div>
<figure><figcaption>before</figcaption><img alt="before masking" src="{{ entry.before }}"></figure>
<figure><figcaption>after</figcaption><img alt="after masking" src="{{ entry.after }}"></figure>
</article>{% endfor %}
<footer>I looked at every picture above; what is ticked clean shows nothing that names a patient.
<br><div>reviewer</div><div>date and signature</div></footer>
</body></html>
"""
