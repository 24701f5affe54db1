"""``preceptor cohort build|check|check-made|split``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from . import console

if TYPE_CHECKING:
    from preceptor.core.cohort import Cohort

cohort = App(name="cohort", help="Build, check and split cohorts.", help_format="plaintext")


@cohort.command
def build(
    source: Path,
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("cohort.parquet"),
    unpack_to: Annotated[Path | None, Parameter(negative="")] = None,
    as_json: console.Json = False,
) -> None:
    """Make a cohort table of a folder, a zip archive, a table, a Decathlon dataset.json, nnU-Net raw, BIDS or DICOM.

    Parameters
    ----------
    source
        The folder or file; its layout is recognised.
    out
        The table to write (.parquet or .csv).
    unpack_to
        Folder for the files of an archive, which the cohort needs from then on; by default beside the table.
    """
    from preceptor import api

    _new(out)
    made = api.build_cohort(source, out, unpack_to=unpack_to or out.with_name(f"{out.stem}-files"))
    console.result(f"{out}\n{_summary(made)}", {"cohort": str(out), **_counts(made)}, as_json)


@cohort.command
def check(
    source: Path,
    *,
    keep: Annotated[Path | None, Parameter(negative="")] = None,
    as_json: console.Json = False,
) -> int:
    """Look at every image of a cohort and tell everything that is wrong with it (exit code 3 if it is unfit).

    Parameters
    ----------
    source
        A recipe (.yaml), or a cohort (.parquet, .csv).
    keep
        Folder to keep what was seen in: a check that was stopped goes on where it was. It holds the images in small.
    """
    from preceptor import api
    from preceptor.core.errors import CohortError

    problems = api.check_cohort(source, keep=keep, progress=console.bars())
    errors = [each for each in problems if each.severity == "error"]
    lines = [f"{each.severity}: {each}" for each in problems] or ["the cohort is fit for use"]
    record = {"fit": not errors, "problems": [asdict(each) for each in problems]}
    console.result("\n".join(lines), record, as_json)
    return CohortError.exit_code if errors else 0


@cohort.command(name="check-made")
def check_made(
    made: Path,
    *,
    judge: Path,
    real: Path | None = None,
    margin: float = 0.05,
    least: float = 0.6,
    seed: int = 0,
    as_json: console.Json = False,
) -> int:
    """Ask a model whether made images still show what their labels say (exit code 4 where they are not shown to).

    Parameters
    ----------
    made
        A cohort of made images with the labels they were made to have, or the enlarged cohort that `augment` wrote.
    judge
        A sealed bundle that learnt from real images.
    real
        A cohort of real images with truth that the judge has not seen; by default the enlarged cohort's test cases.
    margin
        How far below real images a class may lie, at the lower end of the difference's 95 % interval.
    least
        What the judge must reach with real images to be one.
    seed
        Of the resamples behind the intervals.
    """
    from preceptor import api
    from preceptor.core.errors import Refusal
    from preceptor.core.plain import finite

    found = api.check_made(judge, made, real, margin=margin, least=least, seed=seed)
    rows = [
        (
            each.name,
            f"{each.measure} {each.made.value:.3f} made, {each.real.value:.3f} real{_difference(each.difference)}",
        )
        for each in found.classes
    ]
    record = {
        "keeps_labels": found.verdict.passed,
        "sentence": found.verdict.sentence,
        "classes": [
            {
                "name": each.name,
                "measure": each.measure,
                "made": {"value": each.made.value, "interval": each.made.interval, "cases": each.made.cases},
                "real": {"value": each.real.value, "interval": each.real.interval, "cases": each.real.cases},
                "difference": None if each.difference is None else each.difference._asdict(),
                "reason": each.reason,
            }
            for each in found.classes
        ],
    }
    console.result(f"{console.columns(rows)}\n{found.verdict.sentence}", finite(record), as_json)
    return 0 if found.verdict.passed else Refusal.exit_code


def _difference(difference: Any) -> str:
    if difference is None:
        return ""
    return f"; {difference.value:+.3f} ({difference.lower:+.3f} to {difference.upper:+.3f})"


@cohort.command
def split(
    source: Path,
    *,
    out: Annotated[Path, Parameter(alias="-o")],
    train: float = 0.7,
    tune: float = 0.1,
    calibrate: float = 0.0,
    test: float = 0.2,
    stratify: str | None = None,
    by: str = "patient",
    time: str | None = None,
    seed: int = 0,
    as_json: console.Json = False,
) -> None:
    """Give the cases of a cohort their roles; no patient stands on two sides.

    Parameters
    ----------
    source
        A cohort (.parquet, .csv).
    out
        The cohort with its roles.
    train, tune, calibrate, test
        Shares; they add up to one.
    stratify
        Label or field to spread evenly.
    by
        patient, image, or a field such as site, which is dealt whole.
    time
        Field of dates: the earliest are trained on, the latest tested.
    seed
        Of the split.
    """
    from preceptor import api
    from preceptor.recipe.check_roles import check_split

    settings: dict[str, Any] = {"by": by, "train": train, "tune": tune, "calibrate": calibrate, "test": test}
    settings |= {"stratify": stratify, "time": time, "adapt": None, "external": None, "given": False}
    check_split(settings)
    _new(out)
    made = api.split_cohort(source, settings, seed, out)
    console.result(f"{out}\n{_summary(made)}", {"cohort": str(out), **_counts(made)}, as_json)


def _new(path: Path) -> None:
    from preceptor.core.errors import RecipeError

    if path.exists():
        raise RecipeError(
            "the output exists already", where=path.name, remedy="name another file with --out", code="exists"
        )


def _counts(made: Cohort) -> dict[str, Any]:
    roles = [case.role or "no role" for case in made]
    return {
        "cases": len(made),
        "clusters": len({case.cluster for case in made}),
        "knows_patients": made.knows_patients,
        "views": list(made.views),
        "roles": {role: roles.count(role) for role in dict.fromkeys(roles)},
        "digest": made.digest(),
        "exclusions": [list(each) for each in made.exclusions],
    }


def _summary(made: Cohort) -> str:
    counts = _counts(made)
    who = "patients" if counts["knows_patients"] else "images (no patient is named)"
    rows = [
        ("cases", str(counts["cases"])),
        ("of", f"{counts['clusters']} {who}"),
        ("views", ", ".join(counts["views"])),
        ("roles", ", ".join(f"{role} {number}" for role, number in counts["roles"].items())),
        *((f"left out {number}", reason) for reason, number in made.exclusions),
        *(("note", note) for note in made.notes),
        ("digest", counts["digest"]),
    ]
    return console.columns(rows)
