"""Each number as a sentence for a doctor: natural frequencies ("of 100 patients …") with what chance leaves open.

Source: Gigerenzer & Hoffrage 1995; Hoffrage 2000 (Science 290:2261): risks told as counts are understood.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from preceptor.core.evidence import Finding, Question
from preceptor.prove.report.wording import whole

#: Below this many patients the sentence says on how few it rests.
_FEW = 30


def plain_words(findings: Mapping[str, Finding], question: Question) -> list[tuple[str, str]]:
    """``(name, sentence)`` for every finding and part that has one, in the findings' order.

    Args:
        findings: Of a run.
        question: What was asked.
    """
    told = []
    for name, finding in findings.items():
        for path, each in _with_parts(name, finding):
            if (said := in_plain_words(path, each, question)) is not None:
                told.append((path, said))
    return told


def in_plain_words(name: str, finding: Finding, question: Question) -> str | None:
    """What a figure means, in a sentence or two.

    Args:
        name: Dotted: ``roc``, ``confusion.sensitivity``, ``dice.anterior``, ``external.roc``, ``change.roc``.
        finding: The figure.
        question: What was asked.

    Returns:
        None for figures that have no such meaning (a log loss), and for undefined ones.
    """
    if not math.isfinite(finding.value):
        return None
    place, rest = "", name
    if name.startswith("external."):
        place, rest = "At sites the model never saw: ", name.removeprefix("external.")
    head, _, part = rest.partition(".")
    if head == "change":
        return _change(part, finding)
    writer = _WRITERS.get(head)
    said = None if writer is None else writer(part, finding, question)
    if said is None:
        return None
    said = f"{place}{said[:1].lower() + said[1:] if place else said}"
    few = 0 < finding.clusters < _FEW
    return f"{said} This rests on only {whole(finding.clusters)} {_unit(finding)}." if few else said


def _with_parts(name: str, finding: Finding) -> list[tuple[str, Finding]]:
    return [(name, finding), *((f"{name}.{part}", each) for part, each in finding.parts.items() if "=" not in part)]


# -------------------------------------------------------------------- ranking


def _roc(part: str, finding: Finding, question: Question) -> str | None:
    which = part or (question.classes[1] if len(question.classes) == 2 else "")
    if part and part not in question.classes:
        return None
    what = f"one with {_name(which)} and one without" if which else "one with a finding and one without it"
    mean = "" if which else " Averaged over the findings."
    count, between, of = _counts(finding)
    return (
        f"Of two {_unit(finding)}, {what}, the model gives the first the higher score in about {count} of {of} such "
        f"pairs{between}; guessing gets {of // 2}.{mean}"
    )


def _concordance(part: str, finding: Finding, question: Question) -> str | None:
    if part:
        return None
    count, between, of = _counts(finding)
    return (
        f"Of two patients of whom one has the event earlier, the model gives that one the higher risk in about {count} "
        f"of {of} such pairs{between}; guessing gets {of // 2}."
    )


# -------------------------------------------------------------------- right and wrong


def _rates(part: str, finding: Finding, question: Question) -> str | None:
    owner, _, rate = part.rpartition(".")
    named = owner or (question.classes[1] if len(question.classes) == 2 else "")
    if named not in question.classes and rate not in ("accuracy", ""):
        return None
    what, who = _name(named), _unit(finding)
    count, between, of = _counts(finding)
    rest = of - count
    return {
        "": f"Each kind of {who} counting alike, about {count} of {of} are answered right{between}.",
        "accuracy": f"Of {of} {who} like these, about {count} are answered right and {rest} wrong{between}.",
        "sensitivity": f"Of {of} {who} with {what}, about {count} are found and {rest} missed{between}.",
        "specificity": f"Of {of} {who} without {what}, about {count} are cleared and {rest} alarmed for nothing{between}.",
        "positive_predictive_value": f"Of {of} {who} that the model says have {what}, about {count} have it{between}, "
        "where it is as common as among these.",
        "negative_predictive_value": f"Of {of} {who} that the model says are free of {what}, about {count} are{between}, "
        "where it is as common as among these.",
    }.get(rate)


def _predictive(part: str, finding: Finding, question: Question) -> str | None:
    side, _, share = part.rpartition(" at ")
    owner, _, side = side.rpartition(".")
    named = owner or (question.classes[1] if len(question.classes) == 2 else "")
    if side not in ("positive", "negative") or not named:
        return None
    common = f"Where {number_of_100(float(share))} patients have {_name(named)}: of"
    count, between, of = _counts(finding)
    if side == "positive":
        return f"{common} {of} that the model says have it, about {count} do{between}."
    return f"{common} {of} that the model says are free of it, about {count} are{between}."


# -------------------------------------------------------------------- outlines and quantities


def _dice(part: str, finding: Finding, question: Question) -> str | None:
    which = _structure(part, question)
    if which is None:
        return None
    count, between, of = _counts(finding)
    return (
        f"Were the model's outline{which} and the expert's of one size, about {count} of every {of} voxels would lie in "
        f"both{between}."
    )


def _iou(part: str, finding: Finding, question: Question) -> str | None:
    which = _structure(part, question)
    if which is None:
        return None
    count, between, of = _counts(finding)
    return f"Of {of} voxels that the model's outline{which} or the expert's holds, about {count} lie in both{between}."


def _surface(part: str, finding: Finding, question: Question) -> str | None:
    kind, _, structure = part.partition(".")
    if kind in question.classes:
        kind, structure = "", kind
    which = _structure(structure, question)
    if which is None:
        return None
    value, between = _quantity(finding)
    if kind == "":
        return f"All but 5 of 100 points of the outline{which} lie within about {value} of the expert's{between}."
    if kind == "assd":
        return f"A point of the outline{which} lies about {value} from the expert's on average{between}."
    if kind == "nsd":
        count, between, of = _counts(finding)
        return f"About {count} of {of} points of the outline{which} lie within the tolerance of the expert's{between}."
    return None


def _error(part: str, finding: Finding, question: Question) -> str | None:
    if part:
        return None
    value, between = _quantity(finding)
    return f"The model's answer is off by about {value} on average{between}."


def _volume(part: str, finding: Finding, question: Question) -> str | None:
    """A structure's mean difference; the limits of agreement, which are about a single answer, where there are any."""
    if part not in question.classes:
        return None
    value, between = _quantity(finding)
    said = f"The volume of {_name(part)} in the answer is off by about {value} on average{between}."
    return said + _limits(finding)


