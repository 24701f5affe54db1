"""The report's section on what the answers need: covered regions, withheld views, and what a table alone would say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from preceptor.core.evidence import Finding
from preceptor.prove.explaining.tabular_importance import TabularImportance
from preceptor.prove.report.page import table
from preceptor.prove.report.plots import Plot, interval_plot
from preceptor.prove.report.svg import Chart, padded
from preceptor.prove.report.wording import number, sentence, words

#: Columns that are drawn; the rest stand in the table.
_MOST_COLUMNS = 10


def needs_section(folder: Path, of: str = "patients") -> Markup | None:
    """What ``preceptor explain`` left in a run's ``explanations``; None where it left nothing.

    Args:
        folder: The run's.
        of: ``patients`` or ``images``: what intervals resample.
    """
    given = {name: _read(folder / "explanations" / f"{name}.json") for name in _PARTS}
    parts = [_PARTS[name](record, of) for name, record in given.items() if record]
    if not parts:
        return None
    head = '<section id="needs" aria-labelledby="needs-title"><h2 id="needs-title">What the answers need</h2>'
    return Markup(head) + Markup("").join(parts) + Markup("</section>")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


# -------------------------------------------------------------------- regions covered


def _covered(record: Mapping[str, Any], of: str) -> Markup:
    found = Finding.from_json(record)
    regions = [name.removeprefix("without_") for name in found.parts if name.startswith("without_")]
    spoken = " and ".join(words(each) for each in regions)
    labels = {"whole": "whole image", "only": "all else covered", "elsewhere": "a hole elsewhere"}
    for index, name in enumerate(regions):
        labels[f"without_{name}"] = f"{'and ' if index else ''}{words(name)} covered"
    measure = found.definition.partition(" with ")[0]
    rows = [(label, found.parts[name]) for name, label in labels.items() if name in found.parts]
    rows.sort(key=lambda row: list(found.parts).index(row[1].name.partition(".")[2]))
    chart = interval_plot(rows, measure)
    figure = "" if chart is None else _figure(Plot(f"{measure} with parts of the image covered", chart, _bars(found)))
    notes = [each for each in found.notes if not each.startswith("CAUGHT")]
    return Markup("<h3>With {} covered</h3><p>{}</p>{}{}").format(
        spoken, _verdict(found, spoken, measure), figure, _small(notes)
    )


def _verdict(found: Finding, spoken: str, measure: str) -> Markup:
    whole, covered = found.parts["whole"], found.value
    chance = 0.0 if measure.startswith("Spearman") else 0.5
    fell = f"{measure} is {number(whole.value)} on the whole image and {number(covered)} with {spoken} covered"
    if any(note.startswith("CAUGHT") for note in found.notes):
        kept = min((covered - chance) / max(whole.value - chance, 1e-9), 1.0)
        told = (
            f"Caught: {fell} (chance is {chance:g}). {kept:.0%} of what the model can do rests on something else than "
            "what a reader would look at."
        )
        return Markup("<strong>{}</strong>").format(told.replace("%", " %"))
    lost, elsewhere = found.parts["lost"], found.parts["lost_elsewhere"]
    if lost.interval is None or not lost.interval[0] > 0:
        return Markup("{}").format(f"{fell}: too few cases, or too little skill, to say what it rests on.")
    told = f"{fell} (chance is {chance:g}): the answers rest on what was covered."
    if elsewhere.value > 0.5 * lost.value:
        told += " But a hole of the same shape elsewhere costs over half as much: part of the loss is the hole itself."
    return Markup("{}").format(told)


# -------------------------------------------------------------------- views withheld


def _shared(record: Mapping[str, Any], of: str) -> Markup:
    found = Finding.from_json(record)
    shares = {name: part for name, part in found.parts.items() if not name.startswith("alone_")}
    measure = found.definition.partition(" with ")[0]
    total = sum(each.value for each in shares.values())
    told = f"{measure} with all inputs together is {_value(found)}."
    most = max(shares, key=lambda name: shares[name].value)
    if total > 0:
        told += f" {words(most)} adds most of it: {shares[most].value / total:.0%} of what lies above chance.".replace(
            "%", " %"
        )
    rows = [
        (words(name), _value(part), _value(found.parts[f"alone_{name}"]))
        for name, part in sorted(shares.items(), key=lambda each: -each[1].value)
    ]
    head = ("Input", f"Share of the {measure} above chance", f"{measure} with it alone")
    note = (
        "A share is what an input adds on average over every order in which the inputs could have been added (Shapley). "
        "Inputs that say the same divide it between them."
    )
    return Markup("<h3>How much each input counts</h3><p>{}</p>{}{}").format(
        sentence(told), table("Shares of the inputs", head, rows, (1, 2)), _small([note])
    )


# -------------------------------------------------------------------- a table


def _tables(record: Mapping[str, Any], of: str) -> Markup:
    parts = [Markup("<h3>What the table alone would say</h3>")]
    for name, each in record.items():
        parts.append(_table(name, TabularImportance.from_json(each), len(record) > 1, of))
    return Markup("").join(parts)


def _table(name: str, found: TabularImportance, several: bool, of: str) -> Markup:
    score, chance = found.scores["forest"], found.scores["chance"]
    is_number = chance == 0.0
    measure = "variance explained (R²)" if is_number else "balanced accuracy"
    told = (
        f"A forest that sees no image, only the table, reaches a {measure} of {number(score)} on held-out {of} "
        f"(chance is {chance:.2g}; {found.cases} cases of {found.clusters} {of})."
    )
    if score > chance + 0.1:
        told += " The fields tell part of the answer: a model could read them off the image in place of the finding."
    head = ("Field", "Shapley, mean size", "Lost when shuffled", "Mutual information (nats)", "Kept by CFS")
    rows = []
    for each in sorted(found.names, key=lambda column: -found.shapley[column]):
        mean, low, high = found.permutation[each]
        rows.append(
            (
                words(each),
                number(found.shapley[each]),
                f"{number(mean)} [{number(low)}, {number(high)}]",
                number(max(found.mutual_information[each], 0.0)),
                "yes" if each in found.selected else "",
            )
        )
    note = (
        "Mean size of Shapley values: by how much a field moves the forest's answer in a held-out case. A forest that is no "
        "better than chance moves too: read the size only beside its score."
    )
    chart = _swarm(found, is_number)
    rules = Markup("<details><summary>A tree of three levels, to read</summary><pre>{}</pre></details>").format(
        found.rules
    )
    return Markup("{}<p>{}</p>{}{}{}{}").format(
        Markup("<h4>{}</h4>").format(words(name)) if several else "",
        told,
        table("Fields by what they tell", head, rows, (1, 2, 3)),
        "" if chart is None else _figure(chart),
        _small([note]),
        rules,
    )


def _swarm(found: TabularImportance, is_number: bool) -> Plot | None:
    """Every held-out case as a dot in each column's row, at what the column adds to the forest's answer."""
    if found.shares is None:
        return None
    order = sorted(range(len(found.names)), key=lambda at: -found.shapley[found.names[at]])[:_MOST_COLUMNS]
    values, features = found.shares.values, found.shares.features
    low, high = padded(float(values[:, order].min()), float(values[:, order].max()))
    count = len(order)
    labels = [words(found.names[at]) for at in order]
    chart = Chart(
        (low, high),
        (0.4, count + 0.6),
        "added to the answer" if is_number else f"added to the probability of {words(found.answer)}",
        "",
        "Shapley values of " + ", ".join(labels),
        height=64 + 40 * count,
        y_ticks=[(count - index, label) for index, label in enumerate(labels)],
        left=18 + max(int(8.2 * len(each)) for each in labels),
    )
    chart.reference(0, 0.4, 0, count + 0.6)
    step = max(1, len(values) // 200)
    for index, at in enumerate(order):
        middle = _middle(features[:, at])
        for row in range(0, len(values), step):
            told = features[row, at]
            scatter = int(hashlib.sha256(f"{at} {row}".encode()).hexdigest()[:6], 16) / 0xFFFFFF - 0.5
            said = "missing" if np.isnan(told) else number(float(told))
            tip = f"{labels[index]} {said}: {number(float(values[row, at]))}"
            chart.point(values[row, at], count - index + 0.6 * scatter, tip, radius=3.2, hollow=not told > middle)
    caption = "Each dot is a held-out case: filled where the field is high (or so), hollow where it is low (or not so)."
    return Plot("What each field adds, case by case", chart.render(), caption)


def _middle(column: np.ndarray) -> float:
    """What is high lies above it: of two values the middle, else the median."""
    known = np.unique(column[~np.isnan(column)])
    return float(known.mean() if len(known) == 2 else np.median(column[~np.isnan(column)]))


def _value(finding: Finding) -> str:
    if finding.interval is None:
        return number(finding.value)
    return f"{number(finding.value)} [{number(finding.interval[0])}, {number(finding.interval[1])}]"


def _bars(found: Finding) -> str:
    return f"Bars: {found.level:.0%} intervals.".replace("%", " %")


def _small(notes: list[str]) -> Markup:
    return Markup("").join(Markup('<p class="small">{}</p>').format(sentence(note)) for note in notes)


def _figure(plot: Plot) -> Markup:
    return Markup('<figure class="plot"><h4>{}</h4>{}<figcaption>{}</figcaption></figure>').format(
        plot.title, plot.chart, plot.caption
    )


_PARTS = {"serial_occlusion": _covered, "stream_shares": _shared, "table": _tables}
