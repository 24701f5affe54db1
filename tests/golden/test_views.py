"""Known answers of several views, some of them missing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from preceptor.core.batch import Batch, Step
from preceptor.core.slots import build, plugin
from preceptor.learn.weighted_sum import WeightedSum
from preceptor.maths.fusion import concatenated, mean_and_variance

from .seeds import seeds

#: (view, batch, feature): three views of one case.
ROWS = torch.tensor([[[1.0, 2.0, 0.0]], [[3.0, 2.0, -1.0]], [[5.0, -1.0, 4.0]]], dtype=torch.float64)


def there(*views):
    return torch.tensor([[view in views] for view in range(3)])


@pytest.mark.answer("L5.1")
@pytest.mark.parametrize(
    ("views", "mean", "variance"),
    [
        ((0, 1, 2), [3.0, 1.0, 1.0], [4.0, 3.0, 7.0]),
        ((0, 2), [3.0, 0.5, 2.0], [8.0, 4.5, 8.0]),
        ((1,), [3.0, 2.0, -1.0], [0.0, 0.0, 0.0]),
    ],
)
def test_mean_and_unbiased_variance_over_what_is_there(views, mean, variance):
    found = mean_and_variance(ROWS, there(*views))
    assert found[0].tolist() == [pytest.approx(mean, abs=1e-12)]
    assert found[1].tolist() == [pytest.approx(variance, abs=1e-12)]


@pytest.mark.answer("L5.1")
def test_one_view_has_no_variance_and_no_gradient_of_it():
    rows = ROWS.clone().requires_grad_()
    _, variance = mean_and_variance(rows, there(2))
    variance.sum().backward()
    assert (variance == 0).all()
    assert (rows.grad == 0).all()


@pytest.mark.answer("L5.1")
def test_what_is_stored_in_a_missing_view_changes_nothing():
    rows = ROWS.clone()
    rows[1] = float("nan")
    rows.requires_grad_()
    mean, variance = mean_and_variance(rows, there(0, 2))
    assert mean.tolist() == [[3.0, 0.5, 2.0]]
    (mean.sum() + variance.sum()).backward()
    assert (rows.grad[1] == 0).all()
    assert torch.isfinite(rows.grad).all()


@pytest.mark.answer("L5.1")
@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0]])
def test_the_order_of_views_does_not_matter(order):
    present = there(0, 2)
    straight = torch.cat(mean_and_variance(ROWS, present), 1)
    turned = torch.cat(mean_and_variance(ROWS[order], present[order]), 1)
    assert torch.equal(straight, turned)


@pytest.mark.answer("L5.1")
def test_missing_views_pollute_no_batch_statistics():
    torch.manual_seed(0)
    images = {view: torch.randn(4, 1, 28, 28) for view in ("frontal", "lateral")}
    present = {"frontal": torch.ones(4, dtype=torch.bool), "lateral": torch.tensor([True, False, True, False])}
    states = []
    for junk in (0.0, 1e6, float("nan")):
        torch.manual_seed(1)
        network = plugin("networks", "hemis").example()
        images["lateral"][~present["lateral"]] = junk
        network(images, present).sum().backward()
        states.append({**network.state_dict(), **{name: p.grad for name, p in network.named_parameters()}})
    for state in states[1:]:
        assert all(torch.equal(state[name], tensor) for name, tensor in states[0].items())


@pytest.mark.answer("L5.1")
def test_an_encoder_learns_statistics_from_the_cases_that_have_its_view_alone():
    torch.manual_seed(0)
    network = plugin("networks", "hemis").example()
    alone = plugin("networks", "hemis").example()
    alone.load_state_dict(network.state_dict())
    images = {view: torch.randn(4, 1, 28, 28) for view in ("frontal", "lateral")}
    present = {"frontal": torch.ones(4, dtype=torch.bool), "lateral": torch.tensor([True, False, True, False])}
    network(images, present)
    alone.views.encoders[1](images["lateral"][[0, 2]])
    found, expected = network.views.encoders[1].state_dict(), alone.views.encoders[1].state_dict()
    assert any("running_mean" in name for name in expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def _experiment(seed, hide):
    """Three views of six numbers, one of them telling; the views' encoders and the head as in the known answer."""
    torch.manual_seed(seed)
    encoders = nn.ModuleList(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16)) for _ in range(3))
    head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam([*encoders.parameters(), *head.parameters()], lr=2e-3)
    method = build("methods", {"hide_views": {"chance": 1.0}})
    method.generator = torch.Generator().manual_seed(seed)

    def draw(number):
        truth = torch.randint(0, 2, (number,))
        views = torch.randn(3, number, 6)
        for index in range(3):
            views[index, :, index] += 2.0 * truth - 1
        return views, truth

    def answer(views, present):
        encoded = torch.stack([encoder(view) for encoder, view in zip(encoders, views, strict=True)])
        return head(torch.cat(mean_and_variance(encoded, present), 1))

    views, truth = draw(3000)
    for _ in range(800):
        rows = torch.randint(0, 3000, (128,))
        batch = Batch({}, {str(i): torch.ones(128, dtype=torch.bool) for i in range(3)}, {}, rows, [""] * 128)
        shown = method.on_batch(batch) if hide else batch
        optimizer.zero_grad()
        output = answer(views[:, rows], torch.stack(list(shown.present.values())))
        nn.functional.cross_entropy(output, truth[rows]).backward()
        optimizer.step()
    fresh, expected = draw(4000)
    right: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for subset in range(1, 8):
        mask = torch.tensor([[bool(subset >> view & 1)] for view in range(3)]).expand(3, 4000)
        with torch.no_grad():
            found = answer(fresh, mask).argmax(1)
        right[int(mask[:, 0].sum())].append((found == expected).float().mean().item())
    return {number: sum(values) / len(values) for number, values in right.items()}


