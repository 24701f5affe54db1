"""Objectives: what is not labelled is not asked, weights per voxel count, and misfits are refused."""

from __future__ import annotations

import pytest
import torch

from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.slots import build, names, plugin

CASES = Question("classification", "y", ("a", "b", "c"))
LABELS = Question("multilabel", "y", ("a", "b", "c"), exclusive=False)
VOXELS = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))
OVERLAPPING = Question("multilabel", "label", ("a", "b", "c"), exclusive=False, dense=True)
NUMBER = Question("regression", "age", ("age",), exclusive=False, unit="years")
QUESTIONS = {"cases": CASES, "labels": LABELS, "voxels": VOXELS, "overlapping": OVERLAPPING, "number": NUMBER}
FITS = {
    "binary_cross_entropy": {"labels", "overlapping"},
    "cross_entropy": {"cases", "voxels"},
    "dice": {"voxels", "overlapping"},
    "evidential": {"cases", "voxels"},
    "focal": {"cases", "voxels", "labels", "overlapping"},
    "generalised_dice": {"voxels", "overlapping"},
    "mean_squared_error": {"number"},
}
OURS = sorted(set(FITS) & set(names("objectives")))
PAIRS = [(name, kind) for name in OURS for kind in sorted(FITS[name])]


def problem(kind, samples=4, seed=0):
    """Logits and a target in which sample 1 is partly and sample 2 not at all labelled."""
    torch.manual_seed(seed)
    question = QUESTIONS[kind]
    space = (5, 4) if question.dense else ()
    output = torch.randn(samples, len(question.classes), *space, dtype=torch.float64)
    if question.exclusive:
        target = torch.randint(0, 3, (samples, *space), dtype=torch.int8 if question.dense else torch.int64)
        nothing = -1
    else:
        target = torch.rand(output.shape, dtype=torch.float64).round()
        nothing = float("nan")
    if question.dense:
        target[1, ..., 0] = nothing
    elif kind == "labels":
        target[1, 0] = nothing
    target[2] = nothing
    return question, output, target


def test_every_objective_is_listed_here():
    assert set(FITS) <= set(names("objectives"))


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_what_is_not_labelled_has_no_loss_no_count_and_no_gradient(name, kind):
    question, output, target = problem(kind)
    objective = build("objectives", name)
    assert objective.width(question) == len(question.classes)
    output.requires_grad_()
    loss, count = objective.loss(output, target), objective.count(target)
    assert loss.shape == count.shape == (4,)
    assert loss[2] == 0
    assert count.tolist()[2] == 0
    assert (count[[0, 1, 3]] > 0).all()
    loss.sum().backward()
    assert torch.isfinite(output.grad).all()
    unlabelled = torch.isnan(target) if target.is_floating_point() else target < 0
    asked = unlabelled if unlabelled.shape == output.shape else unlabelled[:, None].expand_as(output)
    assert (output.grad[asked] == 0).all()
    assert (output.grad[0] != 0).any()


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_each_sample_stands_alone_and_gradients_are_those_of_the_formula(name, kind):
    _, output, target = problem(kind)
    objective = build("objectives", name)
    together = objective.loss(output, target)
    alone = torch.cat([objective.loss(output[i : i + 1], target[i : i + 1]) for i in range(len(output))])
    assert torch.allclose(together, alone, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: objective.loss(x, target), output.requires_grad_())


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if QUESTIONS[pair[1]].dense])
def test_weights_per_voxel_count(name, kind):
    _, output, target = problem(kind)
    objective = build("objectives", name)
    ones = torch.ones(4, 5, 4, dtype=torch.float64)
    assert torch.allclose(objective.loss(output, target, ones), objective.loss(output, target))
    assert torch.allclose(objective.loss(output, target, ones[:, None]), objective.loss(output, target))
    # A voxel of weight 0 is as good as unlabelled, but for the divisor of means.
    half = ones.clone()
    half[:, :, 2:] = 0
    moved = output.clone()
    moved[..., 2:] += 3.0
    assert torch.allclose(objective.loss(moved, target, half), objective.loss(output, target, half))
    assert not torch.allclose(objective.loss(output, target, half), objective.loss(output, target))


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "focal", "evidential"])
def test_a_weight_of_two_doubles_a_mean(name):
    kind = sorted(FITS[name] & {"voxels", "overlapping"})[0]
    _, output, target = problem(kind)
    objective = build("objectives", name)
    twice = torch.full((4, 5, 4), 2.0, dtype=torch.float64)
    assert torch.allclose(objective.loss(output, target, twice), 2 * objective.loss(output, target))


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in OURS for kind in sorted(set(QUESTIONS) - FITS[name])]
)
def test_a_question_that_does_not_fit_is_refused_with_a_remedy(name, kind):
    with pytest.raises(RecipeError) as caught:
        build("objectives", name).width(QUESTIONS[kind])
    assert caught.value.problem.expected
    assert caught.value.problem.remedy


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"cross_entropy": {"class_weights": [1.0, 2.0]}}, "cases"),
        ({"binary_cross_entropy": {"positive_weights": [1.0]}}, "labels"),
        ({"focal": {"class_weights": [1.0]}}, "cases"),
        ({"focal": {"class_weights": [1.0, 1.0, 1.0]}}, "labels"),
        ({"focal": {"alpha": 0.25}}, "cases"),
    ],
)
def test_weights_that_are_not_one_each_are_refused(spec, kind):
    with pytest.raises(RecipeError):
        build("objectives", spec).width(QUESTIONS[kind])


