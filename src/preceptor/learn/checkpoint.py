"""Checkpoints: the whole state of a training as safetensors + JSON, written in turn to two places.

A checkpoint is written to the place that holds the older one, so whatever moment a process is killed at, the other is
whole. Loading takes the newest that its hash confirms, and says so where a newer one is damaged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from preceptor.core.errors import BundleError, TrainError
from preceptor.core.files import refuse_bundle, write_aside
from preceptor.core.state import read_state, write_state

_PLACES = ("last-a", "last-b")
KIND = "preceptor training checkpoint"


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state over the older of the two checkpoints.

    Raises:
        TrainError: The disk is full or not writable; the other checkpoint still stands.
    """
    turns = {place: _turn(folder / place) for place in _PLACES}
    place = min(_PLACES, key=lambda name: turns[name])
    _write(folder / place, state, {"kind": KIND, "turn": max(turns.values()) + 1})


def load(folder: Path, warn: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None where none was written.

    Args:
        folder: Of the fit.
        warn: Told in one line when a damaged checkpoint was passed over.

    Raises:
        BundleError: Checkpoints are there and every one is damaged.
    """
    damaged = []
    for place in sorted(_PLACES, key=lambda name: _turn(folder / name), reverse=True):
        path = folder / f"{place}.safetensors"
        if not path.exists() and not path.with_suffix(".json").exists():
            continue
        try:
            return read_state(path)[0]
        except BundleError as error:
            damaged.append(place)
            warn(f"checkpoint {place} is damaged and passed over: {error.problem.what}")
    if len(damaged) == len(_PLACES):
        raise BundleError(
            "every checkpoint of this training is damaged",
            where=f"fits/{folder.name}",
            expected="one whole checkpoint",
            remedy="start anew with --fresh",
            code="checkpoints_damaged",
        )
    return None


def save_weights(path: Path, network: torch.nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a network's weights and buffers, with a few facts beside them."""
    _write(path, dict(network.state_dict()), {"kind": "preceptor weights", **facts})


def load_weights(network: torch.nn.Module, path: Path) -> Mapping[str, Any]:
    """Read weights into a network of the same shape.

    Returns:
        The facts beside them.

    Raises:
        BundleError: The file is damaged or its tensors do not fit the network.
    """
    refuse_bundle(path)
    weights, record = read_state(Path(path).with_suffix(".safetensors"))
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            "the weights do not fit the network",
            expected="weights of the same network with the same parameters",
            remedy="compare `network` in the resolved recipes of both runs",
            code="weights_do_not_fit",
        ) from error
    return record


def finished(folder: Path) -> Mapping[str, Any] | None:
    """What `finish` wrote, or None while the training is not whole."""
    path = folder / "finished.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def finish(folder: Path, facts: Mapping[str, Any]) -> None:
    with write_aside(folder / "finished.json") as aside:
        aside.write_text(json.dumps(dict(facts)), encoding="utf-8")


def _write(path: Path, tree: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    try:
        write_state(path.with_suffix(".safetensors"), tree, **facts)
    except OSError as error:
        raise TrainError(
            f"a checkpoint could not be written: {error.strerror or type(error).__name__}",
            where=path.name,
            expected="room on the disk and the right to write",
            remedy="free some room and run the same command again: it goes on from the last whole checkpoint",
            code="checkpoint_not_written",
        ) from error


def _turn(path: Path) -> int:
    try:
        return int(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["record"]["turn"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