@pytest.mark.answer("L5.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(3))
def test_hidden_views_in_training_make_any_subset_good(seed):
    hidden, always = _experiment(seed, hide=True), _experiment(seed, hide=False)
    assert (hidden[1] >= 0.825, hidden[2] >= 0.90, hidden[3] >= 0.94) == (True, True, True), hidden
    assert all(hidden[k] <= 0.5 * (1 + math.erf(math.sqrt(k / 2))) + 0.015 for k in (1, 2, 3))  # no better than Bayes
    assert always[1] <= hidden[1] - 0.03, (always, hidden)


# ---------------------------------------------------------------- L5.2


def _step(outputs, target, objective, present=None):
    """A step as the loop makes it, for outputs given by hand."""
    number = len(target)
    there_all = {view: torch.ones(number, dtype=torch.bool) for view in ("frontal", "lateral")}
    question = _question(objective)
    objectives = WeightedSum([objective], question)
    batch = Batch({}, present or there_all, {question.target: target}, torch.arange(number), ["a"] * number)
    losses, counts = objectives.losses(outputs, batch), objectives.counts(batch)
    main = objectives.total(losses, counts, {name: float(count.sum()) for name, count in counts.items()})
    return main, Step(
        batch=batch,
        outputs=outputs,
        losses=losses,
        counts=counts,
        progress=0.0,
        epoch=0,
        activation=None,
        rerun=None,
        loss_of=lambda output: objectives.of(output, batch),
        network=None,
    )


def _question(objective):
    from preceptor.core.evidence import Question

    if objective == "cross_entropy":
        return Question("classification", "y", ("a", "b", "c"))
    return Question("multilabel", "y", ("a", "b"), exclusive=False)


MULTI_CLASS = {"answer": [2.0, 0.0, -1.0], "frontal": [0.5, 1.0, 0.0], "lateral": [0.0, 0.3, 0.9]}
MULTI_LABEL = {"answer": [0.8, -1.2], "frontal": [0.2, -0.4], "lateral": [1.5, 0.3]}


@pytest.mark.answer("L5.2")
@pytest.mark.parametrize(
    ("logits", "target", "objective", "each", "total"),
    [
        (MULTI_CLASS, torch.tensor([0]), "cross_entropy", (0.169846020, 1.180269671, 1.570585211), 0.995102484),
        (
            MULTI_LABEL,
            torch.tensor([[1.0, 0.0]], dtype=torch.float64),
            "binary_cross_entropy",
            (0.317191567, 0.555577061, 0.527884261),
            0.642229963,
        ),
    ],
)
def test_auxiliary_losses_are_summed(logits, target, objective, each, total):
    outputs = {name: torch.tensor([row], dtype=torch.float64) for name, row in logits.items()}
    main, step = _step(outputs, target, objective)
    found = [main.item(), step.loss_of(outputs["frontal"]).item(), step.loss_of(outputs["lateral"]).item()]
    assert found == pytest.approx(each, abs=1e-6)
    penalty = build("methods", {"auxiliary_outputs": {"weight": 0.3}}).penalty(step)
    assert (main + penalty).item() == pytest.approx(total, abs=1e-6)


@pytest.mark.answer("L5.2")
def test_a_missing_view_has_no_term():
    outputs = {name: torch.tensor([row, row], dtype=torch.float64) for name, row in MULTI_CLASS.items()}
    outputs["lateral"][1] = float("nan")
    outputs = {name: value.requires_grad_() for name, value in outputs.items()}
    present = {"frontal": torch.tensor([True, True]), "lateral": torch.tensor([True, False])}
    main, step = _step(outputs, torch.tensor([0, 0]), "cross_entropy", present)
    penalty = build("methods", {"auxiliary_outputs": {"weight": 0.3}}).penalty(step)
    assert penalty.item() == pytest.approx(0.3 * (1.180269671 + 1.570585211 / 2), abs=1e-6)


@pytest.mark.answer("L5.2")
def test_without_weight_the_joint_path_is_that_of_dual_net():
    images = {view: torch.randn(4, 1, 28, 28) for view in ("frontal", "lateral")}
    present = {"frontal": torch.ones(4, dtype=torch.bool), "lateral": torch.tensor([True, False, True, True])}
    target = torch.tensor([0, 1, 1, 0])
    gradients = []
    for weight in (None, 0.0):
        torch.manual_seed(0)
        network = plugin("networks", "dual_net").example()
        outputs = network(images, present)
        main, step = _step({name: value[:, :2] for name, value in outputs.items()}, target, "cross_entropy", present)
        loss = (
            main if weight is None else main + build("methods", {"auxiliary_outputs": {"weight": weight}}).penalty(step)
        )
        loss.backward()
        gradients.append(
            [(main.item())] + [p.grad for p in network.parameters() if p.grad is not None and p.grad.any()]
        )
    assert gradients[0][0] == gradients[1][0]
    assert len(gradients[0]) == len(gradients[1])
    assert all(torch.equal(left, right) for left, right in zip(gradients[0][1:], gradients[1][1:], strict=True))


@pytest.mark.answer("L5.2")
def test_joint_features_lie_side_by_side():
    absent = torch.tensor([[9.0, 9.0, 9.0], [8.0, 8.0, 8.0], [7.0, 7.0, 7.0]], dtype=torch.float64)
    assert concatenated(ROWS, there(0, 2), absent).tolist() == [[1, 2, 0, 8, 8, 8, 5, -1, 4]]
