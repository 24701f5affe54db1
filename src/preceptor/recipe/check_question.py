"""Do task, objective, network and evaluators speak of the same question?  Asked before any data is read."""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build, plugin

from .made import Made
from .report import Report, did_you_mean, listed


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
    if question is not None:
        _classes(question, task.path, report)
        _suits(question, made, report)
    width = _widths(question, made["objective"], report) if question is not None else None
    views = _views(filled.get("cohort"))
    _named_views(views, made, report)
    if made["network"] and made["network"][0].name not in networks:
        _network(filled, made, width or 2, views, report)


def _classes(question: Question, path: Any, report: Report) -> None:
    twice = [name for name, number in Counter(question.classes).items() if number > 1]
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
                    expected=f"one of {listed(fitting)}" if fitting else "",
                    remedy=f"take {each.name} out",
                    code="does_not_suit",
                )


def _names(section: str) -> tuple[str, ...]:
    from preceptor.core.slots import names

    from .schema import SECTIONS

    return names(SECTIONS[section].slot or "")


def _suiting(section: str, name: str, question: Question) -> bool:
    from .schema import SECTIONS

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
    for key in ("images", "image", "views"):
        if isinstance(settings.get(key), Mapping):
            return tuple(settings[key])
    return ()


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
                            expected=f"one of {listed(views)}",
                            remedy=did_you_mean(name, views),
                            code="view_unknown",
                        )


def _network(
    filled: Mapping[str, Any], made: Mapping[str, list[Made]], width: int, views: tuple[str, ...], report: Report
) -> None:
    """Build the network without memory for its weights, and hold it against patch, views and named layers."""
    network = made["network"][0]
    cls = plugin("networks", network.name)
    if len(views) > 1 and _takes_one_view(cls):
        report.add(
            network.path,
            f"the network '{network.name}' takes one image, and the cohort has the views {listed(views)}",
            expected="a network for several views, such as hemis",
            remedy="name another network, or one view in cohort",
            code="views_mismatch",
        )
        return
    patch = (filled.get("train") or {}).get("patch")
    faults = []
    for shape in [tuple(patch)] if patch else [(64, 64), (64, 64, 64)]:
        built, fault = _on_paper(network, Inputs(views or ("image",), 1, len(shape), shape), width)
        if fault is None:
            break
        faults.append(fault)
    else:
        report.add(
            network.path,
            f"the network '{network.name}' does not take these parameters: {faults[0]}",
            expected=f"`preceptor show {network.name}` tells what it takes",
            code="network_refused",
        )
        return
    if built is None:
        return
    divisor = getattr(built, "divisor", 1)
    divisors = tuple(divisor) if isinstance(divisor, (tuple, list)) else (divisor,) * len(shape)
    for axis, (side, each) in enumerate(zip(patch or (), divisors, strict=False)):
        if side % each:
            below, above = side // each * each, -(-side // each) * each
            report.add(
                ("train", "patch", axis),
                f"train.patch[{axis}] is {side}, and the network '{network.name}' halves it to a fraction",
                expected=f"a multiple of {each}",
                remedy=f"take {' or '.join(str(size) for size in (below, above) if size)}",
                code="patch_divisor",
            )
    _layers(built, made, report)


def _takes_one_view(cls: type) -> bool:
    accepted = [name for name in inspect.signature(cls.forward).parameters if name != "self"]  # type: ignore[attr-defined]
    return len(accepted) == 1 and accepted[0] not in ("images", "present", "fields")


def _on_paper(network: Made, inputs: Inputs, width: int) -> tuple[Any, str | None]:
    """The network on torch's meta device, which keeps shapes and no numbers; and what it refuses, if anything."""
    import torch

    try:
        with torch.device("meta"):
            return build("networks", {network.name: dict(network.settings)}, inputs=inputs, width=width), None
    except PreceptorError as error:
        return None, error.problem.what
    except (TypeError, ValueError, AssertionError) as error:
        return None, str(error) or type(error).__name__
    except (RuntimeError, NotImplementedError):  # it computes with its weights when made: only a real device tells
        return None, None


def _layers(built: Any, made: Mapping[str, list[Made]], report: Report) -> None:
    known = [name for name, _ in built.named_modules() if name]
    for section in ("methods", "explain"):
        for each in made[section]:
            for key in ("layer", "layers"):
                value = each.settings.get(key)
                for name in [value] if isinstance(value, str) else value or ():
                    if name not in known:
                        report.add(
                            (*each.path, key),
                            f"the network has no layer '{name}'",
                            expected=f"one of {listed(known)}",
                            remedy=did_you_mean(name, known),
                            code="layer_unknown",
                        )
