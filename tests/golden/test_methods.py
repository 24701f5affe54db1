"""Known answers of the methods: reversal, right reasons, parity, transfer, early stopping."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from preceptor.core.batch import EpochEnd
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build
from preceptor.maths import adaptation, fairness
from preceptor.maths.stopping import progress_of

from .seeds import seeds
from .stepping import Numbers, cohort_of, step_of


def tensor(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def close(found, expected, tolerance=1e-6):
    assert torch.allclose(found.detach().double(), tensor(expected), rtol=0, atol=tolerance), found


# ---------------------------------------------------------------- L6.1 gradient reversal


@pytest.mark.answer("L6.1")
def test_reversed_on_the_way_back_alone():
    features = tensor([1.0, 2.0, -1.0], requires_grad=True)
    reversed_ = adaptation.reverse_gradient(features, 0.7)
    assert torch.equal(reversed_, features)
    (reversed_**2).sum().backward()
    assert torch.equal(features.grad, tensor([-1.4, -2.8, 1.4]))


@pytest.mark.answer("L6.1")
def test_schedules():
    found = [adaptation.reversal_strength(p) for p in (0, 0.1, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([0, 0.462117157, 0.848283640, 0.986614298, 0.998894443, 0.999909204], abs=1e-9)
    assert adaptation.annealed_rate(0.01, 0.5) == pytest.approx(0.002608474, abs=1e-9)


@pytest.mark.answer("L6.1")
def test_the_domain_head_itself_is_not_reversed():
    w, v = tensor(0.5, requires_grad=True), tensor(-1.2, requires_grad=True)
    logit = v * adaptation.reverse_gradient(w * 2.0, adaptation.reversal_strength(0.1))
    loss = functional.binary_cross_entropy_with_logits(logit, tensor(1.0))
    loss.backward()
    assert loss.item() == pytest.approx(1.463282467, abs=1e-6)
    assert w.grad.item() == pytest.approx(-0.852356371, abs=1e-6)
    assert v.grad.item() == pytest.approx(-0.768524783, abs=1e-6)


@pytest.mark.answer("L6.1")
def test_the_method_reverses_by_its_schedule_and_leaves_its_head_alone():
    """Its gradients are those of a plain domain classifier, but for -lambda in what lies before the head."""
    torch.manual_seed(0)
    network = Numbers(nn.Linear(4, 3), nn.Linear(3, 2))
    method = build(
        "methods", {"gradient_reversal": {"field": "site", "layer": "features"}}, inputs=Inputs(("image",), 4, 2, ())
    )
    method.setup(network, cohort_of("site", ["A", "B"]))
    image, sites = torch.randn(6, 4), ["A", "B", "B", None, "A", "A"]
    penalty = method.penalty(step_of(network, image, {}, fields={"site": sites}, progress=0.1))
    reversed_ = torch.autograd.grad(penalty, [network.features.weight, *method.parameters()])
    known = torch.tensor([0, 1, 2, 4, 5])
    logits = method.domain_head(network.features(image[known]))
    plain = functional.cross_entropy(logits, torch.tensor([0, 1, 1, 0, 0]))
    expected = torch.autograd.grad(plain, [network.features.weight, *method.parameters()])
    assert penalty.item() == pytest.approx(plain.item(), abs=1e-6)
    assert torch.allclose(reversed_[0], -0.462117157 * expected[0], atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(reversed_[1:], expected[1:], strict=True))


def _domains(seed, number=1000):
    """Ten numbers: two tell in both domains, one is a shortcut of the source, two say which domain it is."""
    rng = np.random.default_rng(seed)

    def draw(target):
        truth = rng.integers(0, 2, number)
        sign = 2.0 * truth - 1
        features = rng.normal(size=(number, 10))
        features[:, :2] += 1.2 * sign[:, None]
        if target:
            features[:, 2] += 4
            features[:, 3] += 3
        else:
            features[:, 2] += 2 * sign
        return torch.tensor(features, dtype=torch.float32), torch.tensor(truth)

    return draw(False), draw(True), draw(True)


def _adapt(seed, adversarial, epochs=40):
    (source, labels), (target, _), (fresh, truth) = _domains(seed)
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
    network = Numbers(body, nn.Linear(16, 2))
    method = build(
        "methods", {"gradient_reversal": {"field": "site", "layer": "features"}}, inputs=Inputs(("image",), 10, 2, ())
    )
    method.generator = torch.Generator().manual_seed(seed)
    method.setup(network, cohort_of("site", ["source", "target"], ["train", "adapt"]))
    optimizer = torch.optim.Adam([*network.parameters(), *method.parameters()], lr=1e-3)
    sites = ["source"] * 50 + ["target"] * 50
    for epoch in range(epochs):
        left, right = torch.randperm(1000).split(50), torch.randperm(1000).split(50)
        for part, (rows, others) in enumerate(zip(left, right, strict=True)):
            progress = (epoch + part / 20) / epochs
            step = step_of(
                network, torch.cat([source[rows], target[others]]), {}, fields={"site": sites}, progress=progress
            )
            loss = functional.cross_entropy(step.outputs["answer"][:50], labels[rows])
            if adversarial:
                loss = loss + method.penalty(step)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        accuracy = (network(fresh).argmax(1) == truth).float().mean().item()
        features = torch.cat([body(source), body(target)])
    domain = torch.arange(2).repeat_interleave(1000)
    return accuracy, adaptation.fresh_probe_accuracy(features, domain, seed)


@pytest.mark.answer("L6.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_adapted_without_target_labels_and_still_not_free_of_the_domain(seed):
    assert _adapt(seed, adversarial=False)[0] <= 0.62
    accuracy, probe = _adapt(seed, adversarial=True)
    assert accuracy >= 0.85
    assert probe >= 0.80


# ---------------------------------------------------------------- L7.1 right for the right reasons

WEIGHTS = [[1.0, -1.0, 0.5], [0.0, 2.0, -0.5], [0.5, 0.5, 1.0]]
IMAGES, FORBIDDEN = [[1.0, 2.0, -1.0], [0.5, -0.5, 2.0]], [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]


def _linear():
    layer = nn.Linear(3, 3, bias=False).double()
    layer.weight.data = tensor(WEIGHTS)
    return nn.Sequential(nn.Flatten(), layer)


def _right_reasons(network, images, forbidden, **parameters):
    method = build("methods", {"right_reasons": parameters})
    targets = {"label": torch.tensor([1, 2])[: len(images)]}
    step = step_of(network, tensor(images)[:, None], targets, masks={"forbidden": tensor(forbidden)}, methods=[method])
    return method.penalty(step), step


@pytest.mark.answer("L7.1")
def test_gradients_of_a_linear_answer():
    from preceptor.maths import explanation_penalties as penalties

    network = _linear()
    image = tensor(IMAGES, requires_grad=True)
    score = penalties.sum_of_log_probabilities(network(image))
    (gradient,) = torch.autograd.grad(score.sum(), image)
    close(gradient, [[1.465801424, -4.397404271, 2.411973819], [-0.729581892, 2.188745675, -1.215969819]])
    close(penalties.right_reasons(gradient[:, None], tensor(FORBIDDEN)), [25.154782029, 0.532289737])
    close(functional.cross_entropy(network(image), torch.tensor([1, 2])), 0.361422230)


@pytest.mark.answer("L7.1")
def test_the_penalty_has_a_gradient_of_its_own():
    network = _linear()
    penalty, _ = _right_reasons(network, IMAGES, FORBIDDEN)
    assert penalty.item() == pytest.approx(12.843535883, abs=1e-6)
    (gradient,) = torch.autograd.grad(2 * penalty, network[1].weight)
    close(gradient[0], [0.764087039, -9.457479103, 6.126894772])


@pytest.mark.answer("L7.1")
def test_a_mask_of_what_is_allowed_is_the_other_way_round():
    forbidden, _ = _right_reasons(_linear(), IMAGES, FORBIDDEN)
    allowed, _ = _right_reasons(_linear(), IMAGES, [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], marks="allowed")
    assert allowed.item() == pytest.approx(forbidden.item(), abs=1e-12)


@pytest.mark.answer("L7.1")
@pytest.mark.parametrize("nothing", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("marks", ["forbidden", "allowed"])
def test_a_case_without_a_mask_contributes_nothing(nothing, marks):
    mask = FORBIDDEN[0] if marks == "forbidden" else [1.0, 0.0, 0.0]
    penalty, _ = _right_reasons(_linear(), IMAGES, [mask, [nothing] * 3], marks=marks)
    assert penalty.item() == pytest.approx(25.154782029 / 2, abs=1e-6)


def _decoys(seed):
    """Digits in the middle of a 12 x 12 image; two bright pixels above give the class away, in training only."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    first, second = train_test_split(
        np.arange(len(digits.target)), test_size=0.5, stratify=digits.target, random_state=seed
    )
    rng = np.random.default_rng(seed)
    sets = []
    for rows, told in ((first, digits.target[first]), (second, rng.permutation(digits.target[second]))):
        images = np.zeros((len(rows), 12, 12))
        images[:, 2:10, 2:10] = digits.images[rows] / 16
        for row in (0, 1):
            images[np.arange(len(rows)), row, 1 + told] = 1
        sets.append((torch.tensor(images, dtype=torch.float32)[:, None], torch.tensor(digits.target[rows])))
    return sets