def _numbers(part: str, finding: Finding, question: Question) -> str | None:
    return None if part else _limits(finding).strip() or None


def _limits(finding: Finding) -> str:
    ends = [finding.parts[name].value for name in ("lower_limit", "upper_limit") if name in finding.parts]
    if len(ends) < 2 or not all(math.isfinite(each) for each in ends):
        return ""
    lower, upper = (f"{abs(each):.3g} {finding.unit} too {'low' if each < 0 else 'high'}" for each in ends)
    return f" Of 100 single answers about 95 lie between {lower} and {upper}."


# -------------------------------------------------------------------- probabilities


def _calibration(part: str, finding: Finding, question: Question) -> str | None:
    if part == "observed_to_expected":
        told, between = _plain(finding, 100)
        return f"For every 100 patients with {_second(question)} that the model expects, about {told} come{between}."
    if part and part not in question.classes:
        return None
    told, between = _plain(finding, 100)
    whose = f" for {_name(part)}" if part else ""
    return (
        f"Where the model says 30 of 100{whose}, expect about {told} more or fewer: so far is a told probability from "
        f"what comes true, on average{between}."
    )


def _in_the_large(part: str, finding: Finding, question: Question) -> str | None:
    if part:
        return None
    # The figure is what came minus what was foretold; the sentence is about the model.
    low, high = finding.interval or (math.nan, math.nan)
    turned = replace(finding, value=-finding.value, interval=(-high, -low) if finding.interval else None)
    told, between = _plain(turned, 100, size=True)
    return (
        f"In 100 {_unit(finding)} the model foretells about {told} {_way(turned)} with {_second(question)} than there "
        f"are{between}."
    )


def _coverage(part: str, finding: Finding, question: Question) -> str | None:
    owner = part.removeprefix("true ")
    if part and owner not in question.classes:
        return None
    of_class = f" with {_name(owner)}" if part else ""
    sets = not question.dense and not question.is_regression
    what = "the set that the model names holds the truth" if sets else "what the model promises is kept"
    count, between, of = _counts(finding)
    return f"For about {count} of {of} {_unit(finding)}{of_class} {what}{between}."


# -------------------------------------------------------------------- readers, and change


def _readers(part: str, finding: Finding, question: Question) -> str | None:
    kind, _, rest = part.partition(".")
    if rest and kind not in ("seconds", "sensitivity", "specificity"):
        return None
    told, between = _plain(finding, 100, size=True)
    more = "more" if finding.value > 0 else "fewer"
    if kind == "over_reliance":
        return f"Shown wrong advice, readers follow it in about {told} {more} of 100 cases than without it{between}."
    if kind == "followed_errors":
        return f"Where the model errs, readers agree with it in about {told} {more} of 100 cases than unaided{between}."
    if kind == "sound_reliance":
        return (
            f"Shown right advice, readers agree with it in about {told} {more} of 100 cases than without it{between}."
        )
    if kind == "assistance":
        return (
            f"Of 100 pairs of a patient with {_second(question)} and one without, readers with assistance rank about "
            f"{told} {more} rightly than without{between}."
        )
    if kind.startswith("model_minus_"):
        arm = kind.removeprefix("model_minus_")
        return (
            f"Of 100 pairs of a patient with {_second(question)} and one without, the model ranks about {told} {more} "
            f"rightly than the average reader ({arm}){between}."
        )
    if kind == "seconds" and not rest:
        value, between = _quantity(finding, size=True)
        way = "longer" if finding.value > 0 else "shorter"
        return f"With assistance a case takes readers about {value} {way}{between}."
    return None


