"""Does the network take what it will be fed?  It is built and run on paper: shapes without numbers, in milliseconds."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from itertools import product
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build, plugin

from .made import Made
from .report import Report, did_you_mean, listed, one_of

#: What forward passes call their inputs; a network with one input of another name takes the only view.
_NAMED_INPUTS = ("images", "present", "fields")

#: Up to this many voxels a network is run in earnest where shapes alone do not decide.
_MOST_VOXELS = 64**3


def check_network(
    filled: Mapping[str, Any],
    made: Mapping[str, list[Made]],
    question: Question | None,
    width: int,
    views: tuple[str, ...],
    report: Report,
) -> None:
    """Report a network that refuses its parameters, the patch or the views, and names of layers it does not have.

    Args:
        filled: Sections with defaults written back.
        made: Plug-ins as objects, by section.
        question: What the task asks, where it could be made.
        width: Channels of the answer.
        views: Names of the views; () where only the data knows.
        report: Where faults go.
    """
    network = made["network"][0]
    if len(views) > 1 and _takes_one_view(plugin("networks", network.name)):
        report.add(
            network.path,
            f"the network '{network.name}' takes one image, and the cohort has the views {listed(views)}",
            expected="a network for several views, such as hemis",
            remedy="name another network, or one view in cohort",
            code="views_mismatch",
        )
        return
    patch = (filled.get("train") or {}).get("patch")
    shapes = [tuple(patch)] if patch else [(64, 64), (64, 64, 64)]
    faults: list[str] = []
    for names, shape in product([views] if views else [("first",), ("first", "second")], shapes):
        inputs = Inputs(names, 1, len(shape), shape)
        built, fault = _build(network, inputs, width)
        if fault is None:
            break
        faults.append(fault)
    else:
        report.add(
            network.path,
            f"the network '{network.name}' cannot be built so: {faults[0]}",
            expected=f"parameters that fit one another; `preceptor show {network.name}` tells what it takes",
            code="network_refused",
        )
        return
    if built is None:
        return
    _layers(built, made, report)
    outputs, fault = _forward(built, inputs)
    if outputs is None and fault is None and math.prod(inputs.patch) <= _MOST_VOXELS:
        outputs, fault = _in_earnest(network, inputs, width)
    if patch:
        _divides(patch, built, network.name, fault, report)
    if outputs is not None:
        _outputs(outputs, network.name, made, report)
        _answer(outputs.get("answer"), network, width, question, report)


def _takes_one_view(cls: type) -> bool:
    accepted = list(inspect.signature(cls.forward).parameters)[1:]  # type: ignore[attr-defined]
    return len(accepted) == 1 and accepted[0] not in _NAMED_INPUTS


def _build(network: Made, inputs: Inputs, width: int, device: str = "meta") -> tuple[Any, str | None]:
    """The network on torch's meta device, and what it refuses. Neither where only a real device can tell."""
    import torch

    try:
        with torch.device(device):
            return build("networks", {network.name: dict(network.settings)}, inputs=inputs, width=width), None
    except PreceptorError as error:
        return None, error.problem.what
    except (TypeError, ValueError, AssertionError) as error:
        return None, str(error) or type(error).__name__
    except (RuntimeError, NotImplementedError):  # it computes with its weights while it is made
        return None, None


def _in_earnest(network: Made, inputs: Inputs, width: int) -> tuple[dict[str, tuple[int, ...]] | None, str | None]:
    """Run a network whose path depends on values (which views are there) with real numbers, drawn apart."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        built, fault = _build(network, inputs, width, "cpu")
        return (None, fault) if built is None else _forward(built, inputs, "cpu")


def _forward(built: Any, inputs: Inputs, device: str = "meta") -> tuple[dict[str, tuple[int, ...]] | None, str | None]:
    """Shapes of the outputs of one training pass, or why there is none; (None, None) where values would decide."""
    import torch

    images = {view: torch.zeros(2, inputs.channels, *inputs.patch, device=device) for view in inputs.views}
    present = {view: torch.ones(2, dtype=torch.bool, device=device) for view in images}
    given = {"images": images, "present": present, "fields": {}}
    accepted = [name for name in inspect.signature(built.forward).parameters if name in _NAMED_INPUTS]
    try:
        if accepted:
            outputs = built(**{name: given[name] for name in accepted})
        else:
            outputs = built(next(iter(images.values())))
    except PreceptorError as error:
        return None, error.problem.what
    except (RuntimeError, ValueError, IndexError, NotImplementedError) as error:
        return None, None if device == "meta" and "meta" in str(error).lower() else str(error).splitlines()[0]
    named = outputs if isinstance(outputs, Mapping) else {"answer": outputs}
    return {name: tuple(output.shape) for name, output in named.items()}, None


def _divides(patch: list[int], built: Any, name: str, fault: str | None, report: Report) -> None:
    """A side that the network can't halve evenly stops some networks and makes others pad."""
    divisor = getattr(built, "divisor", 1)
    divisors = tuple(divisor) if isinstance(divisor, (tuple, list)) else (divisor,) * len(patch)
    uneven = [(axis, side, each) for axis, (side, each) in enumerate(zip(patch, divisors, strict=False)) if side % each]
    for axis, side, each in uneven:
        sizes = [str(size) for size in (side // each * each, -(-side // each) * each) if size]
        report.add(
            ("train", "patch", axis),
            f"train.patch[{axis}] is {side}, which the network '{name}' cannot halve evenly"
            + ("" if fault else ": it computes on padding that is cut off again"),
            expected=f"a multiple of {each}",
            remedy=f"take {' or '.join(sizes)}",
            code="patch_divisor",
            severity="error" if fault else "warning",
        )
    if fault and not uneven:
        report.add(
            ("train", "patch"),
            f"the network '{name}' does not take a patch of {' x '.join(map(str, patch))}: {fault}",
            expected="a larger patch, or fewer levels in the network",
            code="patch_refused",
        )


def _outputs(outputs: Mapping[str, Any], name: str, made: Mapping[str, list[Made]], report: Report) -> None:
    for each in made["objective"]:
        wanted = each.settings.get("output", "answer")
        if wanted not in outputs:
            report.add(
                (*each.path, "output"),
                f"the network '{name}' has no output '{wanted}'",
                expected=one_of(sorted(outputs)),
                remedy=did_you_mean(wanted, outputs),
                code="output_unknown",
            )


def _answer(
    shape: tuple[int, ...] | None, network: Made, width: int, question: Question | None, report: Report
) -> None:
    if shape is None or question is None:
        return
    if (len(shape) > 2) != question.dense:
        kinds = ("an answer per case", "an answer per voxel")
        report.add(
            network.path,
            f"the network '{network.name}' gives {kinds[len(shape) > 2]}, and the task {question.task} asks for "
            f"{kinds[question.dense]}",
            expected="a network such as unet" if question.dense else "a network such as densenet121 or resnet",
            code="network_unfit",
        )
    elif shape[1] != width:
        report.add(
            network.path,
            f"the network '{network.name}' answers with {shape[1]} channels, and the objective reads {width}",
            expected=f"{width} channels",
            code="network_unfit",
        )


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
                            expected=f"a name such as {', '.join(known[:8])}",
                            remedy=did_you_mean(name, known),
                            code="layer_unknown",
                        )
