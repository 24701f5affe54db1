"""Who sits in which role: shares that add up, cases for all that needs its own, and no role dealt twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from preceptor.core.errors import RecipeError
from preceptor.core.slots import names, plugin

from .made import Made
from .report import Report
from .schema import SHARES
from .yaml import Path


def check_split(settings: Mapping[str, Any]) -> None:
    """Refuse shares that can't be dealt.

    Raises:
        RecipeError: With every problem.
    """
    report = Report("split", {})
    check_shares(settings, report)
    if report.errors:
        raise RecipeError("the split cannot be dealt", code="recipe_problems", problems=report.errors)


def check_shares(split: Mapping[str, Any], report: Report) -> None:
    """Report shares that do not add up, and values that stand in two roles."""
    shares = {role: split[role] for role in SHARES}
    total = sum(shares.values())
    if split.get("given"):
        if total or split["adapt"] or split["external"] or split["stratify"] or split.get("time"):
            report.add(
                ("split",),
                "the split keeps the roles that are given and deals roles as well",
                expected="`given: true` alone, or shares without it",
                code="split_given",
            )
        return
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
    if split.get("time") and (split["stratify"] or split["by"] != "patient"):
        report.add(
            ("split", "time"),
            f"the split by time leaves nothing to {'stratify' if split['stratify'] else 'deal by ' + str(split['by'])}",
            expected="`time` with shares, and patients kept together",
            remedy="leave `stratify` and `by` out, or `time`",
            code="split_time",
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


def check_roles(filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report) -> None:
    """Report what needs cases that the split does not deal. With roles from the data set only the cohort can tell."""
    split = filled.get("split")
    if split is None or split["given"]:
        return
    if not any(split[role] for role in (*SHARES, "adapt", "external")):
        return  # told already
    dealt = {role for role in SHARES if split[role] > 0} | {role for role in ("adapt", "external") if split[role]}
    deals_tests = any(_deals_roles(name) for name in _nest(filled.get("strategy")))
    for each in (*made["methods"], *made["safeguards"], *made["evaluate"]):
        needed = tuple(getattr(each.object, "needs_roles", ()))
        if hasattr(each.object, "fit"):
            needed = (*needed, getattr(each.object, "fit_role", "calibrate"))
        for role in dict.fromkeys(needed):
            if role not in dealt:
                why = {
                    "calibrate": "what it promises is void on cases that were used before",
                    "tune": "the test cases must not decide when to stop"
                    if each not in made["evaluate"]
                    else "the test cases must not choose what they are measured by",
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


def check_strategies(value: Any, path: Path, above: tuple[str, ...], report: Report) -> None:
    """Report strategies that deal roles inside others that do: they would train on the outer one's test cases."""
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
    for key, inner in settings.items():
        if isinstance(inner, Mapping) and len(inner) == 1 and _is_strategy(next(iter(inner))):
            check_strategies(inner, (*path, name, key), (*above, name), report)


def _is_strategy(name: str) -> bool:
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
