"""Does what a recipe says fit together?  Every section is right by itself here; these are the checks between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

from preceptor.core.errors import PreceptorError, RecipeError
from preceptor.core.slots import build, plugin

from .check_question import check_question
from .fill import ONE
from .report import Report, did_you_mean, dotted, listed
from .schema import SECTIONS, SHARES, Train
from .yaml import Path


@dataclass(frozen=True)
class Made:
    """A plug-in of the recipe as an object.

    Args:
        path: Where it stands.
        name: Its name.
        settings: Its parameters.
        object: The instance, or None where it can only be made later (networks) or its constructor refused.
    """

    path: Path
    name: str
    settings: Mapping[str, Any]
    object: Any


def check(filled: Mapping[str, Any], report: Report, networks: Collection[str] = ()) -> None:
    """Report what no single section shows. Sections that are None could not be read and are left out.

    Args:
        filled: Sections with defaults written back.
        report: Where faults go.
        networks: Names of networks handed in from Python.
    """
    made = {name: list(_make(name, filled, report)) for name, section in SECTIONS.items() if section.slot}
    if filled.get("split") is not None:
        _shares(filled["split"], report)
    _same_twice(made, report)
    _roles(filled, made, report)
    _methods(filled, made, report)
    _strategies(filled.get("strategy"), ("strategy",), (), report)
    _transforms(filled, made, report)
    if filled.get("train") is not None:
        _training(Train(**filled["train"]), filled, report)
    check_question(filled, made, report, networks)
    _gates(filled, made, report)


def check_split(settings: Mapping[str, Any]) -> None:
    """Refuse shares that can't be dealt.

    Raises:
        RecipeError: With every problem.
    """
    report = Report("split", {})
    _shares(settings, report)
    if report.errors:
        raise RecipeError("the split cannot be dealt", code="recipe_problems", problems=report.errors)


def _make(section: str, filled: Mapping[str, Any], report: Report) -> Iterator[Made]:
    """Every plug-in of a section as an object; what a constructor refuses is reported where it stands."""
    slot, value = SECTIONS[section].slot, filled.get(section)
    if slot is None or value is None:
        return
    for index, each in enumerate(value if SECTIONS[section].many else [value]):
        ((name, settings),) = each.items()
        path: Path = (section, index, name) if SECTIONS[section].many else (section, name)
        if slot == "networks":
            yield Made(path, name, settings, None)
            continue
        own = {key: value for key, value in settings.items() if slot != "objectives" or key not in ("weight", "output")}
        try:
            thing = build(slot, {name: own}, root=Folder())
        except PreceptorError as error:
            first = error.problem
            report.add(
                path, first.what, expected=first.expected, remedy=first.remedy, code=first.code or "plugin_refused"
            )
            thing = None
        except (TypeError, ValueError, AssertionError, KeyError) as error:
            report.add(
                path,
                f"the {ONE[slot]} '{name}' does not take these parameters: {error}",
                expected=f"`preceptor show {name}` tells what it takes",
                code="plugin_refused",
            )
            thing = None
        yield Made(path, name, settings, thing)


def _shares(split: Mapping[str, Any], report: Report) -> None:
    shares = {role: split[role] for role in SHARES}
    total = sum(shares.values())
    named = {role: dict(split[role] or {}) for role in ("adapt", "external")}
    said = ", ".join(f"{role} {share:g}" for role, share in shares.items() if share)
    if total == 0 and not any(named.values()):
        report.add(
            ("split",),
            "the split deals nothing",
            expected="shares such as train: 0.7, tune: 0.1, test: 0.2",
            remedy="leave the section out where the data set itself says who is in which role",
            code="split_empty",
        )
        return
    if abs(total - 1) > 1e-6:
        report.add(
            ("split",),
            f"the shares of the split add up to {total:g} ({said or 'nothing'})",
            expected="1",
            remedy=f"lower them by {total - 1:g} in all" if total > 1 else f"{1 - total:g} more belongs to some role",
            code="split_sum",
        )
    if shares["train"] == 0:
        report.add(
            ("split", "train"), "no case is dealt to train", expected="a share above 0 for train", code="split_no_train"
        )
    both = [
        (field, value)
        for field, values in named["adapt"].items()
        for value in values
        if value in named["external"].get(field, ())
    ]
    for field, value in both:
        report.add(
            ("split", "external", field),
            f"{field} {value} is both adapt and external",
            expected="each value in one role",
            remedy="external cases must never be seen in training, not even without their labels",
            code="split_overlap",
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


def _roles(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    """What is fitted or tuned needs cases of its own; with roles from the data set only the cohort can tell."""
    split = filled.get("split")
    if split is None:
        return
    dealt = {role for role in SHARES if split[role] > 0} | {role for role in ("adapt", "external") if split[role]}
    deals_tests = any(_deals_roles(name) for name in _nest(filled.get("strategy")))
    for each in (*made["methods"], *made["safeguards"]):
        needed = tuple(getattr(each.object, "needs_roles", ()))
        if hasattr(each.object, "fit"):
            needed = (*needed, getattr(each.object, "fit_role", "calibrate"))
        for role in dict.fromkeys(needed):
            if role not in dealt:
                why = {
                    "calibrate": "what it promises is void on cases that were used before",
                    "tune": "the test cases must not decide when to stop",
                    "adapt": "it learns from unlabelled cases of the other domain",
                }.get(role, "it is fitted on them")
                report.add(
                    each.path,
                    f"{each.name} needs {role} cases, and the split deals none",
                    expected=f"a share such as `{role}: 0.15` in split"
                    if role in SHARES
                    else f"`{role}: {{field: [values]}}` in split",
                    remedy=f"{why}: give it a share, or take {each.name} out",
                    code=f"no_{role}_share",
                )
    if made["evaluate"] and not dealt & {"test", "external"} and not deals_tests:
        report.add(
            ("split",),
            "nothing is measured: the split deals neither test nor external cases",
            expected="a share such as `test: 0.2`, or a strategy such as k_fold that tests on every case in turn",
            code="no_test_share",
        )
    if "test" in dealt and deals_tests:
        report.add(
            ("split", "test"),
            "the share of test is not used: the strategy deals test cases itself, fold by fold",
            remedy="leave it out, or put it under train",
            code="test_share_unused",
            severity="warning",
        )
    schedule = next(iter((filled.get("train") or {}).get("schedule") or {}), None)
    if schedule == "plateau" and "tune" not in dealt:
        report.add(
            ("train", "schedule"),
            "the schedule plateau follows the score on tune cases, and the split deals none",
            expected="a share such as `tune: 0.1` in split, or the schedule cosine",
            code="no_tune_share",
        )


def _methods(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    present = [each for each in made["methods"] if each.object is not None]
    for hook, words in (("sampler", "decide what is drawn"), ("weights", "decide which weights are kept")):
        having = [each for each in present if hasattr(each.object, hook)]
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


def _strategies(value: Any, path: Path, above: tuple[str, ...], report: Report) -> None:
    """Walk down nested strategies: folds inside folds would train on the outer fold's test cases."""
    if not isinstance(value, Mapping):
        return
    ((name, settings),) = value.items()
    outer = next((each for each in above if _deals_roles(each)), None)
    if outer and _deals_roles(name):
        report.add(
            (*path, name),
            f"{name} inside {outer} deals the roles a second time: test cases of the outer one would be trained on",
            expected="a strategy that keeps the roles, such as once or ensemble",
            remedy=f"put {name} outside, or leave one of them out",
            code="strategy_nesting",
        )
    if name == "once" and any(settings.values()):
        return
    for key, inner in settings.items():
        if isinstance(inner, Mapping) and len(inner) == 1 and _is_strategy(next(iter(inner))):
            _strategies(inner, (*path, name, key), (*above, name), report)


