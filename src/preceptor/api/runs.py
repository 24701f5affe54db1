"""From a recipe to a run and its report."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..core.errors import RecipeError
from ..recipe.load import load_recipe
from ..recipe.resolve import Recipe
from ..runs import Run

if TYPE_CHECKING:
    from ..selfchecking import Selfcheck


def run(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    rehearse: bool = False,
    set: Sequence[str] = (),  # noqa: A002  the command line's own word
    device: str = "auto",
    fresh: bool = False,
    networks: Mapping[str, Any] | None = None,
    roots: Sequence[Path] | None = None,
    stream: TextIO | None = sys.stderr,
    trackers: Sequence[str] = (),
) -> Run:
    """Prepare, train, evaluate, report.

    Args:
        recipe: A file, or a resolved recipe.
        out: Folder for the run's folder; ``runs`` by default. The run's own folder is named by study and hash.
        rehearse: Two cases a role, one epoch; phantoms where the data is not here.
        set: Changes such as ``train.epochs=5``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Start anew instead of going on where the folder stands.
        networks: ``{name: module or f(inputs, width)}`` for a recipe that says ``network: name``.
        roots: Restrict the recipe's input paths to these folders.
        stream: Where progress is told; None is quiet.
        trackers: ``tensorboard``, ``mlflow``.

    Returns:
        The finished run: ``run.evidence``, ``run.folder``, ``run.seal(path)``.

    Raises:
        RecipeError: Every problem of the recipe, at once.
        CohortError, PrepareError, TrainError, Refusal: See `Run.complete`.
    """
    source = None
    if not isinstance(recipe, Recipe):
        source = Path(recipe)
        changes = [*set, "train.epochs=1", "train.tune_every=1"] if rehearse else list(set)
        recipe = load_recipe(source, changes, roots=roots, networks=tuple(networks or ()))
    name = f"{recipe.study}-{'rehearsal-' if rehearse else ''}{recipe.digest()[:8]}"
    folder = Path(out or "runs") / name
    if fresh and folder.exists():
        shutil.rmtree(folder)
    return Run(
        recipe,
        folder,
        device=device,
        rehearse=rehearse,
        networks=networks,
        stream=stream,
        trackers=trackers,
        source=source,
        roots=roots,
    ).complete()


def open_run(folder: str | Path, *, networks: Mapping[str, Any] | None = None) -> Run:
    """A run that is in a folder, to read or to seal.

    Args:
        folder: Of the run.
        networks: As given to `run`, where the recipe names one of the caller's own.

    Raises:
        RecipeError: The folder holds no run.
    """
    folder = Path(folder)
    if not (folder / "resolved.yaml").exists():
        raise RecipeError(
            "the folder holds no run",
            where=folder.name,
            expected="a folder that `preceptor run` made, with resolved.yaml in it",
            code="not_a_run",
        )
    recipe = load_recipe(folder / "resolved.yaml", networks=tuple(networks or ()))
    return Run(recipe, folder, stream=None, networks=networks)


def report(folder: str | Path) -> Path:
    """Write a run's report anew.

    Returns:
        Path of ``report.html``.
    """
    from preceptor.prove.report.writing import write_report

    open_run(folder)
    return write_report(Path(folder))


def check(recipe: str | Path, *, set: Sequence[str] = (), roots: Sequence[Path] | None = None) -> Recipe:  # noqa: A002
    """Check a recipe: every problem at once.

    Raises:
        RecipeError: With all of them.
    """
    return load_recipe(Path(recipe), list(set), roots=roots)


def selfcheck(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    cases: int = 160,
    steps: int = 300,
    device: str = "auto",
    fresh: bool = False,
    set: Sequence[str] = (),  # noqa: A002
    networks: Mapping[str, Any] | None = None,
    stream: TextIO | None = sys.stderr,
) -> Selfcheck:
    """Try a recipe's parts on trivial and on indissociable data; see `preceptor.selfchecking`.

    Args:
        recipe: A file, or a resolved recipe.
        out: Folder for both studies; by default ``runs/<study>-selfcheck-<hash>``.
        cases: In each study.
        steps: Of the optimizer in each training, at least.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Start anew.
        set: Changes such as ``network=cnn``.
        networks: Networks of the caller's own, by name.
        stream: Where progress is told; None is quiet.

    Returns:
        ``.passed`` and ``.trials``, each with its score, limit and sentence.

    Raises:
        RecipeError: The recipe is wrong, or there is no trivial study for its task.
    """
    from ..selfchecking import selfcheck as tried

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(Path(recipe), list(set), networks=tuple(networks or ()))
    name = f"{recipe.study}-selfcheck-{recipe.digest()[:8]}-{cases}-{steps}"
    folder = Path(out) if out is not None else Path("runs") / name
    if fresh and any((folder / study).exists() for study in ("trivial", "indissociable")):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return tried(recipe, folder, cases=cases, steps=steps, device=device, networks=networks, stream=stream)
