"""Reporting checklists and reader studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import RecipeError
from ..core.evidence import Finding

if TYPE_CHECKING:
    import pandas

    from preceptor.prove.report.record import Record

    from ..prove.checklists.lists import Checklist
    from ..prove.checklists.prisma import Flow


def checklist(
    runs: str | Path | Sequence[str | Path],
    name: str,
    out: str | Path | None = None,
    *,
    answers: str | Path | None = None,
) -> Checklist:
    """Fill a reporting checklist, a model card or a data sheet from a run's own record.

    Args:
        runs: The run's folder.
        name: Of the list: see `preceptor.prove.checklists.lists.names`.
        out: ``.md``, ``.html`` or ``.csv`` file to write.
        answers: A YAML file ``{number: text}`` of what only the authors can say.

    Raises:
        RecipeError: No such list, form, item or run; or several runs, which only `flow_of_runs` takes.
    """
    from ..prove.checklists.lists import checklist, read_given
    from ..prove.checklists.writing import write_checklist

    folders = _run_folders(runs)
    if len(folders) != 1:
        raise RecipeError(
            f"'{name}' is filled from one run, not {len(folders)}", expected="one run's folder", code="checklist_runs"
        )
    given = None if answers is None else read_given(Path(answers), name)
    filled = checklist(folders[0], name, given)
    if out is not None:
        write_checklist(filled, Path(out))
    return filled


def flow_of_runs(runs: Sequence[str | Path], out: str | Path | None = None) -> Flow:
    """The flow of a set of runs in the boxes of PRISMA 2020.

    Args:
        runs: Their folders.
        out: ``.md``, ``.html`` or ``.csv`` file to write.

    Raises:
        RecipeError: A folder holds no run, or none is named.
    """
    from ..prove.checklists.prisma import flow_of_runs as screened
    from ..prove.checklists.prisma import write_flow

    flow = screened(_run_folders(runs))
    if out is not None:
        write_flow(flow, Path(out))
    return flow


def _run_folders(runs: str | Path | Sequence[str | Path]) -> list[Record]:
    """What lies in folders that must be runs'."""
    from preceptor.prove.report.record import Record

    folders = [Path(each) for each in ([runs] if isinstance(runs, (str, Path)) else runs)]
    for folder in folders:
        if not any((folder / name).exists() for name in ("resolved.yaml", "evidence.json", "predictions.parquet")):
            raise RecipeError(
                "the folder holds no run",
                where=folder.name,
                expected="a folder that `preceptor run` or `preceptor evaluate` made",
                code="not_a_run",
            )
    return [Record.read(folder) for folder in folders]


def allocate_readers(
    source: str | Path, readers: Sequence[str], out: str | Path | None = None, **settings: Any
) -> pandas.DataFrame:
    """Allocate the test cases of a run to readers; see `preceptor.prove.readers.allocation.allocate`.

    Args:
        source: A run's folder, or a table of predictions with the truth.
        readers: Codes of the readers.
        out: Folder for ``allocation.csv`` and ``sheets/<reader>.csv``; None writes nothing.
        settings: Of `allocate`: arms, washout_days, planted_wrong, finding, seed.

    Raises:
        CohortError: The study can't be allocated, or the folder holds an allocation already.
    """
    from ..prove.readers.allocation import allocate
    from ..prove.readers.files import stored_predictions, write_allocation

    table = allocate(stored_predictions(Path(source)), readers, **settings)
    if out is not None:
        write_allocation(table, Path(out))
    return table


def analyse_readers(
    source: str | Path,
    answers: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    allocation: str | Path | None = None,
    **settings: Any,
) -> dict[str, Finding]:
    """Analyse what readers answered; see `preceptor.prove.readers.analysis.analyse`.

    Args:
        source: A run's folder, or a table of predictions with the truth.
        answers: Tables of answers.
        out: Folder for ``evidence.json`` and ``readers.html``; None writes nothing.
        allocation: What `allocate_readers` wrote.
        settings: Of `analyse`: finding, washout_days, resamples, level, seed.

    Raises:
        CohortError: The answers can't be used; every fault is named.
    """
    from ..prove.readers.analysis import analyse
    from ..prove.readers.answers import read_answers
    from ..prove.readers.files import read_allocation, stored_predictions
    from ..prove.readers.section import write_readers_page

    table = read_answers(*map(Path, answers))
    planted = None if allocation is None else read_allocation(Path(allocation))
    predictions = stored_predictions(Path(source))
    found = analyse(table, predictions, allocation=planted, **settings)
    if out is not None:
        write_readers_page(found, Path(out), predictions.question)
    return found