def _is_strategy(name: str) -> bool:
    from preceptor.core.slots import names

    return name in names("strategies")


def _deals_roles(name: str) -> bool:
    return bool(getattr(plugin("strategies", name), "deals_roles", False))


def _nest(value: Any) -> Iterator[str]:
    """Names of a strategy and of those inside it."""
    if isinstance(value, Mapping) and len(value) == 1 and _is_strategy(next(iter(value))):
        ((name, settings),) = value.items()
        yield name
        for inner in settings.values():
            yield from _nest(inner)


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


def _training(train: Train, filled: Mapping[str, Any], report: Report) -> None:
    schedule = next(iter(train.schedule.values()))  # type: ignore[union-attr]
    if schedule["warmup_epochs"] >= train.epochs > 1:
        report.add(
            ("train", "schedule"),
            f"the warm-up takes {schedule['warmup_epochs']:g} of {train.epochs} epochs: the learning rate never gets there",
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
    for each in filled.get("methods") or ():
        ((name, given),) = each.items()
        if name == "early_stopping" and given.get("patience", 0) >= train.epochs > 1:
            report.add(
                ("methods", name),
                f"early_stopping waits {given['patience']} epochs, and there are {train.epochs}: it never stops anything",
                remedy="lower the patience, or raise train.epochs",
                code="patience_too_long",
                severity="warning",
            )


def _gates(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    """A gate on a number that nobody measures would only be found out at the end of the run."""
    if filled.get("evaluate") is None:
        return
    measured = [each.name for each in made["evaluate"]]
    for each in made["gates"]:
        finding = each.settings.get("finding")
        if not isinstance(finding, str):
            continue
        head = finding.partition(".")[0]
        if head not in measured:
            report.add(
                (*each.path, "finding"),
                f"the gate {each.name} asks for '{finding}', which is not measured",
                expected=f"one of {listed(measured)}" if measured else f"evaluate: [{head}]",
                remedy=did_you_mean(head, measured) or f"add {head} to evaluate",
                code="gate_finding",
            )
    if (
        made["gates"]
        and filled.get("gates")
        and not measured
        and not any("finding" in g.settings for g in made["gates"])
    ):
        report.add(("gates",), "there are gates and nothing is measured", code="nothing_measured", severity="warning")
    if not measured and not made["gates"]:
        report.add(
            ("evaluate",),
            "nothing is measured: the run ends without evidence",
            expected="evaluators, such as evaluate: [dice] or [roc, calibration]",
            code="nothing_measured",
            severity="warning",
        )


__all__ = ["Made", "check", "check_split", "dotted"]
