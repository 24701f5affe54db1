"""Selfcheck: a recipe that works passes, one with a bug or a leak does not, and the verdict is an exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from preceptor import api, selfchecking
from preceptor.cli import main
from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.intake.phantoms.trivial import Trivial
from preceptor.recipe.load import load_recipe
from preceptor.selfchecking import judge_trial

RECIPE = """\
study: tiny
seed: 3
cohort: {{phantoms: {{task: {data}, visits: 12, size: {size}, classes: [a, b, c], format: {form}, folder: data}}}}
split: {{by: patient, train: 0.5, tune: 0.1, calibrate: 0.2, test: 0.2}}
prepare: [zscore]
augment: [{{flip: {{axes: [{axis}], chance: 0.5}}}}]
task: {task}
network: {network}
objective: {objective}
methods: [{{early_stopping: {{patience: 3}}}}]
train: {{epochs: 50, batch_size: 16, optimizer: {{adamw: {{lr: 1e-2}}}}}}
safeguards: [temperature]
evaluate: [calibration]
"""
CNN = "{cnn: {channels: [6, 12], convolutions: 1}}"


def recipe(folder: Path, task: str, objective: str, data: str = "", network: str = CNN, **more: str) -> Path:
    path = folder / "tiny.yaml"
    settings = {"size": "[24, 24]", "form": "png", "axis": "x", **more}
    text = RECIPE.format(
        task=task, objective=objective, data=data or task.split(":")[0].strip("{"), network=network, **settings
    )
    path.write_text(
        text if "classification" in task else text.replace("evaluate: [calibration]\n", ""), encoding="utf-8"
    )
    return path


@pytest.mark.slow
def test_a_recipe_that_works_passes_and_the_command_says_so(tmp_path, capsys):
    path = recipe(tmp_path, "{classification: {classes: [a, b, c]}}", "cross_entropy")
    command = [
        "selfcheck",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "cpu",
        "--cases",
        "120",
        "--steps",
        "160",
    ]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    trivial, noise = said["trials"]
    assert said["passed"] and trivial["score"] >= 0.95 and trivial["limit"] == 0.95
    assert abs(noise["score"] - 1 / 3) <= noise["limit"] - 1 / 3
    before = (tmp_path / "out" / "trivial" / "predictions.parquet").stat().st_mtime_ns
    assert main(command) == 0
    assert "passed" in capsys.readouterr().out
    assert (tmp_path / "out" / "trivial" / "predictions.parquet").stat().st_mtime_ns == before, "nothing is done again"
    kept = load_recipe(tmp_path / "out" / "trivial" / "resolved.yaml")
    assert kept.augment == () and kept.safeguards == ()
    assert kept.methods == ({"good_enough": {"score": 0.05}},), "none of the recipe's own"
    assert [next(iter(each)) for each in kept.prepare] == ["zscore"]
    kind = kept.cohort["synthetic"]["kind"]["trivial"]
    assert kind["size"] == [24, 24] and kind["classes"] == ["a", "b", "c"]


def test_a_network_with_a_bug_is_found(tmp_path, capsys):
    """One that throws the image away."""

    class Deaf(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(width))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.bias.expand(len(image), -1)

    path = recipe(tmp_path, "{classification: {classes: [a, b, c]}}", "cross_entropy", network="deaf")
    found = api.selfcheck(
        path,
        tmp_path / "out",
        cases=60,
        steps=10,
        networks={"deaf": lambda inputs, width: Deaf(width)},
        device="cpu",
        stream=None,
    )
    trivial, noise = found.trials
    assert not found.passed and not trivial.passed and noise.passed
    assert trivial.score == pytest.approx(1 / 3) and "there is a bug" in trivial.sentence
    lazy = recipe(tmp_path, "{classification: {classes: [a, b, c]}}", "cross_entropy")
    lazy.write_text(lazy.read_text().replace("lr: 1e-2", "lr: 1e-9"))
    assert (
        main(
            [
                "selfcheck",
                str(lazy),
                "--out",
                str(tmp_path / "lazy"),
                "--cases",
                "60",
                "--steps",
                "5",
                "--device",
                "cpu",
            ]
        )
        == 4
    )
    assert "DOES NOT HOLD" in capsys.readouterr().out


@pytest.mark.parametrize("bug", ["labels shuffled", "wrong place"])
def test_a_bug_that_still_trains_is_found(bug, tmp_path, monkeypatch):
    """Both learn something by heart, and nothing that holds for the test cases."""

    class Cornered(torch.nn.Module):
        """It reads one corner, where no image of the study shows anything."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(9, width)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.linear(image[:, 0, :3, :3].flatten(1))

    if bug == "labels shuffled":
        drawn = Trivial.draw

        def draw(self, turn):
            return replace(drawn(self, turn), labels={"label": "abc"[int(turn.rng("lot").integers(3))]})

        monkeypatch.setattr(Trivial, "draw", draw)
    made = {"cornered": lambda inputs, width: Cornered(width)}
    path = recipe(tmp_path, "{classification: {classes: [a, b, c]}}", "cross_entropy",
                  network="cornered" if bug == "wrong place" else CNN)  # fmt: skip
    found = api.selfcheck(path, tmp_path / "out", cases=60, steps=24, networks=made, device="cpu", stream=None)
    assert not found.trials[0].passed and found.trials[0].score < 0.7