@pytest.mark.answer("L7.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_a_decoy_no_longer_decides(seed):
    (images, labels), (fresh, truth) = _decoys(seed)
    forbidden = torch.ones(len(images), 12, 12)
    forbidden[:, 2:10, 2:10] = 0
    accuracy = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
        )
        method = build("methods", {"right_reasons": {"weight": weight}})
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        for _ in range(60):
            for rows in torch.randperm(len(images)).split(64):
                masks = {"forbidden": forbidden[rows]}
                step = step_of(network, images[rows], {"label": labels[rows]}, masks=masks, methods=[method])
                loss = functional.cross_entropy(step.outputs["answer"], labels[rows])
                optimizer.zero_grad()
                (loss + method.penalty(step) if weight else loss).backward()
                optimizer.step()
        accuracy[weight] = (network(fresh).argmax(1) == truth).float().mean().item()
    assert accuracy[0.0] <= 0.40
    assert accuracy[1.0] >= 0.90


# ---------------------------------------------------------------- L8.1 fairness

PROBABILITY = [0.9, 0.7, 0.4, 0.2, 0.8, 0.3, 0.55, 0.6, 0.1, 0.45]
TRUTH = torch.tensor([1, 1, 0, 0, 1, 1, 0, 1, 1, 0])
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])


