"""The report's section on shortcuts and on gaps between groups: what was suspected, what was asked, who is served worse."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from preceptor.core.evidence import Finding
from preceptor.prove.report.record import Record
from preceptor.prove.report.wording import number, sentence

#: Gaps that are shown; the rest are counted.
_MOST_GAPS = 12

_CRITERIA = {
    "demographic_parity": "called positive equally often (demographic parity)",
    "equal_opportunity": "the truly positive found equally often (equal opportunity)",
    "equalised_odds": "right and wrong positives equally often (equalised odds)",
    "predictive_parity": "a positive answer right equally often (predictive parity)",
}


@dataclass(frozen=True)
class Row:
    """One line of a table: what, value with interval, p, and whether it stands out."""

    what: str
    value: str
    p: str
    stands_out: bool


@dataclass(frozen=True)
class Gaps:
    """Gaps between groups.

    Args:
        rows: The smallest corrected p first.
        criteria: What definitions of fairness ask, by field.
        summary: One sentence.
        notes: Which groups are not shown.
    """

    rows: tuple[Row, ...]
    criteria: tuple[Row, ...]
    summary: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AuditSection:
    """All that the page says about shortcuts and gaps.

    Args:
        sentence: The audit in one sentence; empty where the run was not audited.
        suspicions: ``(about, sentence)``.
        trials: Everything that was asked.
        notes: What could not be asked.
        means: ``(caption, picture)`` mean images by site and class.
        gaps: None where `group_gaps` was not evaluated.
    """

    sentence: str
    suspicions: tuple[tuple[str, str], ...]
    trials: tuple[Row, ...]
    notes: tuple[str, ...]
    means: tuple[tuple[str, str], ...]
    gaps: Gaps | None


def audit_section(record: Record) -> AuditSection | None:
    """What ``audit.json`` and the finding ``group_gaps`` say; None where the run has neither.

    Args:
        record: The run's.
    """
    path = record.folder / "audit.json"
    audit: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    finding = record.evidence.findings.get("group_gaps")
    if not audit and finding is None:
        return None
    level = audit.get("level", 0.05)
    return AuditSection(
        audit.get("sentence", ""),
        tuple((each["about"], each["sentence"]) for each in audit.get("suspicions", ())),
        tuple(_trial(each, level) for each in audit.get("trials", ())),
        tuple(audit.get("notes", ())),
        _means(record, audit),
        None if finding is None else gaps_of(finding),
    )


def gaps_of(finding: Finding) -> Gaps:
    """The parts of ``group_gaps`` as tables.

    Args:
        finding: With its parts.
    """
    compared = {name: each for name, each in finding.parts.items() if "=" in name}
    ordered = sorted(compared.items(), key=lambda pair: _order(pair[1]))
    asked = [(name, each) for name, each in finding.parts.items() if "=" not in name]
    standing = sum(_stands_out(each) for each in compared.values())
    least = f"{len(compared)} gaps between groups were measured"
    summary = (
        f"{least}; {standing or 'none'} of them {'is' if standing == 1 else 'are'} more than chance after correction."
    )
    notes = tuple(note for note in finding.notes if "not shown" in note or "too few" in note or "no field" in note)
    if len(ordered) > _MOST_GAPS:
        notes = (f"{len(ordered) - _MOST_GAPS} further gaps with larger p stand in evidence.json", *notes)
    return Gaps(
        tuple(_gap(name, each) for name, each in ordered[:_MOST_GAPS]),
        tuple(_criterion(name, each) for name, each in sorted(asked, key=lambda pair: _order(pair[1]))[:_MOST_GAPS]),
        summary,
        notes,
    )


def render(section: AuditSection) -> Markup:
    """The section as HTML, in the report's own classes."""
    parts = [Markup('<section id="audit" aria-labelledby="audit-title"><h2 id="audit-title">Shortcuts and gaps</h2>')]
    if section.sentence:
        parts.append(Markup("<p>{}</p>").format(section.sentence))
    for about, said in section.suspicions:
        parts.append(Markup("<h3>{}</h3><p>{}</p>").format(sentence(about), said))
    if section.means:
        pictures = Markup("").join(
            Markup(
                '<figure><img src="{}" alt="mean image, {}" width="112"><figcaption>{}</figcaption></figure>'
            ).format(picture, caption, caption)
            for caption, picture in section.means
        )
        parts.append(Markup('<h3>Mean images</h3><div class="cases">{}</div>').format(pictures))
    if section.trials:
        table = _table("What was asked", "Answer", section.trials)
        parts.append(Markup("<details><summary>Everything the audit asked</summary>{}</details>").format(table))
    for note in section.notes:
        parts.append(Markup('<p class="small">{}</p>').format(sentence(note)))
    if section.gaps is not None:
        parts.append(Markup("<h3>Gaps between groups</h3><p>{}</p>").format(section.gaps.summary))
        if section.gaps.rows:
            parts.append(_table("Group less everyone else", "Gap [95 % interval]", section.gaps.rows))
        if section.gaps.criteria:
            parts.append(_table("What would be fair", "Largest gap between two groups", section.gaps.criteria))
            told = (
                "Where groups differ in how many are ill, these definitions exclude one another: no model meets them "
                "all, and which one matters is a clinical choice."
            )
            parts.append(Markup('<p class="small">{}</p>').format(told))
        parts += [Markup('<p class="small">{}</p>').format(sentence(note)) for note in section.gaps.notes]
    return Markup("").join([*parts, Markup("</section>")])