def test_probabilities_sum_to_one_where_classes_exclude_each_other():
    for name, kind in PAIRS:
        if kind == "number":
            continue
        question, output, _ = problem(kind)
        probability = build("objectives", name).decode(output, question).probability
        assert ((probability >= 0) & (probability <= 1)).all()
        total = probability.sum(1)
        assert torch.allclose(total, torch.ones_like(total)) == question.exclusive


# ---------------------------------------------------------------- Dice


def voxels(answer, truth, classes=3):
    """Logits so far apart that probabilities are 0 and 1."""
    output = torch.full((1, classes, len(answer)), -60.0, dtype=torch.float64)
    output[0].scatter_(0, torch.tensor([answer]), 60.0)
    return output, torch.tensor([truth])


def test_an_absent_class_is_scored_or_ignored():
    output, target = voxels([1, 1, 0, 0], [1, 1, 0, 0])
    scored = build("objectives", {"dice": {"smoothing": 1.0}}).loss(output, target)
    assert scored.item() == pytest.approx(0.0)  # nothing there, nothing answered: with smoothing a perfect score
    output, target = voxels([1, 1, 2, 0], [1, 1, 0, 0])
    scored = build("objectives", {"dice": {"smoothing": 1.0}}).loss(output, target)
    assert scored.item() == pytest.approx((0 + 1 - 1 / 2) / 2)
    ignored = build("objectives", {"dice": {"smoothing": 1.0, "empty": "ignore"}})
    assert ignored.loss(output, target).item() == pytest.approx(0.0)


def test_a_sample_of_background_alone_counts_for_nothing_when_empty_classes_are_ignored():
    output, target = voxels([1, 0, 0, 0], [0, 0, 0, 0])
    ignoring = build("objectives", {"dice": {"empty": "ignore"}})
    assert (ignoring.loss(output, target).item(), ignoring.count(target).item()) == (0.0, 0.0)
    assert build("objectives", "dice").count(target).item() == 1.0
    with_background = build("objectives", {"dice": {"empty": "ignore", "background": True}})
    assert with_background.count(target).item() == 1.0


def test_pooled_dice_looks_across_samples_and_says_so():
    pooled = build("objectives", {"dice": {"pooled": True}})
    assert pooled.whole_batch
    assert not build("objectives", "dice").whole_batch
    _, output, target = problem("voxels")
    loss = pooled.loss(output, target)
    assert loss[2] == 0
    assert loss[0] == loss[1] == loss[3] != 0


def test_a_class_that_nobody_looked_for_is_left_out():
    question, output, target = problem("overlapping")
    target[0, 1] = float("nan")
    objective = build("objectives", "dice")
    full = objective.loss(output[:1, [0, 2]], target[:1, [0, 2]])
    assert torch.allclose(objective.loss(output[:1], target[:1]), full)


# ---------------------------------------------------------------- evidential


def test_no_evidence_is_full_doubt_and_much_is_little():
    objective = plugin("objectives", "evidential").example()
    decoded = objective.decode(torch.tensor([[-10.0, -10, -10], [9.0, -10, -10]]), CASES)
    assert decoded.uncertainty[0].item() == pytest.approx(1.0, abs=1e-3)
    assert decoded.uncertainty[1].item() < 1e-3
    assert decoded.probability[1, 0].item() > 0.999


def test_dense_doubt_has_the_grid_of_the_image():
    question, output, _ = problem("voxels")
    assert build("objectives", "evidential").decode(output, question).uncertainty.shape == (4, 5, 4)


@pytest.mark.parametrize("evidence", ["exp", "softplus"])
@pytest.mark.parametrize("risk", ["squared", "likelihood", "digamma"])
def test_evidence_for_the_truth_lowers_every_risk(evidence, risk):
    objective = build("objectives", {"evidential": {"evidence": evidence, "risk": risk}})
    output = torch.zeros(1, 3, requires_grad=True, dtype=torch.float64)
    objective.loss(output, torch.tensor([1])).sum().backward()
    assert output.grad[0, 1] < 0 < output.grad[0, 0]


def test_extreme_logits_stay_finite_in_single_precision():
    for name, kind in PAIRS:
        _, output, target = problem(kind)
        output = (1000 * output).float().requires_grad_()
        target = target.float() if target.is_floating_point() else target
        loss = build("objectives", name).loss(output, target)
        loss.sum().backward()
        assert torch.isfinite(loss).all(), (name, kind)
        assert torch.isfinite(output.grad).all(), (name, kind)


# ---------------------------------------------------------------- squared error


def test_numbers_come_back_in_their_unit():
    objective = build("objectives", {"mean_squared_error": {"centre": 60.0, "scale": 15.0}})
    output, target = torch.tensor([[1.0], [0.0]]), torch.tensor([[60.0], [float("nan")]])
    assert objective.decode(output, NUMBER).probability.flatten().tolist() == [75.0, 60.0]
    assert objective.loss(output, target).tolist() == [1.0, 0.0]
    assert objective.count(target).tolist() == [1.0, 0.0]


def test_label_smoothing_and_class_weights_leave_the_unlabelled_alone():
    output = torch.randn(3, 3, requires_grad=True)
    spec = {"cross_entropy": {"label_smoothing": 0.2, "class_weights": [1.0, 2.0, 3.0], "divisor": "weights"}}
    objective = build("objectives", spec)
    target = torch.tensor([0, -1, 2])
    loss = objective.loss(output, target)
    loss.sum().backward()
    assert loss[1] == 0
    assert (output.grad[1] == 0).all()
    assert objective.count(target).tolist() == [1.0, 0.0, 3.0]