@pytest.mark.answer("L8.1")
def test_sum_over_groups_of_squared_distances():
    assert fairness.demographic_parity(tensor([0.5, 0.1, 0.9]), torch.arange(3)).item() == pytest.approx(0.32, abs=1e-9)


@pytest.mark.answer("L8.1")
def test_three_criteria():
    probability = tensor(PROBABILITY, requires_grad=True)
    assert fairness.demographic_parity(probability, GROUP).item() == pytest.approx(0.018611111, abs=1e-9)
    opportunity = fairness.equal_opportunity(probability, GROUP, TRUTH)
    assert opportunity.item() == pytest.approx(0.101666667, abs=1e-9)
    opportunity.backward()
    expected = [0.233333, 0.233333, 0, 0, -0.016667, -0.016667, 0, -0.216667, -0.216667, 0]
    close(probability.grad, expected)
    assert fairness.equalised_odds(probability, GROUP, TRUTH).item() == pytest.approx(0.136666667, abs=1e-9)


@pytest.mark.answer("L8.1")
def test_the_gradient_flows_through_the_mean_of_all_too():
    """Seen where groups differ in size: with equal sizes that part of the gradient is zero."""
    probability = tensor(PROBABILITY, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: fairness.demographic_parity(p, GROUP), probability)


@pytest.mark.answer("L8.1")
@pytest.mark.parametrize(
    ("threshold", "selection", "gap", "ratio", "true_positive", "false_positive"),
    [
        (0.5, [0.5, 0.666667, 0.333333], 0.333333, 0.5, [1, 0.5, 0.5], [0, 1, 0]),
        (0.35, [0.75, 0.666667, 0.666667], 0.083333, 0.888889, [1, 0.5, 0.5], [0.5, 1, 1]),
    ],
)
def test_gaps_of_thresholded_answers(threshold, selection, gap, ratio, true_positive, false_positive):
    positive = tensor(PROBABILITY) >= threshold
    rates = fairness.rates_by_group(positive, GROUP)
    close(rates, selection)
    assert fairness.gap_and_ratio(rates) == pytest.approx((gap, ratio), abs=1e-6)
    close(fairness.rates_by_group(positive, GROUP, TRUTH == 1), true_positive)
    close(fairness.rates_by_group(positive, GROUP, TRUTH == 0), false_positive)