def _table(first: str, second: str, rows: Sequence[Row]) -> Markup:
    line = Markup('<tr><th scope="row">{}</th><td>{}</td><td class="n">{}</td></tr>')
    strong = Markup(
        '<tr><th scope="row">{}</th><td><strong>{}</strong></td><td class="n"><strong>{}</strong></td></tr>'
    )
    body = Markup("").join((strong if row.stands_out else line).format(row.what, row.value, row.p) for row in rows)
    head = Markup('<tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col" class="n">p, corrected</th></tr>')
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><thead>{}</thead><tbody>{}</tbody></table></div>'
    ).format(first, head.format(first, second), body)


def _trial(trial: Mapping[str, Any], level: float) -> Row:
    p = trial.get("adjusted_p")
    stands_out = bool(trial.get("large")) and p is not None and p < level
    return Row(str(trial["question"]), str(trial["answer"]), _p(p), stands_out)


def _gap(name: str, finding: Finding) -> Row:
    group, _, measure = name.rpartition(".")
    label = f"{_spoken(group)}: {finding.definition.partition(': ')[2] or measure}"
    return Row(label, _value(finding), _p(_adjusted(finding)), _stands_out(finding))


def _criterion(name: str, finding: Finding) -> Row:
    field, _, criterion = name.rpartition(".")
    told = f"by {_spoken(field)}: {_CRITERIA.get(criterion, criterion)}"
    pair = finding.definition.partition(":")[0].replace(" less ", " and ")
    return Row(told, f"{_value(finding)}, {pair}", _p(_adjusted(finding)), _stands_out(finding))


def _spoken(name: str) -> str:
    return name.replace("=", " ")


def _value(finding: Finding) -> str:
    said = number(finding.value, finding.unit)
    if finding.interval is None:
        return said
    return f"{said} [{number(finding.interval[0])}, {number(finding.interval[1])}]"


def _adjusted(finding: Finding) -> float | None:
    part = finding.parts.get("adjusted_p")
    return None if part is None or not math.isfinite(part.value) else part.value


def _stands_out(finding: Finding) -> bool:
    p = _adjusted(finding)
    return p is not None and p < 0.05


def _order(finding: Finding) -> tuple[float, float]:
    p, size = _adjusted(finding), finding.value
    return (2.0 if p is None else p, -abs(size) if math.isfinite(size) else 0.0)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _means(record: Record, audit: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    path = record.folder / "audit_means.npz"
    if not audit.get("means") or not path.exists():
        return ()
    with np.load(path, allow_pickle=False) as stored:
        pixels = [stored[name] for name in stored.files]
    low = min(float(each.min()) for each in pixels)
    high = max(float(each.max()) for each in pixels)
    shown = []
    for told, each in zip(audit["means"], pixels, strict=True):
        # One window for all, or what differs between sites would be stretched away; a volume shows its middle.
        flat = each if each.ndim == 2 else each[..., each.shape[-1] // 2]
        said = [told["group"], told["label"], told["view"] if told["view"] != "image" else ""]
        caption = ", ".join(part for part in said if part) or "all cases"
        shown.append((f"{caption} ({told['patients']} patients)", _picture(flat, low, high)))
    return tuple(shown)


def _picture(image: np.ndarray, low: float, high: float) -> str:
    from PIL import Image as Pillow

    grey = np.clip((image - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(np.kron(grey.T, np.ones((4, 4), np.uint8)))).save(
        stream, "PNG", optimize=True
    )
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
