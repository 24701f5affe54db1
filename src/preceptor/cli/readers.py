"""``preceptor readers allocate|analyse``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from . import console

readers = App(name="readers", help="Reader studies: allocate cases, analyse answers.", help_format="plaintext")


@readers.command
def allocate(
    source: Path,
    *,
    reader: Annotated[list[str], Parameter(name="--reader", negative="")],
    arm: Annotated[tuple[str, ...], Parameter(name="--arm", negative="")] = ("unaided", "assisted"),
    washout_days: int = 28,
    planted_wrong: float = 0.1,
    finding: str | None = None,
    seed: int = 0,
    out: Annotated[Path, Parameter(alias="-o")] = Path("readers"),
    as_json: console.Json = False,
) -> None:
    """Allocate the test cases to readers: counterbalanced, with a washout, some advice planted wrong.

    Parameters
    ----------
    source
        A run's folder, or a table of predictions with the truth.
    reader
        Code of a reader; once for each. No names: codes stand in the report.
    arm
        Way of reading; once for each. Advice is shown in the arm 'assisted'.
    washout_days
        Between the starts of two sessions.
    planted_wrong
        Share of cases whose advice is turned round, for over-reliance.
    finding
        Name of the positive class; by default the second of two.
    seed
        Of blocks, orders and planted advice.
    out
        Folder for allocation.csv (yours) and sheets/READER.csv (theirs).
    """
    from preceptor import api

    table = api.allocate_readers(
        source,
        reader,
        out,
        arms=arm,
        washout_days=washout_days,
        planted_wrong=planted_wrong,
        finding=finding,
        seed=seed,
    )
    counts = table.groupby(["reader", "session", "arm"], sort=False)["key"].count()
    rows = [(who, f"session {session}", way, f"{number} cases") for (who, session, way), number in counts.items()]
    planted = int(table.drop_duplicates("key")["key"].isin(table.loc[table["planted"], "key"]).sum())
    record = {
        "allocation": str(out / "allocation.csv"),
        "sheets": {who: str(out / "sheets" / f"{who}.csv") for who in reader},
        "readings": len(table),
        "cases": int(table["key"].nunique()),
        "planted": planted,
    }
    told = f"advice planted wrong: {planted} cases (keep allocation.csv from the readers)"
    console.result("\n".join([str(out), console.columns(rows), told]), record, as_json)


@readers.command
def analyse(
    source: Path,
    answers: list[Path],
    *,
    allocation: Path | None = None,
    finding: str | None = None,
    washout_days: int | None = None,
    out: Annotated[Path, Parameter(alias="-o")] = Path("readers"),
    as_json: console.Json = False,
) -> None:
    """Analyse readers' answers: AUROC, the model against them, MRMC, agreement, assistance, over-reliance, time.

    Parameters
    ----------
    source
        A run's folder, or a table of predictions with the truth.
    answers
        Tables with the columns reader, key, arm, score, finding and where known date, seconds; one or one a reader.
    allocation
        What `readers allocate` wrote: says which advice was planted.
    finding
        Name of the positive class; by default the second of two.
    washout_days
        Count the cases seen again earlier than that.
    out
        Folder for evidence.json and readers.html.
    """
    from preceptor import api

    from .run import measured

    found = api.analyse_readers(source, answers, out, allocation=allocation, finding=finding, washout_days=washout_days)
    rows = [(name, *measured(each)) for name, each in found.items()]
    record = {
        "page": str(out / "readers.html"),
        "evidence": str(out / "evidence.json"),
        "findings": {
            name: {"value": each.value, "interval": each.interval, "notes": each.notes} for name, each in found.items()
        },
    }
    console.result("\n".join([str(out / "readers.html"), console.columns(rows)]), record, as_json)