def test_an_answer_that_no_image_gives_is_a_leak(tmp_path):
    path = recipe(tmp_path, "{classification: {classes: [a, b, c]}}", "cross_entropy")
    folder = tmp_path / "out"
    api.selfcheck(path, folder, cases=60, steps=5, device="cpu", stream=None)
    stored = folder / "indissociable" / "predictions.parquet"
    table = pandas.read_parquet(stored)

    class Finished:
        """A run whose stored answers are those given."""

        def __init__(self, answers: pandas.Series) -> None:
            from preceptor.runs import Run

            whole = Run(load_recipe(folder / "indissociable" / "resolved.yaml"), folder / "indissociable", stream=None)
            self.folder, self.task, self.recipe = whole.folder, whole.task, whole.recipe
            self.predictions = whole.predictions
            self.predictions.table["answer"] = answers

    known = judge_trial("indissociable", Finished(table["truth"]))
    assert not known.passed and known.score == 1.0 and "no image" in known.sentence
    guessed = judge_trial(
        "indissociable", Finished(pandas.Series(np.random.default_rng(0).choice(list("abc"), len(table))))
    )
    assert guessed.passed

    cohort = Cohort.read(folder / "indissociable" / "cohort.parquet")
    inwards = sorted(cohort, key=lambda case: case.labels["label"])
    cohort.with_cases(inwards).write(folder / "indissociable" / "cohort.parquet")
    sorted_by_class = judge_trial("indissociable", Finished(table["truth"]))
    assert not sorted_by_class.passed and sorted_by_class.sentence.endswith("no image: the order of the cases")
    unused = judge_trial(
        "indissociable", Finished(pandas.Series(np.random.default_rng(0).choice(list("abc"), len(table))))
    )
    assert not unused.passed and unused.score == guessed.score
    assert "nothing is used, but the order of the cases would tell" in unused.sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "objective", "more"),
    [
        (
            "{multilabel: {labels: [a, b, c]}}",
            "binary_cross_entropy",
            {"network": "{cnn: {channels: [8, 16], convolutions: 1}}", "size": "[36, 36]"},
        ),
        ("{regression: {label: label}}", "mean_squared_error", {}),
        ("{survival: {time: months, event: death, times: [12, 24]}}", "cox", {"data": "classification"}),
        (
            "{segmentation: {labels: {front: 1, back: 2}}}",
            "[dice, cross_entropy]",
            {"network": "{unet: {channels: [8, 16]}}", "size": "[24, 24]"},
        ),
    ],
)
def test_other_tasks_have_their_trivial_study(task, objective, more, tmp_path):
    path = recipe(tmp_path, task, objective, **more)
    path.write_text(path.read_text().replace("safeguards: [temperature]\n", ""))
    found = api.selfcheck(path, tmp_path / "out", cases=120, steps=250, device="cpu", stream=None)
    assert found.passed, [trial.sentence for trial in found.trials]
    cohort = Cohort.read(tmp_path / "out" / "trivial" / "cohort.parquet")
    assert len(cohort) == 120


def test_a_task_without_a_trivial_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.delitem(selfchecking._SOLVED, "survival")
    path = recipe(tmp_path, "{survival: {time: t, event: e, times: [1, 2]}}", "cox", data="classification")
    path.write_text(path.read_text().replace("safeguards: [temperature]\n", ""))
    with pytest.raises(RecipeError) as caught:
        api.selfcheck(path, tmp_path / "out", device="cpu", stream=None)
    assert caught.value.problem.code == "selfcheck_task"
