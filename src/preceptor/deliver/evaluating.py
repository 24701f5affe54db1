"""External validation: a bundle on a cohort it never saw, and anyone's stored predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Evidence, Predictions, Question
from preceptor.core.slots import build, names
from preceptor.prove.comparing.external import with_changes
from preceptor.prove.foreign import read_foreign
from preceptor.prove.foreign_masks import read_folders
from preceptor.prove.judging import judge, stated
from preceptor.prove.report.writing import write_report
from preceptor.prove.storing import write_predictions


def evaluate_predictions(path: Path, out: Path, settings: Mapping[str, Any]) -> Evidence:
    """Judge a table of predictions with every evaluator that suits the question.

    Args:
        path: See `preceptor.prove.foreign.read_foreign`.
        out: Folder for ``evidence.json`` and ``report.html``.
        settings: ``{"evaluate": [...], "gates": [...]}`` in place of the defaults.
    """
    predictions = read_foreign(path)
    return _judged(predictions, _cohort_of(predictions, path), out, settings)


def evaluate_folders(truth: Path, answer: Path, out: Path, settings: Mapping[str, Any], **read: Any) -> Evidence:
    """Judge a folder of masks or images against a folder of truths.

    Args:
        truth, answer: See `preceptor.prove.foreign_masks.read_folders`.
        out, settings: As in `evaluate_predictions`.
        read: Further arguments of `read_folders`.
    """
    predictions = read_folders(truth, answer, **read)
    return _judged(predictions, _cohort_of(predictions, answer), out, settings)


def evaluate_bundle(bundle: Path, cohort: Path, out: Path, settings: Mapping[str, Any]) -> Evidence:
    """Predict a cohort with a bundle and judge the answers with the bundle's own evaluators.

    What both cohorts have is set against each other: ``change.<finding>``, see `preceptor.prove.comparing.external`.

    Args:
        bundle: What `seal` wrote.
        cohort: A cohort with truth, or a recipe whose cohort is meant. Every case counts as external.
        out: Folder for everything.
        settings: As in `evaluate_predictions`.
    """
    from .bundle import Bundle

    sealed = Bundle.open(bundle)
    whole = read_cohort(cohort)
    whole = whole.with_cases(replace(case, role="test") for case in whole)
    out.mkdir(parents=True, exist_ok=True)
    predictions = sealed.answer_cohort(whole, out)
    chosen = stated(sealed.recipe.evaluate, sealed.evidence)
    settings = {"evaluate": chosen, "gates": sealed.recipe.gates, **settings}
    return _judged(predictions, whole, out, settings, sealed.evidence)


def read_cohort(source: Path) -> Cohort:
    """A cohort file, or the cohort of a recipe."""
    if source.suffix not in (".yaml", ".yml"):
        return Cohort.read(source)
    from preceptor.intake.cohort import build_cohort
    from preceptor.recipe.load import load_recipe

    recipe = load_recipe(source)
    return build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)


def _cohort_of(predictions: Predictions, path: Path) -> Cohort:
    """The cases of a table; with their follow-up, so that censoring is estimated on the training cases among them."""
    rows = predictions.table.drop_duplicates("key").to_dict("records")
    labels = [name for name in ("truth_time", "truth_event") if name in predictions.table]
    cases = (
        Case(
            str(row["key"]),
            {},
            patient=_text(row["patient"]),
            labels={name: row[name] for name in labels},
            role=row["role"],
        )
        for row in rows
    )
    return Cohort(tuple(cases), path.parent, path.stem)


def _judged(
    predictions: Predictions, cohort: Cohort, out: Path, settings: Mapping[str, Any], internal: Evidence | None = None
) -> Evidence:
    out.mkdir(parents=True, exist_ok=True)
    asked = settings.get("evaluate")
    evaluators = asked or _suiting(predictions.question)
    gates = settings.get("gates", ())
    evidence = judge(predictions, cohort, evaluators, gates if internal is None else (), unasked=not asked)
    if internal is not None:  # gates may ask for the change: `at_least: {finding: change.roc, value: -0.05}`
        evidence = with_changes(evidence, internal, predictions)
        evidence = replace(evidence, verdicts=tuple(build("gates", each)(evidence) for each in gates))
    cohort.write(out / "cohort.parquet")
    write_predictions(out, [predictions])
    evidence.write(out / "evidence.json")
    write_report(out)
    return evidence


def _suiting(question: Question) -> list[Any]:
    """Every evaluator that needs no setting and suits the question."""
    from preceptor.core.slots import parameters, plugin

    asks = {name: parameters(plugin("evaluators", name)).values() for name in names("evaluators")}
    free = [name for name, asked in asks.items() if not any(each.required for each in asked)]
    chosen = [name for name in free if build("evaluators", name).suits(question)]
    if not chosen:
        raise CohortError(
            "no evaluator suits these predictions", expected=f"one of {', '.join(free)}", code="no_evaluator"
        )
    return chosen


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
