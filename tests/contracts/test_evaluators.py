"""What holds for every evaluator: a finding with a definition and an interval, the same twice, whole as JSON."""

from __future__ import annotations

import json
import math

import pytest

from preceptor.core.errors import PreceptorError
from preceptor.core.evidence import Evidence, Finding

from .material import cohort
from .measured import MEASURED, QUESTIONS, predictions, without_truth
from .plugins import each, example


def findings(name: str, folder):
    evaluator = example("evaluators", name)
    for title, question in QUESTIONS.items():
        if evaluator.suits(question):
            yield title, evaluator(predictions(question, folder / title), cohort())


def flat(finding: Finding):
    yield finding
    for part in finding.parts.values():
        yield from flat(part)


@each("evaluators")
def test_suits_a_question(slot, name):
    assert any(example(slot, name).suits(question) for question in QUESTIONS.values())


@each("evaluators")
def test_a_finding_can_be_read(slot, name, tmp_path):
    for title, whole in findings(name, tmp_path):
        assert whole.name == name and math.isfinite(whole.value), title
        assert whole.interval is not None, title
        for finding in flat(whole):
            assert finding.definition and finding.method, f"{title}: {finding.name}"
            assert finding.name.startswith(name)
            assert finding.cases > 0 and 0 < finding.clusters <= finding.cases
            if finding.interval is not None and math.isfinite(finding.value):
                lower, upper = finding.interval
                assert lower <= upper and lower - 1e-9 <= finding.value <= upper + 1e-9, f"{title}: {finding.name}"
            assert all(math.isfinite(value) for value in finding.per_case.values())


@each("evaluators")
def test_measures_the_same_twice(slot, name, tmp_path):
    for (_, one), (_, two) in zip(findings(name, tmp_path), findings(name, tmp_path), strict=True):
        assert one == two


@each("evaluators")
def test_is_whole_as_json(slot, name, tmp_path):
    for title, whole in findings(name, tmp_path):
        Evidence({name: whole}).write(tmp_path / "evidence.json")
        again = Evidence.read(tmp_path / "evidence.json")[name]
        assert json.dumps(again.to_json()) == json.dumps(whole.to_json()), title


@each("evaluators")
def test_curves_can_be_drawn(slot, name, tmp_path):
    """Axes of one length, x and y first, then the band."""
    from preceptor.prove.report.plots import curve_plots

    for title, whole in findings(name, tmp_path):
        for finding in flat(whole):
            for label, curve in finding.curves.items():
                lengths = {len(values) for values in curve.values()}
                assert len(curve) >= 2 and len(lengths) == 1, f"{title}: {finding.name}, {label}"
                curve_plots(name, finding)


@each("evaluators")
def test_patients_are_resampled_whole(slot, name, tmp_path):
    """Every image twice over, by the same patients: the value stays, and the interval grows no narrower."""
    import pandas

    for title, question in QUESTIONS.items():
        evaluator = example(slot, name)
        if not evaluator.suits(question):
            continue
        once = predictions(question, tmp_path / title)
        twice = pandas.concat([once.table, once.table.assign(key=once.table["key"] + "-again")], ignore_index=True)
        voxels = once.voxels
        if voxels is not None:
            voxels = pandas.concat([voxels, voxels.assign(key=voxels["key"] + "-again")], ignore_index=True)
        doubled = type(once)(twice, question, once.folder, voxels)
        one, two = evaluator(once, cohort()), evaluator(doubled, cohort())
        assert two.value == pytest.approx(one.value, rel=1e-6), title
        assert two.clusters == one.clusters
        width = one.interval[1] - one.interval[0]
        assert two.interval[1] - two.interval[0] == pytest.approx(width, rel=0.05, abs=1e-6), title


@each("evaluators")
def test_no_rows_are_refused_or_undefined_and_never_a_number(slot, name, tmp_path):
    for question in QUESTIONS.values():
        evaluator = example(slot, name)
        if not evaluator.suits(question) or not getattr(evaluator, "needs_truth", True):
            continue
        given = predictions(question, tmp_path)
        unlabelled = (
            without_truth(given)
            if question in MEASURED.values()
            else type(given)(
                given.table.assign(truth=_nothing(question), **({"truth_path": None} if question.dense else {})),
                question,
                given.folder,
                None if given.voxels is None else given.voxels.assign(truth=-1),
            )
        )
        try:
            found = evaluator(unlabelled, cohort())
        except PreceptorError:
            continue
        assert math.isnan(found.value) and found.notes


def _nothing(question):
    if question.exclusive or question.dense:
        return None
    return float("nan") if question.is_regression else json.dumps(dict.fromkeys(question.classes))
