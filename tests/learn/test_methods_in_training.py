"""Methods inside the loop: frozen, freed, stopped, adapted, and resumed to the same bits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from preceptor.core.plugins import Inputs
from preceptor.learn import checkpoint
from preceptor.learn.fit import Training

from .test_fit import _interrupted
from .training import Net, same, tiny_cohort, tiny_recipe, train, workshop


def source_weights(folder):
    """A network that was trained elsewhere."""
    torch.manual_seed(3)
    network = Net(Inputs(("image",), 1, 2, (8, 8)), 2)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / "source.safetensors"
    )
    return network.state_dict()


def two_stage(folder, epochs=4):
    method = {"transfer": {"weights": "source.safetensors", "mode": "two_stage", "unfreeze_after": 2}}
    settings = {"epochs": epochs, "checkpoint_every_minutes": 0.0}
    return tiny_recipe(methods=[method], train=settings, folder=folder)


def test_the_body_stays_still_until_it_is_freed(tmp_path):
    source, cohort = source_weights(tmp_path), tiny_cohort(tmp_path / "data")
    _, first = train(tmp_path / "a", two_stage(tmp_path, epochs=2), cohort)
    _, both = train(tmp_path / "b", two_stage(tmp_path), cohort)
    body = [name for name in source if name.startswith("body.")]
    assert any("running_mean" in name for name in body)
    assert all(torch.equal(first[name], source[name]) for name in body)
    assert not torch.equal(first["head.weight"], source["head.weight"])
    assert all(not torch.equal(both[name], source[name]) for name in body)


def test_the_second_stage_learns_at_its_own_rate(tmp_path):
    source_weights(tmp_path)
    cohort, recipe = tiny_cohort(tmp_path / "data"), two_stage(tmp_path)
    recipe.methods[0]["transfer"]["second_rate"] = 0.25
    training = Training(recipe, cohort, workshop(tmp_path / "a", recipe), tmp_path / "a" / "fits" / "0", (), None)
    for _ in range(2):
        training.run_epoch()
    training._set_learning_rate()
    second = training.optimizer.param_groups[0]["lr"]
    training.rate = 1.0
    training._set_learning_rate()
    assert second == pytest.approx(0.25 * training.optimizer.param_groups[0]["lr"]) and second > 0


@pytest.mark.parametrize("after", [5, 9, 11])
def test_two_stages_resume_to_the_same_bits(tmp_path, after):
    """Stopped with the body frozen, just freed, and well into the second stage (four steps an epoch)."""
    source_weights(tmp_path)
    cohort = tiny_cohort(tmp_path / "data")
    _, unbroken = train(tmp_path / "a", two_stage(tmp_path), cohort)
    _interrupted(tmp_path / "b", two_stage(tmp_path), cohort, after)
    _, resumed = train(tmp_path / "b", two_stage(tmp_path), cohort)
    assert same(unbroken, resumed)


def test_a_training_that_gets_no_better_is_stopped_and_keeps_its_best(tmp_path):
    """With a learning rate of 0 no epoch beats the first: patience 2 ends the training after the third."""
    recipe = tiny_recipe(
        methods=[{"early_stopping": {"patience": 2}}],
        train={"epochs": 9, "optimizer": {"sgd": {"lr": 0.0}}, "schedule": "constant"},
    )
    fitted, _ = train(tmp_path / "a", recipe, tiny_cohort(tmp_path / "data"), {"mine": still})
    assert fitted.epochs == 3
    assert checkpoint.load(fitted.folder, print)["best"] == fitted.score


def still(inputs, width):
    """Without batch norm and dropout: a learning rate of 0 leaves it as it is."""
    return Net(inputs, width, norm=False, dropout=0.0)


def test_cases_of_the_target_domain_take_part_without_their_labels(tmp_path):
    """With other labels in the target domain, the adapted weights are the same: no method can peek."""
    cohort = tiny_cohort(tmp_path / "data")
    adapting = cohort.with_cases(
        replace(case, role="adapt") if case.role == "train" and case.fields["site"] == "B" else case for case in cohort
    )
    other = adapting.with_cases(
        replace(case, labels={"label": "dark"}) if case.role == "adapt" else case for case in adapting
    )
    methods = [{"gradient_reversal": {"field": "site", "layer": "body"}}, "class_balance"]
    _, weights = train(tmp_path / "a", tiny_recipe(methods=methods), adapting)
    _, blind = train(tmp_path / "b", tiny_recipe(methods=methods), other)
    _, without = train(tmp_path / "c", tiny_recipe(methods=methods[1:]), adapting)
    assert same(weights, blind)
    assert not same(weights, without)


def test_deep_supervision_reaches_every_head(tmp_path):
    """Segmentation with a U-Net: without the method the coarse heads learn nothing, with it they do."""
    import numpy as np

    cohort = tiny_cohort(tmp_path / "data", side=16)
    arrays = dict(np.load(tmp_path / "data" / "data.npz"))
    arrays["label"] = (arrays["images"] > 0.5).astype(np.uint8)
    np.savez(tmp_path / "data" / "data.npz", **arrays)
    cohort = cohort.with_cases(replace(case, masks={"label": f"data.npz::label::{i}"}) for i, case in enumerate(cohort))
    gradients = {}
    for methods in ((), ("auxiliary_outputs",)):
        recipe = tiny_recipe(
            task={"segmentation": {"labels": {"bright": 1}}},
            objective=["dice", "cross_entropy"],
            network={"unet": {"channels": [4, 4, 4, 4], "deep_supervision": True}},
            methods=list(methods),
            augment=[],
        )
        place = tmp_path / ("with" if methods else "without")
        training = Training(recipe, cohort, workshop(place, recipe), place / "fits" / "0", (), None)
        training.optimizer.step = lambda: None
        training._learn([next(iter(training._batches()))])
        gradients[methods] = [head.weight.grad for head in training.network.heads]
    assert len(gradients[()]) == 3
    assert [gradient is None for gradient in gradients[()]] == [False, True, True]
    assert all(gradient.abs().sum() > 0 for gradient in gradients[("auxiliary_outputs",)])


def test_hidden_views_are_drawn_anew_and_the_same_when_resumed(tmp_path):
    """The draw comes from the method's own generator, which is part of a checkpoint."""
    cohort = tiny_cohort(tmp_path / "data")
    two = cohort.with_cases(
        replace(case, images={"a": case.images["image"], "b": case.images["image"]}) for case in cohort
    )
    recipe = tiny_recipe(
        network={"hemis": {"encoder": {"cnn": {"channels": [4, 4]}}, "features": 4, "hidden": 4}},
        methods=["hide_views"],
        train={"epochs": 3, "checkpoint_every_minutes": 0.0},
    )
    _, unbroken = train(tmp_path / "a", recipe, two)
    _interrupted(tmp_path / "b", recipe, two, 5)
    _, resumed = train(tmp_path / "b", recipe, two)
    assert same(unbroken, resumed)