@pytest.mark.answer("L8.1")
def test_the_method_asks_for_parity_of_the_positive_class_among_known_groups():
    network = nn.Sequential(nn.Flatten(), nn.Identity())
    logit = torch.logit(tensor([*PROBABILITY, 0.99]))
    image = torch.stack([torch.zeros_like(logit), logit], 1)
    method = build("methods", {"demographic_parity": {"field": "ward", "weight": 2.0}})
    method.setup(network, cohort_of("ward", ["a", "b", "c"]))
    wards = [*("abc"[group] for group in GROUP), None]
    step = step_of(network, image, {"label": torch.tensor([*TRUTH, 1])}, fields={"ward": wards})
    assert method.penalty(step).item() == pytest.approx(2 * 0.018611111, abs=1e-6)


def _wards(seed, number):
    rng = np.random.default_rng(seed)
    group = rng.choice(3, number, p=[0.5, 0.3, 0.2])
    truth = (rng.random(number) < np.array([0.6, 0.4, 0.25])[group]).astype(int)
    features = rng.normal(size=(number, 8))
    features[:, 0] += 1.5 * (2 * truth - 1) * np.array([1, 0.8, 0.5])[group]
    features[:, 1] += np.array([1.0, 0.0, -1.0])[group]
    return torch.tensor(features, dtype=torch.float32), torch.tensor(truth), torch.tensor(group)


@pytest.mark.answer("L8.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_parity_narrows_the_gap_in_answers_and_widens_that_in_false_positives(seed):
    """The experiment of known answer L8.3, its part on demographic parity."""
    features, truth, group = _wards(seed, 4000)
    fresh, expected, wards = _wards(seed + 1000, 8000)
    found = {}
    for weight in (0.0, 5.0):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
        method = build("methods", {"demographic_parity": {"field": "ward", "weight": weight}})
        method.setup(network, cohort_of("ward", [0, 1, 2]))
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(600):
            rows = torch.randint(0, 4000, (256,))
            step = step_of(network, features[rows], {"label": truth[rows]}, fields={"ward": group[rows]})
            loss = functional.cross_entropy(step.outputs["answer"], truth[rows]) + method.penalty(step)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        positive = network(fresh).argmax(1) == 1
        found[weight] = (
            (positive == (expected == 1)).float().mean().item(),
            fairness.gap_and_ratio(fairness.rates_by_group(positive, wards))[0],
            fairness.gap_and_ratio(fairness.rates_by_group(positive, wards, expected == 0))[0],
        )
    (accuracy, selection, false_positive), (fair_accuracy, fair_selection, fair_false_positive) = found[0.0], found[5.0]
    assert fair_selection <= 0.6 * selection
    assert fair_accuracy >= accuracy - 0.05
    assert fair_false_positive > false_positive


# ---------------------------------------------------------------- L11.1 transfer


class Digits(nn.Module):
    """Two convolutions with batch norm, and a head."""

    head = "answer"

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(64 * 16, 64), nn.ReLU()),
        )
        self.answer = nn.Linear(64, 10)

    def forward(self, image):
        return self.answer(self.body(image))


def _digest(module):
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in module.state_dict().values())).hexdigest()


def _learn(network, images, labels, epochs, rate, batch=64):
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=rate)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
    return network


def _source_file(folder, network):
    from safetensors.torch import save_file

    path = folder / "source.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    return path


@pytest.mark.answer("L11.1")
def test_an_extractor_moves_neither_parameter_nor_buffer(tmp_path):
    torch.manual_seed(0)
    images, labels = torch.randn(40, 1, 8, 8), torch.randint(0, 10, (40,))
    path = _source_file(tmp_path, Digits())
    network = Digits().train()
    method = build("methods", {"transfer": {"weights": path.name, "mode": "extractor"}}, root=tmp_path)
    method.setup(network, cohort_of("site", ["A"]))
    before, head = _digest(network.body), _digest(network.answer)
    _learn(network, images, labels, 2, 1e-2)
    assert _digest(network.body) == before
    assert _digest(network.answer) != head
    # Left out of the optimizer but in training mode, its running statistics move.
    network.body.train()
    _learn(network, images, labels, 1, 1e-2)
    assert _digest(network.body) != before


