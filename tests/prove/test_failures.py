"""Failures listed, shown, and held against what they may go with."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Evidence
from preceptor.maths.association import group_difference, rank_correlation
from preceptor.prove.report.failures import failures, mistakes, pictures
from preceptor.prove.report.record import Record
from tests.prove.answered import binary, classes, labels
from tests.prove.run_folder import classification_folder, segmentation_folder


def record_of(predictions, folder, cohort=None):
    return Record(folder, "", {}, cohort, {}, [], predictions, Evidence({}), [], predictions.question)


# ---------------------------------------------------------------- association


def test_rank_correlation_is_that_of_scipy_and_its_interval_knows_patients():
    generator = np.random.default_rng(0)
    x = np.round(generator.normal(size=200), 1)
    y = np.round(0.5 * x + generator.normal(size=200), 1)
    found = rank_correlation(x, y, np.arange(200))
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.interval[0] < found.value < found.interval[1] and found.p < 1e-4
    patient = np.repeat(np.arange(20), 10)
    of_patient = generator.normal(size=(2, 20))[:, patient]
    noise = generator.normal(size=(2, 200)) * 0.1
    together, apart = (rank_correlation(*(of_patient + noise), by) for by in (patient, np.arange(200)))
    assert np.diff(together.interval) > 2 * np.diff(apart.interval) and together.p > apart.p
    assert np.isnan(rank_correlation(np.ones(20), y[:20], np.arange(20)).p)


def test_groups_are_dealt_anew_among_patients():
    generator = np.random.default_rng(1)
    patient = np.repeat(np.arange(30), 4)
    values = generator.normal(size=30)[patient] + 0.1 * generator.normal(size=120)
    chance = [
        group_difference(values, generator.integers(0, 2, 30)[patient], patient, 300, seed).p < 0.05
        for seed in range(60)
    ]
    assert np.mean(chance) <= 0.15
    group = np.array(["a", "b"])[patient % 2]
    found = group_difference(values + 2.0 * (group == "b"), group, patient)
    assert found.p < 0.01 and found.value == pytest.approx(2.0, abs=1.0)
    assert group_difference(values, np.where(np.arange(120) % 2, "x", "y"), patient).p > 0.05, (
        "cases of one patient differ"
    )


# ---------------------------------------------------------------- mistakes


def test_misses_and_false_alarms_the_surest_first():
    found = list(mistakes(binary([1, 1, 0, 0, 1, -1], [0.4, 0.1, 0.7, 0.9, 0.8, 0.9])))
    told = [(each.key, each.kind, each.score) for each in found]
    assert told == [
        ("case-3", "false positive", 0.9),
        ("case-2", "false positive", 0.7),
        ("case-1", "false negative", 0.1),
        ("case-0", "false negative", 0.4),
    ]
    assert found[2].words == "missed present, probability 0.10"


def test_one_class_taken_for_another_and_labels_of_their_own():
    wrong = list(mistakes(classes([0, 1, 2], [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])))
    assert [(each.which, each.kind) for each in wrong] == [("a", "false negative"), ("b", "false positive")]
    assert wrong[0].words == "a taken for b, probability 0.10"
    of_labels = list(mistakes(labels([[1, np.nan], [0, 1]], [[0.2, 0.9], [0.1, 0.9]])))
    assert [(each.key, each.which, each.kind) for each in of_labels] == [("case-0", "a", "false negative")]


def planted(tmp_path, seed=2):
    """120 patients: the older, the worse; quality, site and a column of names mean nothing."""
    generator = np.random.default_rng(seed)
    age, truth = generator.uniform(20, 90, 120), generator.integers(0, 2, 120)
    right = np.clip(0.95 - 0.008 * (age - 20) + generator.normal(0, 0.08, 120), 0.02, 0.98)
    predictions = binary(truth, np.where(truth == 1, right, 1 - right), np.arange(120))
    cases = tuple(
        Case(f"case-{i}", {}, str(i), role="test", fields={
            "age": age[i], "quality": generator.normal(), "site": "ABC"[generator.integers(3)], "name": f"n{i}", "same": 1,
        })
        for i in range(120)
    )  # fmt: skip
    return record_of(predictions, tmp_path, Cohort(cases, tmp_path))


def test_what_errors_go_with_is_named_and_what_they_do_not_is_not(tmp_path):
    found = failures(planted(tmp_path))
    assert [each.name for each in found.goes_with][0] == "age" and {each.name for each in found.goes_with} == {
        "age", "quality", "site",
    }  # fmt: skip
    age = found.goes_with[0]
    assert age.kind == "scale" and age.value > 0.7 and age.adjusted < 1e-3 and age.interval[0] > 0.5
    assert age.words == "the larger age, the larger the error"
    for each in found.goes_with[1:]:
        assert each.words == f"no sign that the error goes with {each.name}" and each.adjusted >= each.p
    assert "3 things were looked at" in found.note
    assert found.counts["present"][0] + found.counts["present"][1] == len(found.mistakes) > 5
    assert json.loads(json.dumps(found.to_json()))["goes_with"][0]["name"] == "age"
    (plot,) = found.scores
    assert "<svg" in str(plot.chart) and "present" in plot.title


def test_nothing_planted_nothing_named(tmp_path):
    named = 0
    for seed in range(6):
        record = planted(tmp_path, seed)
        shuffled = np.random.default_rng(seed).permutation([case.fields["age"] for case in record.cohort])
        cases = [replace(c, fields={**c.fields, "age": float(a)}) for c, a in zip(record.cohort, shuffled, strict=True)]
        found = failures(replace(record, cohort=record.cohort.with_cases(cases)))
        named += sum(not each.words.startswith("no sign") for each in found.goes_with)
    assert named <= 1


def test_few_cases_are_not_held_against_anything(tmp_path):
    found = failures(record_of(binary([0, 1], [0.2, 0.4]), tmp_path))
    assert found.goes_with == () and "fewer than 12 cases" in found.note
    nobody = binary([0], [0.2])
    assert (
        failures(record_of(type(nobody)(nobody.table.assign(role="tune"), nobody.question, tmp_path), tmp_path)) is None
    )


def test_of_a_run_with_pictures(tmp_path):
    record = Record.read(classification_folder(tmp_path / "run"))
    found = failures(record)
    shown = pictures(record, found, most=1)
    assert found.mistakes and shown and all(each.figures or each.missing for each in shown)
    assert len({each.why for each in shown}) == len(shown)
    assert not any("SECRET" in str(each) for each in (found, *shown))


def test_of_a_segmentation_the_size_is_looked_at(tmp_path):
    found = failures(Record.read(segmentation_folder(tmp_path / "run", 40)))
    assert found.mistakes == () and found.scores == ()
    assert {"age", "sex", "size of the structures"} <= {each.name for each in found.goes_with}
