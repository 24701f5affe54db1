"""`--set`: one value replaced, whatever form the recipe gave its place."""

from __future__ import annotations

import copy

import pytest

from preceptor.recipe.overrides import override
from preceptor.recipe.report import Report

DATA = {
    "network": "unet",
    "methods": ["ema", {"early_stopping": {"patience": 3}}],
    "train": {"epochs": 3, "optimizer": {"adamw": {"lr": 0.1}}},
    "objective": "dice",
}


@pytest.mark.parametrize(
    ("text", "section", "value"),
    [
        ("train.epochs=5", "train", {"epochs": 5, "optimizer": {"adamw": {"lr": 0.1}}}),
        ("train.patch=[8, 8]", "train", {"epochs": 3, "optimizer": {"adamw": {"lr": 0.1}}, "patch": [8, 8]}),
        ("train.optimizer=sgd", "train", {"epochs": 3, "optimizer": "sgd"}),
        ("train.optimizer.adamw.lr=1e-3", "train", {"epochs": 3, "optimizer": {"adamw": {"lr": 0.001}}}),
        ("train.clip_norm=", "train", {"epochs": 3, "optimizer": {"adamw": {"lr": 0.1}}, "clip_norm": None}),
        ("network=resnet", "network", "resnet"),
        ("network.unet.channels=[4, 8]", "network", {"unet": {"channels": [4, 8]}}),
        ("methods.early_stopping.patience=9", "methods", ["ema", {"early_stopping": {"patience": 9}}]),
        ("methods.ema.decay=0.9", "methods", [{"ema": {"decay": 0.9}}, {"early_stopping": {"patience": 3}}]),
        ("methods.1.early_stopping.patience=9", "methods", ["ema", {"early_stopping": {"patience": 9}}]),
        ("methods.0=swa", "methods", ["swa", {"early_stopping": {"patience": 3}}]),
        ("methods=[]", "methods", []),
        ("objective.dice.weight=2", "objective", {"dice": {"weight": 2}}),
        ("split.train=0.5", "split", {"train": 0.5}),
    ],
)
def test_a_value_is_set(text, section, value):
    report = Report("r.yaml", {("train", "epochs"): "r.yaml:3"})
    before = copy.deepcopy(DATA)
    after = override(DATA, [text], report)
    assert after[section] == value
    assert not report.problems
    assert before == DATA, "the recipe as read stays as it is"


def test_the_place_of_an_overridden_value_is_the_override():
    report = Report("r.yaml", {("train",): "r.yaml:3", ("train", "epochs"): "r.yaml:4"})
    override(DATA, ["train.epochs=ten"], report)
    assert report.place(("train", "epochs")) == "--set train.epochs=ten"
    assert report.place(("train", "patch")) == "r.yaml:3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.epochs", "sets nothing"),
        ("=5", "sets nothing"),
        ("train..epochs=5", "sets nothing"),
        ("trian.epochs=5", "no section 'trian'"),
        ("network.resnet.depth=5", "'network' is unet"),
        ("train.optimizer.sgd.lr=5", "train.optimizer is adamw"),
        ("methods.swa.decay=5", "'swa' is not in methods"),
        ("methods.7=5", "'7' is not in methods"),
        ("train.epochs.more=5", "holds no settings"),
        ("train.epochs=[1", "not YAML"),
        ("train.epochs=*a", "alias"),
    ],
)
def test_what_sets_nothing_is_reported(text, words):
    report = Report("r.yaml", {})
    override(DATA, [text], report)
    assert len(report.problems) == 1
    assert words in report.problems[0].what
    assert report.problems[0].where.startswith("--set ")
