"""The loop: what is resumed is the same training, and how a batch is cut does not matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from preceptor.core.errors import RecipeError, TrainError
from preceptor.learn import checkpoint
from preceptor.learn.fit import Training, fit

from .training import largest_difference, plain, same, tiny_cohort, tiny_recipe, train, workshop


def test_same_seed_same_weights_another_seed_others(tmp_path):
    cohort = tiny_cohort(tmp_path / "data")
    _, first = train(tmp_path / "a", tiny_recipe(), cohort)
    _, second = train(tmp_path / "b", tiny_recipe(), cohort)
    _, other = train(tmp_path / "c", tiny_recipe(seed=8), cohort)
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_matter(tmp_path, workers):
    cohort = tiny_cohort(tmp_path / "data")
    _, alone = train(tmp_path / "a", tiny_recipe(), cohort)
    _, helped = train(tmp_path / "b", tiny_recipe(train={"workers": workers}), cohort)
    assert same(alone, helped)


def test_where_examples_are_varied_does_not_matter(tmp_path):
    cohort = tiny_cohort(tmp_path / "data")
    settings = {"epochs": 2, "optimizer": {"sgd": {"lr": 0.1}}}
    weights = [
        train(tmp_path / str(n), tiny_recipe(augment=augment, train=settings | more), cohort, {"mine": plain})[1]
        for n, (augment, more) in enumerate(
            [
                ([{"affine": {"degrees": 20}}, "noise", "gamma"], {}),
                ([{"affine": {"degrees": 20}}, "noise", "gamma"], {"augment_on": "device", "workers": 1}),
                ([], {}),
            ]
        )
    ]
    assert largest_difference(weights[0], weights[1]) < 1e-5 < 1e-3 < largest_difference(weights[0], weights[2])


def test_accumulating_two_halves_is_one_batch(tmp_path):
    cohort = tiny_cohort(tmp_path / "data")
    settings = {"epochs": 2, "optimizer": {"sgd": {"lr": 0.1}}}
    _, whole = train(
        tmp_path / "a", tiny_recipe(augment=[], train={**settings, "batch_size": 8}), cohort, {"mine": plain}
    )
    _, halves = train(
        tmp_path / "b",
        tiny_recipe(augment=[], train={**settings, "batch_size": 4, "accumulate": 2}),
        cohort,
        {"mine": plain},
    )
    assert largest_difference(whole, halves) < 1e-6


def test_unlabelled_cases_do_not_tilt_an_accumulated_step(tmp_path):
    from dataclasses import replace

    cohort = tiny_cohort(tmp_path / "data")
    cohort = cohort.with_cases(replace(case, labels={}) if i in (0, 1, 2, 5) else case for i, case in enumerate(cohort))
    settings = {"epochs": 2, "optimizer": {"sgd": {"lr": 0.1}}}
    _, whole = train(
        tmp_path / "a", tiny_recipe(augment=[], train={**settings, "batch_size": 16}), cohort, {"mine": plain}
    )
    _, parts = train(
        tmp_path / "b",
        tiny_recipe(augment=[], train={**settings, "batch_size": 4, "accumulate": 4}),
        cohort,
        {"mine": plain},
    )
    assert largest_difference(whole, parts) < 1e-6


_PROCESS = """
import sys
from pathlib import Path
import lightning_fabric
from preceptor.core.cohort import Cohort
from preceptor.learn.fit import fit
sys.path.insert(0, {tests!r})
from tests.learn.training import plain, tiny_recipe, workshop
fabric = lightning_fabric.Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
recipe = tiny_recipe(augment=[], methods={methods!r}, train={{"epochs": 2, "optimizer": {{"sgd": {{"lr": 0.1}}}}, "batch_size": 4}})
fit(recipe, Cohort.read(Path({cohort!r})), shop=workshop(Path({folder!r}), recipe, {{"mine": plain}}, fabric))
"""


def test_two_processes_are_one_batch(tmp_path):
    cohort = tiny_cohort(tmp_path / "data")
    cohort.write(tmp_path / "cohort.parquet")
    settings = {"epochs": 2, "optimizer": {"sgd": {"lr": 0.1}}, "batch_size": 8}
    _, whole = train(tmp_path / "a", tiny_recipe(augment=[], train=settings), cohort, {"mine": plain})
    root = str(Path(__file__).parents[2])
    script = tmp_path / "process.py"
    script.write_text(
        _PROCESS.format(tests=root, cohort=str(tmp_path / "cohort.parquet"), folder=str(tmp_path / "b"), methods=[])
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}{os.pathsep}{root}/src"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parts = checkpoint.load(tmp_path / "b" / "fits" / "0", print)["network"]
    assert largest_difference(whole, parts) < 1e-6


class _Killed(BaseException):
    """Not an `Exception`: nothing may catch it on the way."""


def _interrupted(folder: Path, recipe, cohort, after: int):
    """Train, and stop dead after a number of optimizer steps."""
    training = Training(recipe, cohort, workshop(folder, recipe), folder / "fits" / "0", (), None)
    learn, steps = training._learn, 0

    def counted(batches):
        nonlocal steps
        if steps == after:
            raise _Killed
        steps += 1
        learn(batches)

    training._learn = counted
    with pytest.raises(_Killed):
        while training.epoch < recipe.train.epochs:
            training.run_epoch()


@pytest.mark.parametrize("after", [1, 5, 10])
def test_a_stopped_run_resumes_to_the_same_weights(tmp_path, after):
    cohort = tiny_cohort(tmp_path / "data")
    recipe = tiny_recipe(train={"checkpoint_every_minutes": 0.0})
    _, unbroken = train(tmp_path / "a", recipe, cohort)
    _interrupted(tmp_path / "b", recipe, cohort, after)
    _, resumed = train(tmp_path / "b", recipe, cohort)
    assert same(unbroken, resumed)


def test_a_finished_training_is_not_done_again(tmp_path):
    cohort, recipe = tiny_cohort(tmp_path / "data"), tiny_recipe()
    first, _ = train(tmp_path / "a", recipe, cohort)
    before = (first.folder / "best.safetensors").stat().st_mtime_ns
    again = fit(recipe, cohort, shop=workshop(tmp_path / "a", recipe))
    assert again[0].score == first.score
    assert (first.folder / "best.safetensors").stat().st_mtime_ns == before


def test_a_loss_that_is_not_finite_names_the_case(tmp_path):
    import numpy as np

    cohort = tiny_cohort(tmp_path / "data")
    arrays = dict(np.load(tmp_path / "data" / "data.npz"))
    arrays["images"][3] = 3e38
    np.savez(tmp_path / "data" / "data.npz", **arrays)
    recipe = tiny_recipe(augment=[])

    class Overflowing(torch.nn.Module):
        def __init__(self, inputs, width):
            super().__init__()
            self.head = torch.nn.Linear(64, width)

        def forward(self, image):
            return self.head(image.flatten(1) * 1e10)

    with pytest.raises(TrainError) as caught:
        fit(recipe, cohort, shop=workshop(tmp_path / "a", recipe, {"mine": Overflowing}))
    assert "case-003" in str(caught.value)
    assert caught.value.problem.code == "loss_not_finite"


def test_the_log_names_the_bottleneck(tmp_path):
    fitted, _ = train(tmp_path / "a", tiny_recipe(), tiny_cohort(tmp_path / "data"))
    epochs = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    epochs = [each for each in epochs if each["kind"] == "epoch"]
    assert [each["epoch"] for each in epochs] == [1, 2, 3]
    for each in epochs:
        assert each["bottleneck"] in each["shares"]
        assert 0.0 < sum(each["shares"].values()) <= 1.01
        assert each["losses"]["loss"] > 0


def test_everything_frozen_is_refused(tmp_path):
    def frozen(inputs, width):
        network = plain(inputs, width)
        network.requires_grad_(False)
        return network

    recipe = tiny_recipe()
    with pytest.raises(RecipeError, match="nothing to train"):
        fit(recipe, tiny_cohort(tmp_path / "data"), shop=workshop(tmp_path / "a", recipe, {"mine": frozen}))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    cohort, recipe = tiny_cohort(tmp_path / "data"), tiny_recipe(train={"checkpoint_every_minutes": 0.0})
    _, unbroken = train(tmp_path / "a", recipe, cohort)
    _interrupted(tmp_path / "b", recipe, cohort, 7)
    folder = tmp_path / "b" / "fits" / "0"
    newest = max(("last-a", "last-b"), key=lambda name: checkpoint._turn(folder / name))
    path = folder / f"{newest}.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    told: list[str] = []
    assert checkpoint.load(folder, told.append) is not None
    assert "damaged" in told[0]
    _, resumed = train(tmp_path / "b", recipe, cohort)
    assert same(unbroken, resumed)
