"""Fits that vote together, and all that stands around their networks: written by the run, sealed as it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preceptor.core.errors import BundleError
from preceptor.core.files import write_aside
from preceptor.core.plugins import Fitted, Inputs
from preceptor.core.slots import build
from preceptor.core.state import read_state, write_state
from preceptor.prove.grouping import group_name

#: Numbers in one window: a gigabyte. More is a mistake, or meant to exhaust the memory.
_MOST_NUMBERS = 2**28
_FACTS, _PREPARE, _SAFEGUARDS = "group.json", "prepare.safetensors", "safeguards.safetensors"
_CHECKS = "checks.safetensors"


@dataclass(frozen=True)
class Group:
    """Fits that share their roles, so that they are prepared for, guarded and asked together.

    Args:
        name: Folder of the first fit below ``fits/``: ``0``, ``2/0``.
        members: Every fit's, the first included.
        inputs: What their networks are fed.
        expected: The kind of images they learnt from; see `preceptor.deliver.expected`.
        cases: ``{role: how many}``.
    """

    name: str
    members: tuple[str, ...]
    inputs: Inputs
    expected: Mapping[str, Any]
    cases: Mapping[str, int]


def write_group(
    run_folder: Path,
    fitted: Sequence[Fitted],
    inputs: Inputs,
    states: Sequence[Any],
    checks: Sequence[Any],
    expected: Mapping[str, Any],
) -> None:
    """Write beside a group's first fit what a bundle needs and the weights do not hold.

    Args:
        run_folder: The run's.
        fitted: The group.
        inputs: What the networks are fed.
        states: What the steps of `prepare` were fitted to, in order; None where nothing is fitted.
        checks: What the checks were fitted to, in the same way.
        expected: What `preceptor.deliver.expected.describe` says of the training images.
    """
    name = group_name(fitted)
    folder = run_folder / "fits" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder / _PREPARE, list(states))
    write_state(folder / _CHECKS, list(checks))
    roles = [case.role for case in fitted[0].cohort if case.role]
    facts = {
        "name": name,
        "members": [group_name([each]) for each in fitted],
        "inputs": asdict(inputs),
        "expected": expected,
        "cases": {role: roles.count(role) for role in dict.fromkeys(roles)},
    }
    with write_aside(folder / _FACTS) as aside:
        aside.write_text(json.dumps(facts), encoding="utf-8")


def read_groups(run_folder: Path) -> list[Group]:
    """The groups of a run, in order.

    Raises:
        BundleError: The run has not got as far as predicting.
    """
    found = sorted((run_folder / "fits").rglob(_FACTS), key=lambda path: _natural(path.parent.relative_to(run_folder)))
    if not found:
        raise BundleError(
            "the run has no finished fit",
            where=run_folder.name,
            expected="a run that has trained and predicted",
            remedy="`preceptor run RECIPE` goes on where it stopped",
            code="run_unfinished",
        )
    return [read_group(json.loads(path.read_text(encoding="utf-8"))) for path in found]


def read_group(facts: Mapping[str, Any]) -> Group:
    """A group from its facts.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: They are not such facts.
    """
    given = facts["inputs"]
    inputs = Inputs(
        tuple(map(str, given["views"])),
        int(given["channels"]),
        int(given["space_dims"]),
        tuple(map(int, given["patch"])),
        tuple(map(str, given["fields"])),
    )
    if len(inputs.patch) != inputs.space_dims or not 0 < math.prod(inputs.patch) * inputs.channels <= _MOST_NUMBERS:
        raise ValueError("no image is of this size")
    cases = {str(role): int(number) for role, number in facts["cases"].items()}
    return Group(str(facts["name"]), tuple(map(str, facts["members"])), inputs, dict(facts["expected"]), cases)


def members_of(run_folder: Path, index: int, group: Group) -> dict[str, Path]:
    """The files of a group as they are named in a bundle: ``{"groups/0/weights.1.safetensors": path}``."""
    folder, prefix = run_folder / "fits" / group.name, f"groups/{index}"
    files = {f"{prefix}/{_FACTS}": folder / _FACTS}
    for name in (_PREPARE, _SAFEGUARDS, _CHECKS):
        files |= _pair(f"{prefix}/{name}", folder / name)
    for number, member in enumerate(group.members):
        files |= _pair(f"{prefix}/weights.{number}.safetensors", run_folder / "fits" / member / "best.safetensors")
    return files


def with_states(slot: str, specs: Sequence[Any], path: Path) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Plug-ins made from their recipe, each with what it was fitted to.

    Args:
        slot: "transforms", "safeguards" or "checks".
        specs: Their recipe.
        path: Of the states.

    Returns:
        The plug-ins, and the states; None where nothing is fitted.

    Raises:
        BundleError: There are not as many states as plug-ins, or one fits none of them.
    """
    states = read_state(path)[0]
    if not isinstance(states, list) or len(states) != len(specs):
        raise BundleError(
            f"there are states for other {slot} than the recipe's",
            where=path.name,
            expected=f"{len(specs)}",
            code="states_do_not_fit",
        )
    made = [build(slot, each) for each in specs]
    try:
        pairs = zip(made, states, strict=True)
        return tuple(each if state is None else each.with_state(state) for each, state in pairs), tuple(states)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BundleError(
            f"a state is none that one of the {slot} was fitted to",
            where=path.name,
            expected="states of the recipe's own",
            remedy="ask for the bundle anew; its parts do not belong together",
            code="states_do_not_fit",
        ) from error


def prepare_states(folder: Path) -> Path:
    return folder / _PREPARE


def safeguard_states(folder: Path) -> Path:
    return folder / _SAFEGUARDS


def check_states(folder: Path) -> Path:
    return folder / _CHECKS


def _pair(name: str, path: Path) -> dict[str, Path]:
    """A file of tensors and its record."""
    return {name: path, name.removesuffix(".safetensors") + ".json": path.with_suffix(".json")}


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]
