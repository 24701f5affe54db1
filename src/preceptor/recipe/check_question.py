"""Do task, objective, network and evaluators speak of the same question?  Asked before any data is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Question
from preceptor.core.slots import names, plugin

from .check_network import check_network
from .made import Made
from .report import Report, did_you_mean, one_of
from .schema import SECTIONS


def check_question(
    filled: Mapping[str, Any], made: Mapping[str, list[Made]], report: Report, networks: Collection[str] = ()
) -> None:
    """Report where task, objectives, network, evaluators and the rest do not fit one another.

    Args:
        filled: Sections with defaults written back.
        made: Plug-ins as objects, by section.
        report: Where faults go.
        networks: Names of networks handed in from Python.
    """
    task = made["task"][0] if made["task"] else None
    question = getattr(task.object, "question", None) if task else None
    if task is not None and question is not None:
        _classes(question, task.path, task.settings, report)
        _suits(question, made, report)
        _truth_in_preparation(getattr(task.object, "mask", None), made, report)
        _curves(made, report)
    width = _widths(question, made["objective"], report) if question is not None else None
    views = _views(filled.get("cohort"))
    _named_views(views, made, report)
    if made["network"] and made["network"][0].name not in networks:
        check_network(filled, made, question, width or 2, views, report)


def _listed(settings: Mapping[str, Any]) -> list[str]:
    """Class names as the recipe lists them: a task may have made one of two already."""
    for key in ("classes", "labels"):
        if isinstance(settings.get(key), list):
            return [str(each) for each in settings[key]]
    return []


def _classes(question: Question, path: Any, settings: Mapping[str, Any], report: Report) -> None:
    named = [*question.classes] if len(set(question.classes)) < len(question.classes) else _listed(settings)
    twice = [name for name, number in Counter(named).items() if number > 1]
    if twice:
        report.add(path, f"the class '{twice[0]}' stands twice", expected="each class once", code="class_twice")
    values = [value for value, number in Counter(question.values).items() if number > 1]
    if values:
        meant = [name for name, value in zip(question.classes, question.values, strict=False) if value == values[0]]
        report.add(
            path,
            f"the value {values[0]} means {' and '.join(meant)}",
            expected="a value of its own for each structure; 0 is the background",
            code="label_value_twice",
        )
    if question.exclusive and not question.is_regression and len(question.classes) < 2:
        report.add(
            path,
            f"there is {'one class' if question.classes else 'no class'} to choose from",
            expected="two or more classes, such as [absent, present]",
            code="too_few_classes",
        )
    if not question.exclusive and not question.classes:
        report.add(path, "there is no label to predict", expected="one label or more", code="too_few_classes")


def _suits(question: Question, made: Mapping[str, list[Made]], report: Report) -> None:
    kind = f"{question.task} ({'an answer per voxel' if question.dense else 'an answer per case'})"
    for section in ("evaluate", "safeguards", "methods", "explain"):
        for each in made[section]:
            asks = getattr(each.object, "suits", None)
            if asks is not None and not asks(question):
                fitting = [name for name in _names(section) if _suiting(section, name, question)]
                report.add(
                    each.path,
                    f"{each.name} does not suit the task {kind}",
                    expected=one_of(fitting) if fitting else "",
                    remedy=f"take {each.name} out",
                    code="does_not_suit",
                )


def _truth_in_preparation(truth: str | None, made: Mapping[str, list[Made]], report: Report) -> None:
    """Report steps that look at the answer: a new image has none, and a test image must not give it away.

    Other masks of the cohort are no answer, but are not there either when the model predicts: a warning.
    """
    for each in made["prepare"]:
        if truth is not None and each.settings.get("mask") == truth:
            report.add(
                (*each.path, "mask"),
                f"{each.name} looks at '{truth}', which is what is to be found",
                expected="a mask that an earlier step makes, such as body, brain, lung, sector or tissue",
                remedy="leave `mask` out, or make a mask first: {remove_background: {}} or {skull_strip: {...}}",
                code="prepare_reads_truth",
            )
    made_before: set[str] = set()
    for each in made["prepare"]:
        if (name := getattr(each.object, "name", None)) is not None:  # it makes a mask of that name
            made_before.add(name)
            continue
        asked = each.settings.get("mask")
        if isinstance(asked, str) and asked != truth and not any(asked.startswith(name) for name in made_before):
            report.add(
                (*each.path, "mask"),
                f"{each.name} looks inside the mask '{asked}', which no step before it makes",
                expected="a mask that an earlier step makes: those of the cohort are there in training alone, and the "
                "sealed model would refuse every image",
                remedy="make it first (remove_background, skull_strip, lung_mask …), or leave `mask` out",
                code="prepare_reads_cohort_mask",
                severity="warning",
            )


def _curves(made: Mapping[str, list[Made]], report: Report) -> None:
    """Warn of measures that read survival curves where nothing gives any."""
    objective = made["objective"][0] if made["objective"] else None
    if objective is None or getattr(objective.object, "gives_curves", True):
        return
    if any(getattr(each.object, "gives_curves", False) for each in made["safeguards"]):
        return
    for each in made["evaluate"]:
        if getattr(each.object, "reads_curves", False):
            report.add(
                each.path,
                f"{each.name} reads survival curves, and {objective.name} gives a risk alone",
                expected="the safeguard baseline_hazard, or an objective of discrete time such as logistic_hazard",
                remedy="add it: safeguards: [baseline_hazard]",
                code="no_curves",
                severity="warning",
            )


def _names(section: str) -> tuple[str, ...]:
    return names(SECTIONS[section].slot or "")


def _suiting(section: str, name: str, question: Question) -> bool:
    try:
        example = plugin(SECTIONS[section].slot or "", name).example()  # type: ignore[attr-defined]
    except (PreceptorError, ImportError):
        return False
    return not hasattr(example, "suits") or example.suits(question)


def _widths(question: Question, objectives: list[Made], report: Report) -> int | None:
    """Channels the network must answer with; objectives of one output must agree."""
    widths: dict[str, dict[str, int]] = defaultdict(dict)
    for each in objectives:
        if each.object is None:
            continue
        try:
            widths[each.settings.get("output", "answer")][each.name] = each.object.width(question)
        except PreceptorError as error:
            report.tell(each.path, error, "objective_unfit")
    for output, asked in widths.items():
        if len(set(asked.values())) > 1:
            said = ", ".join(f"{name} {width}" for name, width in asked.items())
            report.add(
                ("objective",),
                f"the objectives ask for different numbers of channels of '{output}': {said}",
                expected="one width for one output",
                remedy=f"name another output for one of them: {{{list(asked)[-1]}: {{output: other}}}}",
                code="objective_width",
            )
    if objectives and all(each.object is not None for each in objectives) and "answer" not in widths and widths:
        report.add(
            ("objective",),
            "no objective reads the network's answer",
            expected="one objective without `output`",
            code="no_answer",
        )
    return next(iter(widths["answer"].values()), None) if "answer" in widths else None


def _views(cohort: Any) -> tuple[str, ...]:
    """Names of the views, where the data set's settings list them by name; () where only the data knows."""
    if not isinstance(cohort, Mapping):
        return ()
    settings = next(iter(cohort.values()))
    for key in ("views", "image", "images"):
        if isinstance(settings.get(key), (Mapping, list)) and settings[key]:
            return tuple(settings[key])
    return ("image",) if isinstance(settings.get("image"), str) and settings.get("view") is None else ()


def _named_views(views: tuple[str, ...], made: Mapping[str, list[Made]], report: Report) -> None:
    if not views:
        return
    for section, plugins in made.items():
        if section == "cohort":
            continue
        for each in plugins:
            for key in ("views", "view"):
                value = each.settings.get(key)
                for name in [value] if isinstance(value, str) else value or ():
                    if name not in views:
                        report.add(
                            (*each.path, key),
                            f"there is no view '{name}'",
                            expected=one_of(views),
                            remedy=did_you_mean(name, views),
                            code="view_unknown",
                        )
