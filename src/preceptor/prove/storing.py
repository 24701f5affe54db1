"""Predictions and fitted safeguards on disk, in a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas

from preceptor.core.evidence import Predictions, Question
from preceptor.core.files import write_aside
from preceptor.core.state import write_state

_TABLE, _VOXELS = "predictions.parquet", "voxels.parquet"


def write_predictions(folder: Path, answers: Sequence[Predictions]) -> None:
    """Write the predictions of every group of fits as one table, voxels first: the table says the work is done."""
    voxels = [each.voxels.assign(fit=each.table["fit"].iloc[0]) for each in answers if each.voxels is not None]
    if voxels:
        _write(pandas.concat(voxels, ignore_index=True), folder / _VOXELS)
    _write(pandas.concat([each.table for each in answers], ignore_index=True), folder / _TABLE)


def read_predictions(folder: Path, question: Question) -> Predictions:
    """Read what `write_predictions` wrote."""
    voxels = folder / _VOXELS
    return Predictions(
        pandas.read_parquet(folder / _TABLE),
        question,
        folder,
        pandas.read_parquet(voxels) if voxels.exists() else None,
    )


def write_safeguards(folder: Path, names: Sequence[Any], states: Sequence[Any]) -> None:
    """Write what the safeguards of a group of fits were fitted to: ``safeguards.safetensors`` and its JSON.

    Args:
        folder: Of the group's first fit.
        names: The recipe's `safeguards` section.
        states: One each; None where nothing is fitted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder / "safeguards.safetensors", list(states), safeguards=list(names))


def _write(table: pandas.DataFrame, path: Path) -> None:
    with write_aside(path) as aside:
        table.to_parquet(aside, index=False)
