"""Explanations held against checks that can fail: a network that looks at one corner, and maps that know nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs
from preceptor.learn.model import Model
from preceptor.learn.window import Window
from preceptor.maths.map_checks import concentration, edges, energy_inside, points_at, rank_similarity
from preceptor.prove.explaining import trusting
from preceptor.prove.explaining.attributing import gradients
from preceptor.prove.explaining.explain import BoundNetwork, batch_of, explain_cases
from preceptor.prove.explaining.explanation import Explanation
from preceptor.prove.explaining.randomising import layers_from_the_top, randomised
from preceptor.prove.explaining.trust import Check, Trust, TrustReport
from preceptor.prove.explaining.trusting import trust_of
from preceptor.prove.report.explained_cases import explained_cases
from preceptor.prove.report.trust_section import trust_section

SIDE = 16


class Spot(nn.Module):
    """Answers by how bright a spot is: three convolutions and a mean."""

    last_features = "body.4"

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        layers = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(6, 6, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(6, 2)

    def forward(self, image):
        return self.head(self.body(image).mean((2, 3)))


def trained(seed: int = 0) -> nn.Module:
    network = Spot(seed)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(120):
        images = 0.3 * torch.randn(32, 1, SIDE, SIDE, generator=generator)
        labels = torch.arange(32) % 2
        images[labels == 1, :, 4:8, 9:13] += 2
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def model_of(*networks: nn.Module) -> Model:
    inputs = Inputs(("view",), 1, 2, (SIDE, SIDE))
    question = Question("classification", "disease", ("clear", "spot"))
    return Model(networks, inputs, question, lambda out: Decoded(out.softmax(1)), Window(inputs.patch, 0.5, 4))


def sample(number: int) -> Sample:
    rng = np.random.default_rng(number)
    pixels, mask = 0.3 * rng.normal(size=(1, SIDE, SIDE)), np.zeros((1, SIDE, SIDE), np.int8)
    pixels[:, 4:8, 9:13] += 2
    mask[:, 4:8, 9:13] = 1
    pixels = pixels.astype(np.float32)
    return Sample(f"case-{number}", {"view": Image(pixels, np.eye(4))}, {"spot": Image(mask, np.eye(4), is_label=True)})


@pytest.fixture(scope="module")
def network():
    return trained()


@pytest.fixture(scope="module")
def report(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explanations")
    samples = [sample(number) for number in range(3)]
    found = trust_of(
        model_of(network, trained(1)), samples, ["gradient", "integrated_gradients", "feature_maps"], folder
    )
    return found, folder


def test_the_control_is_caught_and_sound_methods_change_with_the_layers(report):
    found, _ = report
    control = found["edges"]
    assert control.is_control and control.checks["layers"].value == pytest.approx(1) and "layers" in control.failed
    assert control.checks["edges"].passed is False and "caught it" in control.sentence
    for name in ("gradient", "integrated_gradients"):
        layers = found[name].checks["layers"]
        assert layers.numbers["all layers"] < 0.6
        # Three layers are few: whether the upper half alone is enough is the rule's to say, and it is held to it.
        assert layers.passed == (max(layers.numbers["the upper half"], layers.numbers["all layers"]) <= 0.6)
        assert found[name].checks["region"].passed and found[name].checks["removal"].value > 0
        assert found[name].checks["region"].numbers["pointing"] > 0.5
    assert found["gradient"].checks["seeds"].value == found["gradient"].checks["seeds"].value  # there are two networks
    assert found.seconds > 0 and found.cases == ("case-0", "case-1", "case-2") and "first network" in found.notes[0]


def test_what_is_written_is_read_again(report):
    found, folder = report
    again = TrustReport.read(folder / "trust.json")
    assert again["gradient"].checks["layers"] == found["gradient"].checks["layers"]
    assert again.failing == found.failing and again["edges"].sentence == found["edges"].sentence
    assert np.isnan(again["gradient"].checks["right_and_wrong"].value)


def test_a_network_trained_on_shuffled_labels_is_compared(network):
    found = trust_of(model_of(network), [sample(0)], ["gradient"], shuffled=network)
    assert found["gradient"].checks["labels"].passed is False  # the very same network: maps are alike
    assert found["gradient"].failed == ("labels",) or "labels" in found["gradient"].failed
    assert "never read it alone" in found["gradient"].sentence
    assert found["gradient"].checks["seeds"].passed is None


def test_right_and_wrong_answers_need_three_of_each(network):
    samples = [sample(number) for number in range(6)]
    right = [True, True, True, False, False, False]
    found = trust_of(model_of(network), samples, ["gradient"], right=right)["gradient"].checks["right_and_wrong"]
    assert 0 <= found.value <= 1 and found.passed is None and "3 wrong, 3 right" in found.sentence
    few = trust_of(model_of(network), samples[:3], ["gradient"], right=right[:3])["gradient"].checks["right_and_wrong"]
    assert np.isnan(few.value) and "Too few" in few.sentence


def test_a_slow_explainer_is_checked_on_fewer_cases_without_what_needs_many_maps_and_says_so(network):
    found = trust_of(model_of(network), [sample(0), sample(1)], ["gradient"], seconds=1e-9)
    trust = found["gradient"]
    assert trust.cases == 1 and any("gradient takes long" in note for note in found.notes)
    assert trust.checks["layers"].passed is None and "Not made" in trust.checks["layers"].sentence
    assert not np.isnan(trust.checks["edges"].value) and not trust.passed


def test_layers_are_made_anew_from_the_top_and_the_network_is_left_alone(network):
    batch = batch_of(sample(0), model_of(network).inputs)
    layers = layers_from_the_top(BoundNetwork(network, batch), batch)
    assert layers == [["head"], ["body.4"], ["body.2"], ["body.0"]]
    before = network.head.weight.clone()
    made = randomised(network, layers[:2], seed=3)
    assert torch.equal(network.head.weight, before) and not torch.equal(made.head.weight, before)
    assert torch.equal(made.body[0].weight, network.body[0].weight)
    assert not torch.equal(made.body[4].weight, network.body[4].weight)
    assert torch.equal(randomised(network, layers, 3).head.weight, randomised(network, layers, 3).head.weight)


def test_scores_of_a_map():
    region = np.zeros((9, 9), bool)
    region[2:4, 2:4] = True
    found = np.zeros((9, 9))
    found[2, 3], found[8, 8] = -3, 1
    assert points_at(found, region, 0) and energy_inside(found, region) == 0.75
    assert not points_at(np.roll(found, 4, 0), region) and points_at(np.roll(found, -1, 0), region, 1)
    assert rank_similarity(found, -found) == pytest.approx(1) and np.isnan(rank_similarity(found, np.ones((9, 9))))
    assert concentration(np.ones(50)) == pytest.approx(0, abs=1e-9) and concentration(np.eye(1, 50)) > 0.97
    step = np.zeros((1, 6, 6))
    step[:, 3:] = 1
    assert (edges(step)[2:4] == 8 / 2).all() and (edges(step)[:2] == 0).all()


def test_the_section_puts_the_control_last_and_warns(report):
    section = trust_section(report[0])
    assert [row.explainer for row in section.rows][-1] == "edges" and section.rows[-1].is_control
    row = next(row for row in section.rows if row.explainer == "gradient")
    assert {cell.check for cell in row.cells} >= {"layers", "region", "removal", "noise"}
    assert "Spearman" in section.how and section.seconds == report[0].seconds


def test_maps_of_a_method_that_failed_are_labelled_and_never_alone(network, tmp_path):
    explain_cases(model_of(network), [sample(0)], ["gradient"], tmp_path)
    explanations = [Explanation.read(tmp_path / "000.npz")]
    bad = Trust("gradient", {"layers": Check("layers", 0.9, False, "The maps stay 0.90 alike.")}, 1, 0.1)
    plain = explained_cases(explanations)[0].views[0][1]
    warned = explained_cases(explanations, TrustReport({"gradient": bad}, ("case-0",), 1.0))[0].views[0][1]
    assert [figure["title"] for figure in plain] == ["Image", "Gradient"]
    assert [figure["title"] for figure in warned] == [
        "Image",
        "Gradient (failed its checks)",
        "Edges of the image (control)",
    ]


def test_gradients_of_a_score_without_a_graph_are_zero():
    images = {"view": torch.ones(1, 1, 2, 2)}
    found = gradients(lambda given: {"answer": torch.ones(1, 1)}, images, lambda out: out["answer"][:, 0])
    assert (found["view"] == 0).all()


def test_further_controls_are_checked_and_named_as_such():
    def nothing(model, batch, target):
        return {view: torch.ones_like(image[:, 0]).cumsum(1) for view, image in batch.images.items()}

    report = trust_of(model_of(Spot()), [sample(0), sample(1)], ["gradient"], controls={"ramp": nothing})
    assert report["ramp"].is_control and report["edges"].is_control and not report["gradient"].is_control
    assert "layers" in report["ramp"].failed and report["ramp"].sentence.endswith("caught it.")
    assert "ramp" not in report.failing
    section = trust_section(report)
    assert [row.title for row in section.rows if row.is_control] == ["Ramp (control)", "Edge detector (control)"]


class Sides(nn.Module):
    """Marks what is bright as one structure and what is dark as another, each from its own pixels alone."""

    last_features = "scale"

    def __init__(self):
        super().__init__()
        self.scale = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.scale.weight)

    def forward(self, image):
        pixels = self.scale(image)
        return torch.cat([torch.ones_like(pixels), 2 * pixels, -2 * pixels], 1)


def test_every_structure_of_a_segmentation_is_explained_by_itself(tmp_path):
    pixels = np.zeros((1, SIDE, SIDE), np.float32)
    pixels[:, 2:5, 2:5], pixels[:, 9:13, 9:13] = 2, -2
    question = Question("segmentation", "mask", ("background", "bright", "dark"), dense=True, values=(0, 1, 2))
    inputs = Inputs(("view",), 1, 2, (SIDE, SIDE))
    window = Window(inputs.patch, 0.5, 4)
    model = Model((Sides(),), inputs, question, lambda out: Decoded(out.softmax(1)), window)
    explain_cases(model, [Sample("a", {"view": Image(pixels, np.eye(4))})], ["gradient"], tmp_path)
    found = [Explanation.read(path) for path in sorted(tmp_path.glob("*.npz"))]
    assert [each.target.split(" as ")[1] for each in found] == ["bright", "dark"]
    for each, structure in zip(found, (pixels[0] > 0, pixels[0] < 0), strict=True):
        there = each.maps["gradient"]["view"]
        assert (there[structure] != 0).all() and (there[~structure] == 0).all()
    alone = Sample("b", {"view": Image(np.maximum(pixels, 0), np.eye(4))})
    explain_cases(model, [alone], ["gradient"], tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["000.npz"], "one structure, one map, as ever"


@pytest.mark.parametrize(
    ("better", "of", "passed"), [(5, 5, True), (4, 4, None), (5, 6, None), (7, 8, True), (3, 6, False), (0, 5, False)]
)
def test_removal_passes_only_what_chance_does_not(monkeypatch, better, of, passed):
    gains = iter([1.0] * better + [-0.1] * (of - better))
    monkeypatch.setattr(trusting, "_removal", lambda *_: next(gains))
    cases = [SimpleNamespace(random_removal=[0.0, 0.0])] * of
    check = trusting._removal_check(None, cases, [{}] * of)
    assert check.passed is passed
    assert ("not judged" in check.sentence) == (passed is None)
    assert f"{better} of {of} cases" in check.sentence


def checks_of(explainer, *networks):
    """The checks of a map that was thought out, on two cases."""
    report = trust_of(model_of(*networks), [sample(0), sample(1)], [], controls={"made": explainer})
    return report["made"].checks


def pattern(number: float) -> torch.Tensor:
    return torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(int(number)))


def weights_of(part: nn.Module) -> float:
    return abs(1e6 * sum(float(each.detach().double().sum()) for each in part.parameters()))


@pytest.mark.parametrize(("steepness", "holds"), [(1, True), (1000, False)])
def test_noise_is_of_a_twentieth_of_the_images_spread(steepness, holds):
    """A map that swings once over a hundredth of it does not hold, one that follows the image does."""
    found = checks_of(lambda model, batch, target: {"view": torch.sin(steepness * batch.images["view"][:, 0])}, Spot())
    assert found["noise"].passed is holds


def test_maps_are_compared_with_those_of_another_training():
    own = checks_of(lambda model, batch, target: {"view": pattern(weights_of(model.network))}, Spot(0), Spot(1))
    assert own["seeds"].passed is False and own["seeds"].value < 0.3
    same = checks_of(lambda model, batch, target: {"view": pattern(7)}, Spot(0), Spot(1))
    assert same["seeds"].passed and same["seeds"].value == pytest.approx(1)


def test_a_map_that_comes_back_when_all_is_random_fails():
    network = Spot()
    first, whole = weights_of(network.body[0]), weights_of(network)

    def explainer(model, batch, target):
        now = weights_of(model.network)
        return {"view": pattern(7 if now == whole or weights_of(model.network.body[0]) != first else now)}

    layers = checks_of(explainer, network)["layers"]
    assert layers.numbers["the upper half"] < 0.6 < layers.value == pytest.approx(1) and layers.passed is False
    assert layers.sentence.startswith("With all layers")


@pytest.mark.parametrize(("inside", "passed"), [(5.0, True), (0.0, False)])
def test_a_map_lies_in_the_region_or_beside_it(inside, passed):
    marked = torch.from_numpy(sample(0).masks["spot"].array).float()
    found = checks_of(lambda model, batch, target: {"view": 1 + inside * marked}, Spot())["region"]
    assert found.passed is passed and found.numbers["even share"] == pytest.approx(16 / 256)
    assert found.value == pytest.approx(16 * (1 + inside) / (256 + 16 * inside), abs=1e-3)


@pytest.mark.parametrize(("by_edges", "by_map", "passed"), [(9, 5, False), (0, 0.3, False), (0, 5, True)])
def test_a_map_lies_in_the_region_more_than_edges_and_clearly_more_than_an_even_one(
    monkeypatch, by_edges, by_map, passed
):
    marked = sample(0).masks["spot"].array[0].astype(np.float32)
    monkeypatch.setattr(trusting, "edges", lambda channels: 1 + by_edges * marked)
    found = checks_of(lambda *_: {"view": torch.from_numpy(1 + by_map * marked)[None]}, Spot())["region"]
    assert found.value > found.numbers["even share"] and found.passed is passed
