"""Does what a recipe says fit together?  Every section is right by itself here; these are the checks between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path as Folder
from typing import Any

from preceptor.core.slots import names

from .check_question import check_question
from .check_roles import check_roles, check_shares, check_strategies
from .made import Made, make
from .report import Report, did_you_mean, listed, one_of
from .schema import SECTIONS, Train


def check(filled: Mapping[str, Any], folder: Folder, report: Report, networks: Collection[str] = ()) -> None:
    """Report what no single section shows. Sections that are None could not be read and are left out.

    Args:
        filled: Sections with defaults written back.
        folder: What the paths in the recipe are relative to.
        report: Where faults go.
        networks: Names of networks handed in from Python.
    """
    made = {name: list(make(name, filled, folder, report)) for name, section in SECTIONS.items() if section.slot}
    if filled.get("split") is not None:
        check_shares(filled["split"], report)
    _same_twice(made, report)
    check_roles(filled, made, report)
    _methods(filled, made, report)
    check_strategies(filled.get("strategy"), ("strategy",), (), report)
    _transforms(filled, made, report)
    if filled.get("train") is not None:
        _training(Train(**filled["train"]), made, report)
    check_question(filled, made, report, networks)
    _gates(filled, made, report)
    _warnings(made, report)


def _warnings(made: Mapping[str, list[Made]], report: Report) -> None:
    for each in (one for section in made.values() for one in section):
        problem = each.object.warn() if hasattr(each.object, "warn") else None
        if problem is not None:
            report.add(
                each.path,
                problem.what,
                expected=problem.expected,
                remedy=problem.remedy,
                code=problem.code,
                severity=problem.severity,
            )


def _same_twice(made: Mapping[str, list[Made]], report: Report) -> None:
    """Findings, methods and safeguards go by name: the second of a name would hide the first."""
    for section in ("methods", "safeguards", "evaluate", "explain", "checks"):
        counted = Counter(each.name for each in made[section])
        for each in made[section]:
            if counted[each.name] > 1:
                counted[each.name] = 0  # told once
                report.add(
                    [other for other in made[section] if other.name == each.name][-1].path,
                    f"'{each.name}' stands in {section} more than once",
                    expected="each once",
                    remedy="delete one of them",
                    code="plugin_twice",
                )


def _methods(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    present = [each for each in made["methods"] if each.object is not None]
    for hook, words in (("sampler", "decide what is drawn"), ("weights", "decide which weights are kept")):
        having = [each for each in present if callable(getattr(type(each.object), hook, None))]
        if len(having) > 1:
            report.add(
                having[1].path,
                f"{listed(each.name for each in having)} all {words}",
                expected=f"one method with the hook `{hook}` in a recipe",
                remedy=f"keep one of {listed(each.name for each in having)}",
                code=f"several_{hook}",
            )
    ranks = {each.name: each.object for each in present}
    for name, thing in ranks.items():
        for other in getattr(thing, "before", ()):
            if name in getattr(ranks.get(other), "before", ()) or other in getattr(thing, "after", ()):
                report.add(
                    ("methods",),
                    f"{name} and {other} each want to run before the other",
                    expected="an order that both accept",
                    code="method_order",
                )
    accumulate = (filled.get("train") or {}).get("accumulate", 1)
    if accumulate > 1:
        for each in (*made["objective"], *present):
            if getattr(each.object, "whole_batch", False):
                report.add(
                    each.path,
                    f"{each.name} looks across the samples of a whole batch, and train.accumulate is {accumulate}",
                    expected="accumulate: 1",
                    remedy=f"raise batch_size instead, or take {each.name} out",
                    code="whole_batch",
                )


def _transforms(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    for each in made["prepare"]:
        if "chance" in each.settings:
            report.add(
                each.path,
                f"{each.name} is drawn anew each time, and preparation is done once",
                expected="a transform without chance, such as resample or zscore",
                remedy=f"move {each.name} to augment",
                code="prepare_random",
            )
    for each in made["augment"]:
        if hasattr(each.object, "fit"):
            report.add(
                each.path,
                f"{each.name} is fitted on the training cases, and augmentation is drawn for one case",
                expected="a transform that needs no fitting",
                remedy=f"move {each.name} to prepare",
                code="augment_fitted",
            )
        if each.settings.get("chance") == 0:
            report.add(
                each.path,
                f"{each.name} has the chance 0 and never happens",
                remedy="raise the chance, or take it out",
                code="chance_zero",
                severity="warning",
            )
    patch = (filled.get("train") or {}).get("patch")
    for section in ("prepare", "augment"):
        for each in made[section]:
            for key in ("spacing_mm", "size", "shape"):
                value = each.settings.get(key)
                if patch and isinstance(value, list) and len(value) != len(patch):
                    report.add(
                        (*each.path, key),
                        f"{each.name}.{key} has {len(value)} numbers, and train.patch has {len(patch)}",
                        expected="one number for each axis of space in both",
                        code="axes_mismatch",
                    )


def _training(train: Train, made: Mapping[str, list[Made]], report: Report) -> None:
    schedule = next(iter(train.schedule.values()))  # type: ignore[union-attr]
    if schedule["warmup_epochs"] >= train.epochs > 1:
        report.add(
            ("train", "schedule"),
            f"the warm-up takes {schedule['warmup_epochs']:g} of {train.epochs} epochs: full speed is never reached",
            expected="a warm-up shorter than the training",
            code="warmup_too_long",
        )
    if train.tune_every > train.epochs:
        report.add(
            ("train", "tune_every"),
            f"the tune cases are scored every {train.tune_every} epochs, and there are {train.epochs}",
            expected=f"at most {train.epochs}",
            code="never_tuned",
        )
    ((optimizer, settings),) = train.optimizer.items()  # type: ignore[union-attr]
    if optimizer == "sgd" and settings["nesterov"] and settings["momentum"] == 0:
        report.add(
            ("train", "optimizer"),
            "sgd looks ahead along the momentum (nesterov), and the momentum is 0",
            expected="momentum above 0, or nesterov: false",
            code="nesterov",
        )
    if train.patch is None and train.patches_per_case > 1:
        report.add(
            ("train", "patches_per_case"),
            f"{train.patches_per_case} patches are to be drawn from each case, and no size of a patch is given",
            expected="patch: [32, 32, 32], say",
            code="patch_missing",
        )
    for each in made["methods"]:
        patience = each.settings.get("patience")
        if isinstance(patience, int) and patience >= train.epochs > 1:
            report.add(
                each.path,
                f"{each.name} waits {patience} epochs, and there are {train.epochs}: it never does anything",
                remedy="lower its patience, or raise train.epochs",
                code="patience_too_long",
                severity="warning",
            )


#: What a measure's name begins with where it is of the external cases, of their change, or of an ensemble's members.
_BESIDES = ("external", "change", "members")


def _gates(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    """A gate on a number that nobody measures would only be found out at the end of the run."""
    misspelt = any(problem.code == "section_unknown" for problem in report.problems)
    if filled.get("evaluate") is None or (misspelt and not filled["evaluate"]):
        return
    measured = [each.name for each in made["evaluate"]]
    for each in made["gates"]:
        finding = each.settings.get("finding")
        if not isinstance(finding, str):
            continue
        head = next((part for part in finding.split(".") if part not in _BESIDES), finding)
        if head not in measured:
            report.add(
                (*each.path, "finding"),
                f"the gate {each.name} asks for '{finding}', which is not measured",
                expected=one_of(measured) if measured else f"evaluate: [{head}]",
                remedy=_measuring(head, measured),
                code="gate_finding",
            )
    if not measured and not made["gates"]:
        report.add(
            ("evaluate",),
            "nothing is measured: the run ends without evidence",
            expected="evaluators, such as evaluate: [dice] or [roc, calibration]",
            code="nothing_measured",
            severity="warning",
        )


def _measuring(head: str, measured: list[str]) -> str:
    known = names("evaluators")
    if head in known:
        return f"add {head} to evaluate"
    return (
        did_you_mean(head, measured) or did_you_mean(head, known) or "`preceptor list evaluators` shows what there is"
    )
