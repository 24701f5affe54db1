"""Baselines of survival on planted data: what each can know, from the training cases alone."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import TrainError
from preceptor.learn.tasks.survival import Survival
from preceptor.maths.survival_curves import kaplan_meier
from preceptor.prepare.store import prepare
from preceptor.prove.comparing.baselines import answer_baselines, judge_baselines, read_baselines, write_baselines
from preceptor.prove.judging import judge

TIMES = [5, 15, 30]
MEASURES = [{"concordance": {"resamples": 200}}, {"survival_brier": {"resamples": 200}}]


def study(folder, cases: int = 300, image: float = 1.0, stage: float = 0.0, unknown: tuple[int, ...] = ()) -> Cohort:
    """Noise, brighter where the hazard is higher; `stage` (two kinds) adds to it and is not to be seen."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    risk, late = rng.normal(0, 1, cases), rng.integers(2, size=cases)
    pictures = rng.normal(0, 1, (cases, 12, 12)) + risk[:, None, None]
    np.savez(folder / "data.npz", images=pictures.astype(np.float32))
    hazard = 0.05 * np.exp(image * risk + stage * (2 * late - 1))
    whole, lost = rng.exponential(1 / hazard), rng.uniform(5, 60, cases)
    time, event = np.minimum(whole, lost), (whole <= lost).astype(int)
    made = []
    for i in range(cases):
        labels = {} if i in unknown else {"t": float(time[i]), "e": int(event[i])}
        fields = {"stage": ("early", "late")[late[i]], "age": None if i % 3 else 50.0 + i % 7}
        role = "train" if i % 3 else "test"
        made.append(Case(f"c{i:03d}", {"image": f"data.npz::images::{i}"}, f"p{i}", {}, labels, fields, role=role))
    return Cohort(tuple(made), folder)


def answered(cohort: Cohort, folder, clinical=None) -> tuple[dict, Survival]:
    task = Survival(time="t", event="e", times=TIMES, clinical=clinical)
    store = prepare(cohort, [], task, folder / "prepared", fit_on=cohort.with_role("train"))
    return answer_baselines(cohort, store, task, seed=0, folder=folder), task


def concordance(given, cohort: Cohort) -> float:
    return judge(given, cohort, MEASURES, []).findings["concordance"].value


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seen")
    cohort = study(folder)
    return cohort, *answered(cohort, folder)


def test_one_curve_for_everybody_is_the_training_cases_own(seen):
    cohort, found, task = seen
    table = found["kaplan_meier"].table
    train = [(case.labels["t"], case.labels["e"]) for case in cohort.with_role("train")]
    time, event = np.array(train).T
    assert (table[list(task.question.curve_columns)] == kaplan_meier(time, event == 1).at(TIMES)).all().all()
    judged = judge(found["kaplan_meier"], cohort, MEASURES, []).findings
    assert judged["concordance"].value == 0.5
    brier = judged["survival_brier"]
    assert brier.value == pytest.approx(brier.parts["kaplan_meier"].value)


def test_cox_finds_what_is_plain_to_see(seen):
    cohort, found, _ = seen
    assert concordance(found["cox"], cohort) > 0.68
    judged = judge(found["cox"], cohort, MEASURES, []).findings["survival_brier"]
    assert judged.parts["explained"].interval[0] > 0


def test_it_is_given_the_clinical_columns_and_no_others(tmp_path):
    cohort = study(tmp_path, image=0.0, stage=1.0)
    without, _ = answered(cohort, tmp_path)
    with_stage, _ = answered(cohort, tmp_path, ["stage", "age"])
    assert concordance(without["cox"], cohort) < 0.58
    assert concordance(with_stage["cox"], cohort) > 0.66


def test_test_cases_and_unlabelled_cases_teach_nothing(tmp_path, seen):
    _, found, _ = seen
    hidden = tuple(range(0, 300, 3))
    cohort = study(tmp_path, unknown=hidden)
    again, _ = answered(cohort, tmp_path)
    assert list(again["cox"].table["answer"]) == pytest.approx(list(found["cox"].table["answer"]))
    with_less, _ = answered(study(tmp_path / "less", unknown=tuple(range(1, 300, 3))), tmp_path / "less")
    assert not np.allclose(with_less["cox"].table["answer"], found["cox"].table["answer"])


def test_no_event_among_the_training_cases_is_told(tmp_path):
    cohort = study(tmp_path, cases=30)
    never = cohort.with_cases(
        Case(each.key, each.images, each.patient, {}, {**each.labels, "e": 0}, each.fields, role=each.role)
        for each in cohort
    )
    with pytest.raises(TrainError, match="no training case had the event"):
        answered(never, tmp_path)


def test_they_stand_beside_the_model(tmp_path, seen):
    cohort, found, task = seen
    write_baselines(tmp_path, [found])
    stored = read_baselines(tmp_path, task.question)
    assert list(stored) == ["kaplan_meier", "cox"]
    evidence = judge(found["cox"], cohort, MEASURES, [])
    beside = judge_baselines({"kaplan_meier": stored["kaplan_meier"]}, found["cox"], evidence, cohort, MEASURES)
    row = beside["measures"]["concordance"]
    assert row["kaplan_meier"]["value"] == 0.5 and row["kaplan_meier"]["beaten"] is True
    assert beside["measures"]["survival_brier"]["kaplan_meier"]["beaten"] is True
    assert beside["summary"].startswith("concordance: kaplan_meier 0.50, model 0.")
