"""Where a reader study's tables lie: the model's predictions, the allocation, a sheet for each reader."""

from __future__ import annotations

from pathlib import Path

import pandas

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.intake.sheet import open_table
from preceptor.prove.foreign import read_foreign
from preceptor.prove.report.record import Record

from .allocation import sheets

_NEEDED = ("reader", "key", "arm", "planted")


def stored_predictions(source: Path) -> Predictions:
    """A run's stored predictions, or anyone's table of them.

    Args:
        source: A run's folder, or a ``.csv`` or ``.parquet`` file (see `read_foreign`).

    Raises:
        CohortError: There are none.
    """
    if not source.exists():
        raise CohortError("the predictions are not there", where=source.name, code="readers_no_predictions")
    if source.is_file():
        return read_foreign(source)
    predictions = Record.read(source).predictions
    if predictions is None:
        raise CohortError(
            "the folder holds no predictions",
            where=source.name,
            expected="a run's folder with predictions.parquet",
            code="readers_no_predictions",
        )
    return predictions


def write_allocation(allocation: pandas.DataFrame, folder: Path) -> None:
    """Write ``allocation.csv`` for the organiser and ``sheets/<reader>.csv`` for the readers.

    Args:
        allocation: Of `allocate`.
        folder: Made if it is not there.

    Raises:
        CohortError: An allocation lies there already, or a reader's code is no file name.
    """
    path = folder / "allocation.csv"
    if path.exists():
        raise CohortError(
            "an allocation lies there already", where=path.name, remedy="name another folder", code="exists"
        )
    tables = sheets(allocation)
    unfit = [reader for reader in tables if not reader.replace("-", "").replace("_", "").isalnum()]
    if unfit:
        raise CohortError(
            f"{len(unfit)} readers' codes can't name a file",
            expected="letters, digits, - and _",
            code="readers_codes",
        )
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    for reader, table in tables.items():
        table.to_csv(folder / "sheets" / f"{reader}.csv", index=False)
    allocation.to_csv(path, index=False)


def read_allocation(path: Path) -> pandas.DataFrame:
    """Read what `write_allocation` wrote.

    Raises:
        CohortError: It is not there, or columns are missing.
    """
    if not path.exists():
        raise CohortError("the allocation is not there", where=path.name, code="readers_allocation_absent")
    table = open_table(path, dtype={"reader": str, "key": str})
    absent = [name for name in _NEEDED if name not in table]
    if absent:
        raise CohortError(
            f"the allocation has no column {', '.join(absent)}",
            where=path.name,
            expected="what `preceptor readers allocate` wrote",
            code="readers_allocation_columns",
        )
    return table