@pytest.mark.answer("L11.1")
def test_two_stages_free_the_body_once_and_ask_for_a_new_optimizer(tmp_path):
    path = _source_file(tmp_path, Digits())
    network = Digits().train()
    spec = {"transfer": {"weights": path.name, "mode": "two_stage", "unfreeze_after": 2}}
    method = build("methods", spec, root=tmp_path)
    method.setup(network, cohort_of("site", ["A"]))
    said = []
    for epoch in range(4):
        frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
        assert bool(frozen) == (epoch < 2)
        assert all(name.startswith("body.") for name in frozen)
        assert network.body.training == (epoch >= 2)
        directive = method.after_epoch(EpochEnd(epoch, None, True, None, {}))
        said.append(directive is not None and directive.rebuild_optimizer)
    assert said == [False, True, False, False]


def _shifted(seed):
    from sklearn.datasets import load_digits

    digits = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    images, labels = digits.images[order] / 16, digits.target[order]
    moved = np.roll(images, 1, axis=2) * 0.8

    def noisy(pictures):
        return torch.tensor(pictures + 0.1 * rng.normal(size=pictures.shape), dtype=torch.float32)[:, None]

    pool = np.arange(900, 1200)
    few = np.concatenate([pool[labels[pool] == digit][:2] for digit in range(10)])
    target = torch.tensor(labels)
    return (
        (noisy(images[:900]), target[:900]),
        (noisy(moved[few]), target[few]),
        (noisy(moved[1200:]), target[1200:]),
    )


@pytest.mark.answer("L11.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_a_learnt_body_beats_a_random_one(tmp_path, seed):
    (images, labels), few, (fresh, truth) = _shifted(seed)

    def accuracy(network):
        network.eval()
        with torch.no_grad():
            return (network(fresh).argmax(1) == truth).float().mean().item()

    def transferred(mode, source, then):
        torch.manual_seed(seed + 1)
        network = Digits().train()
        spec = {"transfer": {"weights": source.name, "mode": mode, "unfreeze_after": 100}}
        method = build("methods", spec, root=source.parent)
        method.setup(network, cohort_of("site", ["A"]))
        _learn(network, *few, 100, 1e-2)
        if then:
            assert method.after_epoch(EpochEnd(99, None, True, None, {})).rebuild_optimizer
            _learn(network, *few, 50, 1e-4)
        return accuracy(network)

    torch.manual_seed(seed)
    (tmp_path / "random").mkdir()
    random = _source_file(tmp_path / "random", Digits())
    source = _source_file(tmp_path, _learn(Digits().train(), images, labels, 15, 1e-3))
    torch.manual_seed(seed + 1)
    scratch = accuracy(_learn(Digits().train(), *few, 50, 1e-3))
    assert transferred("extractor", source, False) >= transferred("extractor", random, False) + 0.10
    assert transferred("two_stage", source, True) >= scratch


# ---------------------------------------------------------------- L11.2 early stopping

SCORES = [0.90, 0.70, 0.60, 0.65, 0.64, 0.59, 0.62, 0.63, 0.61, 0.58]


@pytest.mark.answer("L11.2")
@pytest.mark.parametrize(
    ("patience", "least_gain", "last", "best"), [(2, 0.0, 4, 2), (3, 0.0, 8, 5), (4, 0.0, 9, 9), (3, 0.02, 5, 2)]
)
@pytest.mark.parametrize("higher_is_better", [False, True])
def test_stops_after_patience_epochs_without_gain(patience, least_gain, last, best, higher_is_better):
    scores = [-score if higher_is_better else score for score in SCORES]
    method = build("methods", {"early_stopping": {"patience": patience, "least_gain": least_gain}})
    epoch = 0
    for epoch, score in enumerate(scores):
        directive = method.after_epoch(EpochEnd(epoch, score, higher_is_better, None, {}))
        if directive is not None and directive.stop:
            break
        # Half-way through, the method is made anew from its state.
        again = build("methods", {"early_stopping": {"patience": patience, "least_gain": least_gain}})
        again.load_state_dict(method.state_dict())
        method = again
    assert epoch == last
    assert progress_of(scores[: last + 1], least_gain, higher_is_better).best == best


@pytest.mark.answer("L11.2")
def test_epochs_that_were_not_scored_do_not_count():
    method = build("methods", {"early_stopping": {"patience": 2}})
    said = [
        method.after_epoch(EpochEnd(epoch, score, False, None, {}))
        for epoch, score in enumerate([0.5, None, 0.6, None, None, 0.7])
    ]
    assert [directive is not None for directive in said] == [False, False, False, False, False, True]
