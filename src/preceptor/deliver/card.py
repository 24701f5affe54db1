"""The model card: what a model is for, whom it learnt from, how well it did, and where it stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.core.evidence import Evidence, Finding

from .group import Group

#: In the sense of Mitchell 2019 (arXiv:1810.03993), shortened to what was measured.
_LIMITS = (
    "It answers the question above and no other.",
    "It was measured on cases like those above; on others (another scanner, population, protocol) measure first.",
    "A person who can judge the image decides; an answer marked as not accepted must not be used.",
)


def card_of(
    recipe: Mapping[str, Any], evidence: Evidence, groups: Sequence[Group], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The card as JSON, in the order it is read.

    Args:
        recipe: The resolved recipe's sections.
        evidence: What was measured.
        groups: The networks.
        facts: Versions and machine.
    """
    ((task, settings),) = recipe["task"].items()
    ((network, _),) = recipe["network"].items()
    return {
        "study": recipe["study"],
        "name": recipe.get("name") or recipe["study"],
        "question": {"task": task, **{key: value for key, value in settings.items() if value is not None}},
        "input": groups[0].expected,
        "network": network,
        "members": sum(len(group.members) for group in groups),
        "cases": _cases(evidence, groups),
        "interval unit": evidence.facts.get("interval_unit", "image"),
        "findings": {name: _figure(finding) for name, finding in evidence.items()},
        "groups": sorted({part.partition("=")[0] for f in evidence.values() for part in f.parts if "=" in part}),
        "gates": {verdict.gate: verdict.sentence for verdict in evidence.verdicts},
        "warnings": [str(problem.get("what", "")) for problem in evidence.problems],
        "safeguards": [next(iter(each)) for each in recipe.get("safeguards") or []],
        "limits": list(_LIMITS),
        "rehearsal": bool(evidence.facts.get("rehearsal", False)),
        "recipe": evidence.facts.get("recipe"),
        "cohort": evidence.facts.get("cohort"),
        "seed": recipe.get("seed"),
        "made with": dict(facts.get("packages", {})),
        "sealed format": 1,
    }


def write_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown, under the nine headings of Mitchell 2019; what the run can't know is said to be missing."""
    lines = [f"# {card['name']}", ""]
    if card["rehearsal"]:
        lines += ["**A rehearsal: trained for one epoch on a few cases. Not for use.**", ""]
    sections = {
        "Model details": _details(card),
        "Intended use": _use(card),
        "Factors": _factors(card),
        "Metrics": _metrics(card),
        "Evaluation data": _data(card, ("test", "external"), "tested"),
        "Training data": _data(card, ("train", "tune", "calibrate", "adapt"), "learnt or fitted"),
        "Quantitative analyses": _analyses(card),
        "Ethical considerations": [
            "Not stated in the recipe: consent, approval, and the harms that its makers foresee."
        ],
        "Caveats and recommendations": _caveats(card),
    }
    for title, body in sections.items():
        lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines)


def _details(card: Mapping[str, Any]) -> list[str]:
    question = ", ".join(f"{key}: {_words(value)}" for key, value in card["question"].items())
    versions = ", ".join(f"{name} {version}" for name, version in card["made with"].items() if version)
    return [
        f"Asked: {question}.",
        "",
        f"Network {card['network']} (members: {card['members']}), seed {card['seed']}, recipe {card['recipe']}, "
        f"cohort {card['cohort']}. {versions}.",
        "",
        "The resolved recipe is in recipe.json, every number with its definition in evidence.json.",
    ]


def _use(card: Mapping[str, Any]) -> list[str]:
    lines = ["It may be shown:", "", *(f"- {view}: {_input(expected)}" for view, expected in card["input"].items())]
    return [*lines, "", "Anything else is refused. Who may use it, and for what, its makers have to add."]


def _factors(card: Mapping[str, Any]) -> list[str]:
    groups = card.get("groups", [])
    if not groups:
        return ["No group (site, sex, age, scanner) was measured apart: unequal performance could not be seen."]
    return [f"Measured apart: {', '.join(groups)}. The figures stand in evidence.json."]


def _metrics(card: Mapping[str, Any]) -> list[str]:
    lines = [f"- {name}: {figure['definition']}" for name, figure in card["findings"].items()]
    return [*(lines or ["Nothing was measured."]), "", f"Intervals of 95 % by {card['interval unit']}."]


def _data(card: Mapping[str, Any], roles: Sequence[str], what: str) -> list[str]:
    rows = [f"| {role} | {number} |" for role, number in card["cases"].items() if role in roles]
    return ["| role | cases |", "|---|---|", *rows] if rows else [f"No case was {what}."]


def _analyses(card: Mapping[str, Any]) -> list[str]:
    lines = ["| finding | value | interval | cases |", "|---|---|---|---|"]
    for name, figure in card["findings"].items():
        value = "undefined" if figure["value"] is None else f"{figure['value']:.3f} {figure['unit']}".strip()
        interval = "" if not figure["interval"] else " to ".join(_three(each) for each in figure["interval"])
        lines.append(f"| {name} | {value} | {interval} | {figure['cases']} |")
    if card["gates"]:
        lines += ["", "Gates, all of which hold:", ""]
        lines += [f"- {name}: {sentence}" for name, sentence in card["gates"].items()]
    return lines


def _caveats(card: Mapping[str, Any]) -> list[str]:
    lines = [f"- {each}" for each in card["limits"]]
    if card["warnings"]:
        lines += ["", "The cohort's checks warned:", "", *(f"- {each}" for each in card["warnings"])]
    if card["safeguards"]:
        lines += ["", f"Safeguards between its output and its reader: {', '.join(card['safeguards'])}."]
    return lines


def _cases(evidence: Evidence, groups: Sequence[Group]) -> dict[str, int]:
    """Cases by role: of the one split, or of the first of several folds with what was tested over all of them."""
    cases = dict(groups[0].cases)
    if len(groups) > 1:
        cases["test"] = sum(group.cases.get("test", 0) for group in groups)
    return cases


def _figure(finding: Finding) -> dict[str, Any]:
    record = finding.to_json()
    return {key: record[key] for key in ("value", "interval", "unit", "cases", "clusters", "definition")}


def _input(expected: Mapping[str, Any]) -> str:
    dims = " or ".join(f"{number}D" for number in expected["space_dims"])
    channels = " or ".join(map(str, expected["channels"]))
    said = [f"{dims}, {channels} channel{'s' if channels != '1' else ''}"]
    if expected["modalities"]:
        said.append(" or ".join(expected["modalities"]))
    if expected["spacing_mm"]:
        smallest, largest = expected["spacing_mm"]
        said.append(f"voxels of {smallest:.3g} to {largest:.3g} mm")
    return "; ".join(said)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} ({each})" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _three(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