def _change(part: str, finding: Finding) -> str | None:
    if part == "refused":
        told, between = _plain(finding, 100, size=True)
        return f"Of 100 cases there, about {told} {_way(finding)} are refused than at home{between}."
    if part == "roc":
        told, between = _plain(finding, 100, size=True)
        pairs = "Of 100 pairs of a patient with and one without"
        return f"{pairs}, about {told} {_way(finding)} are ranked rightly there{between}."
    if part in ("dice", "iou"):
        told, between = _plain(finding, 100, size=True)
        return f"Of every 100 voxels, about {told} {_way(finding)} agree with the expert there{between}."
    return None


def _way(finding: Finding) -> str:
    return "more" if finding.value > 0 else "fewer"


# -------------------------------------------------------------------- numbers


def number_of_100(share: float) -> str:
    """``2 of 100``, or ``4 of 1,000`` where the share is small."""
    of = 100 if round(share * 100, 6).is_integer() else 1000
    return f"{whole(round(share * of))} of {whole(of)}"


def _counts(finding: Finding) -> tuple[int, str, int]:
    """A share as a count, what chance leaves open, and of how many: 1,000 where 100 would say all or none."""
    near = min(finding.value, 1 - finding.value)
    of = 1000 if 0 < near < 0.015 else 100
    if finding.interval is None:
        return round(finding.value * of), _OPEN, of
    low, high = (round(min(max(end, 0.0), 1.0) * of) for end in finding.interval)
    return round(finding.value * of), f" (likely between {low} and {high})", of


def _plain(finding: Finding, scale: float, size: bool = False) -> tuple[str, str]:
    """A figure times `scale`; with `size` its distance from 0, the interval keeping its signs as more or fewer."""
    value = abs(finding.value) if size else finding.value
    return _short(value * scale), _between(finding, scale, "", size)


def _quantity(finding: Finding, size: bool = False) -> tuple[str, str]:
    value = abs(finding.value) if size else finding.value
    return _measured(value, finding.unit), _between(finding, 1, finding.unit, size)


def _between(finding: Finding, scale: float, unit: str, size: bool) -> str:
    if finding.interval is None or not all(math.isfinite(end) for end in finding.interval):
        return _OPEN
    low, high = (end * scale for end in finding.interval)
    if size and low < 0 < high:
        return f" (anything from {_signed(low, unit)} to {_signed(high, unit)} is likely: no difference is shown)"
    if size and high <= 0:
        low, high = -high, -low
    ends = (_measured(each, unit) if scale == 1 else _short(each) for each in (low, high))
    return " (likely between {} and {})".format(*ends)


_OPEN = " (how far chance may move this is not known)"


def _signed(value: float, unit: str) -> str:
    if unit:
        return f"{_measured(abs(value), unit)} {'longer' if value > 0 else 'shorter'}"
    return f"{_short(abs(value))} {'more' if value > 0 else 'fewer'}"


def _measured(value: float, unit: str) -> str:
    """Two digits that count, or all of those before the point: what a doctor remembers."""
    return f"{value:.2g} {unit}".strip() if abs(value) < 10 else f"{whole(round(value))} {unit}".strip()


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 9.5 else f"{value:.1f}".removesuffix(".0").replace("-0", "0")


def _unit(finding: Finding) -> str:
    """Patients, where each had one image; else images."""
    one_each = finding.cases == finding.clusters or not finding.clusters
    return "patients" if "patient" in finding.method and one_each else "images"


def _name(text: str) -> str:
    return text.replace("_", " ")


def _second(question: Question) -> str:
    return _name(question.classes[1]) if len(question.classes) == 2 else "a finding"


def _structure(part: str, question: Question) -> str | None:
    """`` of the anterior``, nothing for all of them, None for a part that is no structure."""
    if not part:
        return ""
    return f" of {_name(part)}" if part in question.classes else None


_WRITERS: Mapping[str, Callable[[str, Finding, Question], str | None]] = {
    "roc": _roc,
    "concordance": _concordance,
    "confusion": _rates,
    "operating_point": _rates,
    "predictive_values": _predictive,
    "dice": _dice,
    "iou": _iou,
    "surface_distance": _surface,
    "mean_absolute_error": _error,
    "regression_error": _numbers,
    "counting": _numbers,
    "volume_agreement": _volume,
    "calibration": _calibration,
    "calibration_in_the_large": _in_the_large,
    "conformal_coverage": _coverage,
    "readers": _readers,
}
