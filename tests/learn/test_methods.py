"""Methods one by one: what they draw, average, hide, load, and refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from preceptor.core.batch import Batch, EpochEnd, Index
from preceptor.core.errors import BundleError, RecipeError
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build, names, plugin
from preceptor.learn import checkpoint
from preceptor.learn.hooks import Methods

from ..golden.stepping import Numbers, cohort_of, step_of


def index_of(target, share=None, case=None):
    target = np.asarray(target)
    case = np.arange(len(target)) if case is None else np.asarray(case)
    share = np.full(len(case), 1 / len(case)) if share is None else np.asarray(share)
    return Index([f"c{i}" for i in range(len(target))], case, np.full(len(case), -1), share, {"y": target})


@pytest.mark.parametrize("name", [name for name in names("methods") if name != "transfer"])
def test_state_goes_through_a_checkpoint(name, tmp_path):
    """Tensors and JSON alone, and the same after they were written and read."""
    from preceptor.core.state import read_state, write_state

    network = Numbers(nn.Linear(4, 3), nn.Linear(3, 2))
    methods = Methods([name] if name not in FIELDS else [{name: FIELDS[name]}], 7, inputs=Inputs(("image",), 4, 2, ()))
    cohort = cohort_of("site", ["A", "B", "A"], ["train", "train", "tune"])
    methods.call("setup", network, cohort)
    write_state(tmp_path / "state.safetensors", methods.state())
    methods.load_state(read_state(tmp_path / "state.safetensors")[0])


FIELDS = {
    "coral": {"field": "site", "layer": "features"},
    "gradient_reversal": {"field": "site", "layer": "features"},
    "demographic_parity": {"field": "site"},
    "group_dro": {"field": "site"},
    "good_enough": {"score": 0.9},
    "reweighing": {"field": "site"},
}


# ---------------------------------------------------------------- class balance


def test_every_class_is_drawn_alike():
    chance = build("methods", "class_balance").sampler(index_of([0] * 90 + [1] * 9 + [2]))
    assert chance.sum() == pytest.approx(1)
    assert [chance[:90].sum(), chance[90:99].sum(), chance[99]] == pytest.approx([1 / 3] * 3)


def test_unlabelled_cases_keep_what_they_had():
    chance = build("methods", "class_balance").sampler(index_of([0, 0, 0, 1, -1, -1]))
    assert chance == pytest.approx([1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 6, 1 / 6])


def test_rows_of_one_case_do_not_make_its_class_common():
    """Case 0 has four patches a draw can take, case 1 one: class 0 is no likelier for it."""
    index = index_of([0, 1], case=[0, 0, 0, 0, 1], share=[0.2] * 5)
    assert build("methods", "class_balance").sampler(index) == pytest.approx([0.125] * 4 + [0.5])


def test_shares_within_a_class_are_kept():
    index = index_of([0, 0, 1], share=[0.6, 0.2, 0.2])
    assert build("methods", "class_balance").sampler(index) == pytest.approx([0.375, 0.125, 0.5])


@pytest.mark.parametrize(("beta", "expected"), [(0.0, [0.9, 0.09, 0.01]), (1 - 1e-9, [1 / 3, 1 / 3, 1 / 3])])
def test_effective_number_goes_from_as_it_is_to_balanced(beta, expected):
    chance = build("methods", {"class_balance": {"beta": beta}}).sampler(index_of([0] * 90 + [1] * 9 + [2]))
    assert [chance[:90].sum(), chance[90:99].sum(), chance[99]] == pytest.approx(expected, abs=1e-4)


def test_a_class_that_nobody_has_is_no_matter():
    chance = build("methods", "class_balance").sampler(index_of([0, 2, 2]))
    assert chance == pytest.approx([0.5, 0.25, 0.25])


@pytest.mark.parametrize("target", [[0.5, 1.5], [[0, 1], [1, 0]]])
def test_what_has_no_class_can_not_be_balanced(target):
    with pytest.raises(RecipeError, match="class_balance"):
        build("methods", "class_balance").sampler(index_of(target, case=[0, 1]))
    with pytest.raises(RecipeError, match="'z'"):
        build("methods", {"class_balance": {"by": "z"}}).sampler(index_of([0, 1]))


# ---------------------------------------------------------------- moving average


def _trained(steps, decay):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    method = build("methods", {"ema": {"decay": decay}})
    method.setup(network, None)
    states = []
    for _ in range(steps):
        step = step_of(network, torch.randn(4, 3), {}, watch="0")
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.1
        method.after_step(step)
        states.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
    return network, method, states


def test_the_average_is_that_of_the_formula():
    network, method, states = _trained(30, decay=0.8)
    torch.manual_seed(0)
    expected = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).state_dict()["0.weight"].clone()
    for number, state in enumerate(states, start=1):
        decay = min(0.8, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * state["0.weight"]
    assert torch.allclose(method.weights(network)["0.weight"], expected, atol=1e-6)
    assert int(method.weights(network)["1.num_batches_tracked"]) == 30


def test_without_decay_it_follows_the_weights():
    network, method, _ = _trained(5, decay=0.0)
    assert all(torch.equal(method.weights(network)[name], tensor) for name, tensor in network.state_dict().items())
    network.load_state_dict(method.weights(network))


# ---------------------------------------------------------------- hidden views


def _batch(present):
    there = {view: torch.tensor(row) for view, row in present.items()}
    number = len(next(iter(there.values())))
    return Batch({}, there, {}, torch.arange(number), ["a"] * number)


def test_every_non_empty_subset_of_what_is_there_comes_up_alike():
    method = build("methods", "hide_views")
    method.generator = torch.Generator().manual_seed(0)
    number = 7000
    shown = method.on_batch(_batch({view: [True] * number for view in "abc"})).present
    codes = sum(shown[view].long() << place for place, view in enumerate("abc"))
    counts = torch.bincount(codes, minlength=8)
    assert counts[0] == 0
    assert ((counts[1:] > 850) & (counts[1:] < 1150)).all()


def test_what_is_missing_stays_missing_and_the_last_view_is_never_hidden():
    method = build("methods", "hide_views")
    method.generator = torch.Generator().manual_seed(0)
    before = _batch({"a": [True] * 500 + [False] * 2, "b": [False] * 501 + [True]})
    after = method.on_batch(before)
    assert torch.equal(after.present["a"], before.present["a"])
    assert torch.equal(after.present["b"], before.present["b"])
    assert before.present["a"][:500].all()


def test_no_chance_hides_nothing():
    method = build("methods", {"hide_views": {"chance": 0.0}})
    batch = _batch({"a": [True] * 50, "b": [True] * 50})
    assert all(torch.equal(method.on_batch(batch).present[view], batch.present[view]) for view in "ab")


# ---------------------------------------------------------------- auxiliary outputs


def test_coarser_answers_weigh_half_each_time():
    method = plugin("methods", "auxiliary_outputs").example()
    outputs = {"answer": 1.0, "deep_1": 2.0, "deep_2": 3.0, "edge": 5.0}
    step = step_of(
        nn.Identity(),
        torch.zeros(2, 1),
        {},
        counts={"dice": torch.tensor([1.0, 0.0])},
        loss_of=lambda output: output.expand(2),
    )
    object.__setattr__(step, "outputs", {name: torch.tensor(value) for name, value in outputs.items()})
    assert method.penalty(step).item() == pytest.approx(0.5 * 2 + 0.25 * 3 + 0.3 * 5)


def test_a_batch_without_labels_has_no_auxiliary_loss():
    method = plugin("methods", "auxiliary_outputs").example()
    step = step_of(
        nn.Identity(), torch.zeros(2, 1), {}, counts={"ce": torch.zeros(2)}, loss_of=lambda o: torch.zeros(2)
    )
    object.__setattr__(step, "outputs", {"answer": torch.zeros(2, 2), "edge": torch.zeros(2, 2)})
    assert method.penalty(step).item() == 0


# ---------------------------------------------------------------- groups


def test_fewer_than_two_groups_are_refused_with_the_fields_there_are():
    network = Numbers(nn.Linear(4, 3), nn.Linear(3, 2))
    for name in ("gradient_reversal", "demographic_parity", "group_dro"):
        parameters = FIELDS[name]
        method = build("methods", {name: {**parameters, "field": "scanner"}}, inputs=Inputs(("image",), 4, 2, ()))
        with pytest.raises(RecipeError, match="0 groups") as caught:
            method.setup(network, cohort_of("site", ["A", "B"]))
        assert "site" in caught.value.problem.remedy


def test_numbers_name_groups_as_text_does():
    from preceptor.learn.groups import group_index, group_names

    cohort = cohort_of("site", [1, 2.0, float("nan"), None, "3"])
    assert group_names(cohort, "site", "x") == ("1", "2", "3")
    batch = _batch({"a": [True] * 3})
    for values in (torch.tensor([2.0, float("nan"), 1.0]), [2, None, "1"]):
        batch.fields = {"site": values}
        assert group_index(batch, "site", ("1", "2", "3")).tolist() == [1, -1, 0]


def test_a_layer_that_is_not_there_is_named():
    method = build("methods", {"gradient_reversal": {"field": "site"}}, inputs=Inputs(("image",), 4, 2, ()))
    with pytest.raises(RecipeError, match="pooled") as caught:
        method.setup(Numbers(nn.Linear(4, 3), nn.Linear(3, 2)), cohort_of("site", ["A", "B"]))
    assert "features, answer" in caught.value.problem.expected


@pytest.mark.parametrize("name", ["cnn", "resnet", "densenet121", "hemis", "dual_net"])
def test_every_classifier_has_the_layer_that_reversal_reads(name):
    torch.manual_seed(0)
    network = plugin("networks", name).example()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    modes = {key: module.training for key, module in network.named_modules()}
    drawn = torch.get_rng_state()
    method = build("methods", {"gradient_reversal": {"field": "site"}}, inputs=network.inputs)
    method.generator = torch.Generator().manual_seed(1)
    method.setup(network, cohort_of("site", ["A", "B"]))
    assert method.domain_head[0].in_features > 0
    # Looking at the layer left no trace: no statistics moved, no random number was drawn, no mode changed.
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert modes == {key: module.training for key, module in network.named_modules()}
    assert torch.equal(drawn, torch.get_rng_state())


# ---------------------------------------------------------------- transfer


class Classifier(nn.Module):
    """A body and a head that is called neither `head` nor anything else telling."""

    def __init__(self, channels=1, width=2):
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4, width)

    def forward(self, image):
        return self.last(self.norm(self.stem(image)).mean((2, 3)))


def _weights(folder, network, name="source.safetensors"):
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, folder / name)
    return name


def _transfer(folder, **parameters):
    return build("methods", {"transfer": parameters}, root=folder)


def test_the_body_is_loaded_and_the_head_begins_anew(tmp_path):
    source, network = Classifier(width=5), Classifier()
    head = network.last.weight.clone()
    _transfer(tmp_path, weights=_weights(tmp_path, source)).setup(network, None)
    assert torch.equal(network.stem.weight, source.stem.weight)
    assert torch.equal(network.last.weight, head)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("given", "wanted"), [(3, 1), (1, 3)])
def test_a_first_layer_for_other_channels_keeps_the_answer_to_grey_images(tmp_path, given, wanted):
    source, network = Classifier(given).eval(), Classifier(wanted).eval()
    _transfer(tmp_path, weights=_weights(tmp_path, source)).setup(network, None)
    network.last.load_state_dict(source.last.state_dict())
    image = torch.randn(2, 1, 8, 8)
    left, right = (net(image.expand(-1, n, -1, -1)) for net, n in ((source, given), (network, wanted)))
    assert torch.allclose(left, right, atol=1e-5)


def test_weights_that_preceptor_wrote_are_read_too(tmp_path):
    source, network = Classifier(), Classifier()
    fit = tmp_path / "runs" / "one" / "fits" / "0"
    fit.mkdir(parents=True)
    checkpoint.save_weights(fit / "best", source, {"epoch": 1})
    for place in ("runs/one", "runs/one/fits/0", "runs/one/fits/0/best.safetensors"):
        network = Classifier()
        _transfer(tmp_path, weights=place).setup(network, None)
        assert torch.equal(network.stem.weight, source.stem.weight)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    name = _weights(tmp_path, nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(RecipeError, match=r"stem.weight \(absent, wanted 4x1x3x3\)"):
        _transfer(tmp_path, weights=name).setup(Classifier(), None)
    with pytest.raises(RecipeError, match="no weights"):
        _transfer(tmp_path, weights="elsewhere").setup(Classifier(), None)


def test_a_damaged_file_of_weights_is_an_error_of_ours(tmp_path):
    name = _weights(tmp_path, Classifier())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-7])
    with pytest.raises(BundleError):
        _transfer(tmp_path, weights=name).setup(Classifier(), None)


def test_an_extractor_leaves_the_network_itself_in_training(tmp_path):
    """Only the body is in evaluation mode: what the network does in training alone (deep supervision) goes on."""
    network = build(
        "networks",
        {"unet": {"channels": [2, 2, 2], "deep_supervision": True, "norm": "batch"}},
        inputs=Inputs(("image",), 1, 2, (16, 16)),
        width=2,
    )
    name = _weights(tmp_path, network)
    _transfer(tmp_path, weights=name, mode="extractor").setup(network, None)
    assert "deep_1" in network(torch.randn(1, 1, 16, 16))
    assert not network.encoder[0].training
    assert network.heads.training
    assert {key.split(".")[0] for key, p in network.named_parameters() if p.requires_grad} == {"heads"}


# ---------------------------------------------------------------- good enough


@pytest.mark.parametrize(
    ("higher", "scores", "goes_on"),
    [(True, [None, 0.89, 0.9], [True, True, False]), (False, [None, 0.91, 0.9, 0.2], [True, True, False, False])],
)
def test_a_training_ends_once_its_score_is_as_good_as_asked(higher, scores, goes_on):
    method = build("methods", {"good_enough": {"score": 0.9}})
    ends = [EpochEnd(epoch, score, higher, score, {}) for epoch, score in enumerate(scores)]
    assert [method.after_epoch(end) is None for end in ends] == goes_on
    assert method.after_epoch(ends[-1]).stop


def test_without_tune_cases_there_is_no_score_to_be_good_enough():
    with pytest.raises(RecipeError) as caught:
        build("methods", {"good_enough": {"score": 0.9}}).setup(nn.Linear(1, 1), cohort_of("site", ["A"], ["train"]))
    assert caught.value.problem.code == "good_enough_blind"
