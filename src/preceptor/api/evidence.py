"""What predictions prove: judged, compared, explained, audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import CohortError, RecipeError
from ..core.evidence import Evidence, Finding
from .runs import open_run


def evaluate(
    model: str | Path | None,
    cohort: str | Path | None = None,
    *,
    predictions: str | Path | None = None,
    out: str | Path = "evaluation",
    set: Mapping[str, Any] | None = None,  # noqa: A002
    truth: str | Path | None = None,
    task: str = "segmentation",
    labels: Mapping[str, int] | None = None,
    cases: str | Path | None = None,
) -> Evidence:
    """Measure a bundle on a cohort it never saw, or anyone's stored predictions.

    Args:
        model: A bundle; None with `predictions`.
        cohort: A cohort file (``.parquet``, ``.csv``) with truth, or a recipe whose cohort is meant.
        predictions: A table with the columns of `preceptor.core.evidence.Predictions`, or, with `truth`, a folder of
            masks or images.
        out: Folder for ``evidence.json`` and ``report.html``.
        set: Evaluators and gates by section, in place of the bundle's.
        truth: A folder of truths with the names of the answers in the folder `predictions`.
        task: What the two folders hold: ``segmentation``, ``instances`` (an object a number) or ``translation``.
        labels: ``{structure: value}`` of the masks; the values found where None.
        cases: A table with ``key`` (a file's name without its ending), ``patient`` and any field.

    Raises:
        CohortError: Columns are missing, each is named; or names in the two folders do not match.
    """
    from ..deliver.evaluating import evaluate_bundle, evaluate_folders, evaluate_predictions

    if predictions is not None and truth is not None:
        read = {"task": task, "labels": labels, "cases": None if cases is None else Path(cases)}
        return evaluate_folders(Path(truth), Path(predictions), Path(out), set or {}, **read)
    if predictions is not None:
        return evaluate_predictions(Path(predictions), Path(out), set or {})
    if model is None or cohort is None:
        raise RecipeError(
            "nothing to evaluate", expected="a bundle and a cohort, or --predictions FILE", code="nothing_to_evaluate"
        )
    return evaluate_bundle(Path(model), Path(cohort), Path(out), set or {})


def compare(
    *sources: str | Path, measures: Sequence[Any] | None = None, margin: float | None = None, level: float = 0.95
) -> Finding:
    """Compare two models on the cases that both answered, or the trainings of one recipe with several seeds.

    Args:
        sources: Folders of runs or of evaluations, or tables of predictions. Two are compared in pairs; three or more
            are taken for one recipe with other seeds, and the spread over them is measured.
        measures: Evaluators, as a recipe names them; the first one leads.
        margin: The largest difference of the leading measure that does not matter (of two).
        level: Of the intervals.

    Raises:
        CohortError: They share no case, were asked different questions, or hold different truths.
    """
    from preceptor.prove.comparing.compare import compare as compare_two
    from preceptor.prove.comparing.pairing import read_answers
    from preceptor.prove.comparing.seeds import seed_spread

    if len(sources) < 2:
        raise RecipeError("nothing to compare with", expected="two runs or tables, or more", code="nothing_to_compare")
    several = [read_answers(Path(each)) for each in sources]
    if len(several) > 2:
        return seed_spread(several, measures[0] if measures else None, level=level)
    return compare_two(several[0], several[1], measures=measures, margin=margin, level=level)


def audit(
    folder: str | Path,
    *,
    fields: Sequence[str] | None = None,
    target: Mapping[str, Mapping[str, float]] | str | Path | None = None,
    most_cases: int = 300,
    pixels: bool = True,
    device: str = "auto",
    fresh: bool = False,
    networks: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Any:
    """Seek shortcuts in a finished run; see `preceptor.prove.shortcuts.audit`.

    Args:
        folder: The run's; ``audit.json`` (and ``audit_means.npz``) are written into it.
        fields: Fields of the cohort to suspect; None takes sex, age, site, scanner, view and quality.
        target: ``{field: {group: share}}`` of the population that the model is meant for, or a YAML file of it.
        most_cases: How many test cases' pixels to look at.
        pixels: False audits stored predictions alone.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Replace an earlier audit.
        networks: Networks of the caller's own, by name.
        tell: Told what is being asked.

    Returns:
        The audit: ``.suspicions``, ``.trials``, ``.sentence``, ``.notes``.

    Raises:
        CohortError: The run was audited already, or no test case was predicted.
        BundleError: The run is not finished.
    """
    from ..deliver.auditing import audit_run, read_target

    run = open_run(folder, networks=networks)
    path = Path(folder) / "audit.json"
    if path.exists() and not fresh:
        raise CohortError(
            "the run was audited already",
            where=path.name,
            remedy="read audit.json, or `preceptor audit RUN --fresh`",
            code="audit_exists",
        )
    if isinstance(target, (str, Path)):
        target = read_target(Path(target))
    found = audit_run(
        run.recipe,
        Path(folder),
        fields=fields,
        target=target,
        most_cases=most_cases,
        pixels=pixels,
        device=device,
        networks=networks,
        tell=tell,
    )
    found.write(Path(folder), fresh=fresh)
    return found


def explain(
    folder: str | Path,
    *,
    occlude: Sequence[str] = (),
    streams: bool = False,
    table: bool = False,
    fields: Sequence[str] = (),
    networks: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Ask a finished run what its answers rest on; see `preceptor.deliver.explaining.explain_run`.

    Args:
        folder: The run's; what is found is written into its ``explanations``, and its report anew.
        occlude: Regions to cover, such as ``heart=mask:heart`` or ``corner=box:0-0.2,0-0.2``.
        streams: Share the performance out among the views.
        table: Ask which fields of the cohort tell of the truth.
        fields: For `table`: which; none takes them all.
        networks: Networks of the caller's own, by name.
        settings: Of `explain_run`: margin_voxels, fill, most_cases, device, fresh, tell.

    Returns:
        What was asked: ``serial_occlusion``, ``stream_shares`` (`Finding`), ``table``.

    Raises:
        RecipeError: Nothing is asked, a region can't be understood, or the task does not allow the question.
        CohortError: It was asked before, or the cohort has no such cases, masks or fields.
        BundleError: The run is not finished.
    """
    from preceptor.prove.report.writing import write_report

    from ..deliver.explaining import explain_run

    if not (occlude or streams or table):
        raise RecipeError(
            "nothing is asked",
            expected="--occlude NAME=mask:MASK, --streams or --table",
            remedy="maps of single cases are made by the recipe's section `explain`",
            code="explain_nothing",
        )
    run = open_run(folder, networks=networks)
    found = explain_run(run, occlude=occlude, streams=streams, table=table, fields=fields, **settings)
    write_report(Path(folder))
    return found
