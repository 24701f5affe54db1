"""Regression trained with foretold noise: its stored uncertainty ranks its errors, from the network to the finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build
from preceptor.learn.model import Model
from preceptor.learn.predict import Window
from preceptor.learn.weighted_sum import WeightedSum
from preceptor.prepare.store import prepare
from preceptor.prove.answering import Answering, answer_cases
from preceptor.prove.evaluators.failure_detection import FailureDetection
from preceptor.prove.evaluators.risk_coverage import RiskCoverage


class Knows(torch.nn.Module):
    """Answers 50, and a noise that grows with the brightness of the image, as the truth's does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, image):
        bright = image.mean((1, 2, 3))
        answer = torch.stack([torch.full_like(bright, 50.0), 4 * bright], 1)
        return answer[:, : self.width]


@pytest.fixture
def answered(tmp_path: Path):
    rng = np.random.default_rng(0)
    bright = np.linspace(0.2, 5, 60)
    images = np.broadcast_to(bright[:, None, None], (60, 4, 4)).astype(np.float32)
    np.savez(tmp_path / "data.npz", images=images)
    ages = 50 + rng.normal(0, bright * 2)
    cohort = Cohort(
        tuple(
            Case(
                key=f"case-{at:02d}",
                images={"image": f"data.npz::images::{at}"},
                patient=f"p{at}",
                labels={"age": float(age)},
                role="test",
            )
            for at, age in enumerate(ages)
        ),
        tmp_path,
    )
    task = build("tasks", {"regression": {"label": "age", "unit": "years"}})
    store = prepare(cohort, [], task, tmp_path / "prepared", fit_on=cohort.cases)

    def answer(objective: str):
        objectives = WeightedSum([objective], task.question)
        inputs = Inputs(("image",), 1, 2, (4, 4))
        network = Knows(objectives.width)
        model = Model([network], inputs, task.question, objectives.decode, Window((4, 4), 0.5, 4))
        return answer_cases(Answering(model), cohort.cases, cohort, store, task, seed=0), cohort

    return answer


def test_risk_falls_with_what_the_network_foretells(answered):
    predictions, cohort = answered("gaussian")
    assert predictions.table["uncertainty"].notna().all()
    found = RiskCoverage(resamples=200)(predictions, cohort)
    everyone = np.abs(predictions.table["truth"] - predictions.table["answer"]).mean()
    assert found.unit == "years" and found.value < 0.8 * everyone
    assert found.parts["risk at 50 %"].value < 0.7 * everyone
    failures = FailureDetection(limit=5.0, resamples=200)(predictions, cohort)
    assert failures.value > 0.7 and failures.interval[0] > 0.5
    shuffled = predictions.table["uncertainty"].sample(frac=1, random_state=0).to_numpy()
    by_lot = FailureDetection(limit=5.0, resamples=200)(
        replace(predictions, table=predictions.table.assign(uncertainty=shuffled)), cohort
    )
    assert by_lot.value < failures.value - 0.15


def test_one_network_without_noise_is_told_what_to_train(answered):
    predictions, cohort = answered("mean_squared_error")
    with pytest.raises(CohortError) as caught:
        RiskCoverage(resamples=200)(predictions, cohort)
    assert caught.value.problem.code == "score_missing" and "gaussian" in caught.value.problem.remedy
