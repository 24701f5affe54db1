"""Checks between sections: what snapshots of wrong recipes do not show, and the warnings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Inputs
from preceptor.recipe.check import _methods, _transforms
from preceptor.recipe.check_network import _forward, _in_earnest, check_network
from preceptor.recipe.check_roles import check_roles, check_split
from preceptor.recipe.made import Made
from preceptor.recipe.report import Report, did_you_mean, dotted

from .writing import RIGHT, load, problems


def _warnings(folder, text=RIGHT, *overrides):
    return [warning.code for warning in load(folder, text, *overrides).warnings]


MEASURED = RIGHT + "evaluate: [dice]\n"


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        (("train.patch=[18, 16, 16]",), "patch_divisor"),
        (("augment=[{noise: {chance: 0}}]",), "chance_zero"),
        (("methods=[{early_stopping: {patience: 3}}]",), "patience_too_long"),
        (("strategy={k_fold: {folds: 3}}",), "test_share_unused"),
        (("evaluate=[]",), "nothing_measured"),
    ],
)
def test_what_can_run_and_is_likely_not_meant_is_a_warning(overrides, code, tmp_path):
    assert _warnings(tmp_path, MEASURED, *overrides) == [code]


def test_a_mask_that_no_step_makes_is_not_there_when_the_model_predicts(tmp_path):
    made = "prepare=[{remove_background: {}}, {zscore: {mask: body}}]"
    late = "prepare=[{zscore: {mask: body}}, {remove_background: {}}]"
    assert _warnings(tmp_path, MEASURED, made) == []
    for asked in (late, "prepare=[{zscore: {mask: tissue}}]", "prepare=[{crop_foreground: {mask: tissue}}]"):
        (warning,) = load(tmp_path, MEASURED, asked).warnings
        assert warning.code == "prepare_reads_cohort_mask" and "training alone" in warning.expected


def test_a_right_recipe_has_no_warning(tmp_path):
    assert _warnings(tmp_path, MEASURED) == []


def test_a_warning_is_not_lost_beside_an_error_but_does_not_stand_among_them(tmp_path):
    found = problems(tmp_path, MEASURED, "augment=[{noise: {chance: 0}}]", "train.epochs=0")
    assert [problem.code for problem in found] == ["parameter_bounds"]


def test_roles_of_the_data_set_are_left_to_the_cohort(tmp_path):
    text = MEASURED.replace("split: {train: 0.6, tune: 0.1, calibrate: 0.1, test: 0.2}\n", "")
    assert _warnings(tmp_path, text + "safeguards: [temperature]\nmethods: [{early_stopping: {patience: 2}}]\n") == []
    assert load(tmp_path, text).split is None


class _Adapts(nn.Module):
    needs_roles = ("adapt",)


class _Fits:
    fit_role = "train"

    def fit(self, *args):
        return {}


def _made(section, *things):
    sections = {name: [] for name in ("methods", "safeguards", "evaluate", "objective", "prepare", "augment")}
    sections[section] = [
        Made((section, index, type(thing).__name__), type(thing).__name__, {}, thing)
        for index, thing in enumerate(things)
    ]
    return sections


def test_domain_adaptation_needs_adapt_cases():
    split = {"train": 1.0, "tune": 0, "calibrate": 0, "test": 0, "adapt": None, "external": None, "given": False}
    report = Report("r", {})
    check_roles({"split": split}, _made("methods", _Adapts()), report)
    assert [problem.code for problem in report.problems] == ["no_adapt_share"]
    report = Report("r", {})
    check_roles({"split": split | {"adapt": {"site": ["B"]}}}, _made("methods", _Adapts()), report)
    assert report.problems == []


def test_what_is_fitted_on_training_cases_needs_no_calibrate_share():
    split = {"train": 1.0, "tune": 0, "calibrate": 0, "test": 0, "adapt": None, "external": None, "given": False}
    report = Report("r", {})
    check_roles({"split": split}, _made("safeguards", _Fits()), report)
    assert report.problems == []


class _First:
    before = ("_Second",)

    def sampler(self, index):
        return None

    def weights(self, network):
        return {}


class _Second(_First):
    before = ("_First",)


class _Heavy:
    weight = 0.5  # a parameter of that name is no hook
    weights = "file.safetensors"


def test_one_sampler_one_keeper_of_weights_and_an_order_that_exists():
    report = Report("r", {})
    _methods({}, _made("methods", _First(), _Second()), report)
    assert {problem.code for problem in report.problems} == {"several_sampler", "several_weights", "method_order"}
    report = Report("r", {})
    _methods({}, _made("methods", _First(), _Heavy()), report)
    assert report.problems == []


def test_a_fitted_transform_does_not_augment():
    report = Report("r", {})
    _transforms({}, _made("augment", _Fits()), report)
    assert [problem.code for problem in report.problems] == ["augment_fitted"]


@pytest.mark.parametrize(
    ("shares", "code"),
    [({"train": 0.7, "test": 0.2}, "split_sum"), ({"test": 1.0}, "split_no_train"), ({}, "split_empty")],
)
def test_the_command_lines_split_is_checked_by_the_same_rules(shares, code):
    settings = dict.fromkeys(("train", "tune", "calibrate", "test"), 0.0) | {"adapt": None, "external": None}
    with pytest.raises(RecipeError) as caught:
        check_split(settings | {"stratify": None, "given": False} | shares)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_shares_may_be_rounded(tmp_path):
    load(tmp_path, RIGHT, "split={train: 0.7, tune: 0.1, test: 0.2}")
    load(tmp_path, RIGHT, "split={train: 0.33333334, tune: 0.33333333, test: 0.33333333}")


class _Stubborn(nn.Module):
    """Takes only sides that are multiples of four."""

    divisor = 4

    def forward(self, image):
        if image.shape[2] % 4:
            raise RuntimeError("sizes do not match")
        return {"answer": image.mean((2, 3)), "edge": image}


class _Decides(nn.Module):
    """Its path depends on which views are there."""

    def forward(self, images, present):
        kept = [image[present[view]].mean((1, 2, 3)) for view, image in images.items()]
        return torch.stack(kept, 1)


def test_a_network_is_run_on_paper():
    with torch.device("meta"):
        assert _forward(_Stubborn(), Inputs(("a",), 1, 2, (8, 8))) == (
            {"answer": (2, 1), "edge": (2, 1, 8, 8)},
            None,
        )
        assert _forward(_Stubborn(), Inputs(("a",), 1, 2, (9, 8))) == (None, "sizes do not match")


def test_a_network_that_must_see_numbers_is_tried_in_earnest(monkeypatch):
    inputs = Inputs(("a", "b"), 1, 2, (8, 8))
    with torch.device("meta"):
        assert _forward(_Decides(), inputs) == (None, None)
    monkeypatch.setattr("preceptor.recipe.check_network.build", lambda *args, **reserved: _Decides())
    state = torch.get_rng_state()
    outputs, fault = _in_earnest(Made((), "decides", {}, None), inputs, 2)
    assert (outputs, fault) == ({"answer": (2, 2)}, None)
    assert torch.equal(torch.get_rng_state(), state), "the check draws apart from the run"


@pytest.mark.parametrize(("side", "severity"), [(9, "error"), (8, None)])
def test_a_side_that_stops_the_network_is_an_error(side, severity, monkeypatch):
    monkeypatch.setattr("preceptor.recipe.check_network.build", lambda *args, **reserved: _Stubborn())
    monkeypatch.setattr("preceptor.recipe.check_network.plugin", lambda *args: _Stubborn)
    made = {"network": [Made(("network", "x"), "x", {}, None)], "objective": [], "methods": [], "explain": []}
    report = Report("r", {})
    question = Question("classification", "label", ("absent",))
    check_network({"train": {"patch": [side, 8]}}, made, question, 1, ("a",), report)
    assert [problem.severity for problem in report.problems] == ([severity] if severity else [])


def test_places_fall_back_to_what_stands_above():
    report = Report("r.yaml", {("train",): "r.yaml:3", ("train", "optimizer"): "r.yaml:4"})
    assert report.place(("train", "optimizer", "adamw", "lr")) == "r.yaml:4"
    assert report.place(("train", "epochs")) == "r.yaml:3"
    assert report.place(("gates",)) == "r.yaml"


def test_paths_as_text():
    assert dotted(("augment", 0, "flip", "chance")) == "augment.flip.chance"
    assert dotted(("train", "patch", 1)) == "train.patch[1]"
    assert dotted(()) == "the recipe"


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("unett", ["unet", "resnet"], "did you mean 'unet'?"),
        ("U-Net", ["unet", "resnet"], "did you mean 'unet'?"),
        ("batchsize", ["batch_size", "epochs"], "did you mean 'batch_size'?"),
        ("zebra", ["unet", "resnet"], ""),
        (3, ["unet"], ""),
    ],
)
def test_did_you_mean(word, known, said):
    assert did_you_mean(word, known) == said


def test_a_constructor_that_refuses_is_told_where_it_stands(tmp_path, monkeypatch):
    from preceptor.recipe import made

    def refuses(slot, value, **reserved):
        if slot == "objectives" and "dice" in value:
            raise ValueError("these two do not go together")
        return SimpleNamespace(width=lambda question: 3)

    monkeypatch.setattr(made, "build", refuses)
    found = problems(tmp_path)
    assert [(problem.code, problem.where) for problem in found] == [("plugin_refused", "recipe.yaml:7")]
    assert "these two do not go together" in found[0].what
