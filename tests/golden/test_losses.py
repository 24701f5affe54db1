"""Known answers of the losses: by hand, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.evidence import Question
from preceptor.core.slots import build
from preceptor.maths import losses
from preceptor.maths.class_weights import balanced_weights, effective_number_weights, positive_weight

from .seeds import seeds


def tensor(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def close(found, expected, tolerance=1e-6):
    found = found.detach() if isinstance(found, torch.Tensor) else torch.as_tensor(np.asarray(found))
    assert torch.allclose(found.double(), tensor(expected), rtol=0, atol=tolerance), found


P, G = [0.9, 0.2, 0.6], [1.0, 0.0, 1.0]


@pytest.mark.answer("L1.1")
@pytest.mark.parametrize(
    ("squared", "value", "gradient"),
    [
        (False, 0.810810811, [-0.321402484, 0.219138057, -0.321402484]),
        (True, 0.934579439, [-0.098989723, 0.116458497, -0.273677468]),
    ],
)
def test_two_denominators_two_losses(squared, value, gradient):
    probability = tensor([[P]], requires_grad=True)
    dice = losses.soft_dice(probability, tensor([[G]]), squared=squared)
    close(dice, [[value]])
    (1 - dice).sum().backward()
    close(probability.grad, [[gradient]])


@pytest.mark.answer("L1.1")
def test_smoothing_stands_above_and_below():
    close(losses.soft_dice(tensor([[P]]), tensor([[G]]), smoothing=1.0), [[0.851063830]])
    nothing = tensor([[[0.0, 0.0]]])
    close(losses.soft_dice(nothing, nothing, smoothing=1.0), [[1.0]])
    close(losses.soft_dice(nothing, nothing), [[1.0]])


@pytest.mark.answer("L1.1")
def test_an_empty_reference():
    for smoothing, value in ((0.0, 0.0), (1.0, 0.769230769)):
        probability = tensor([[[0.1, 0.0, 0.2]]], requires_grad=True)
        dice = losses.soft_dice(probability, tensor([[[0.0, 0.0, 0.0]]]), smoothing=smoothing)
        close(dice, [[value]])
        (1 - dice).sum().backward()
        if smoothing:
            assert (probability.grad > 0).all()  # the loss falls where the probability falls
        else:
            assert (probability.grad == 0).all()


@pytest.mark.answer("L1.1")
def test_dice_of_the_batch_is_not_the_mean_of_the_cases():
    """Case 0 has all of its 3 voxels right, case 1 one of 1 wrong: 1 and 0, but 6 / 8 together."""
    target = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])
    output = torch.full((2, 2, 4), -40.0, dtype=torch.float64)
    output[0].scatter_(0, torch.tensor([[1, 1, 1, 0]]), 40.0)
    output[1].scatter_(0, torch.tensor([[0, 1, 0, 0]]), 40.0)
    each = build("objectives", {"dice": {"smoothing": 0.0}}).loss(output, target)
    pooled = build("objectives", {"dice": {"smoothing": 0.0, "pooled": True}}).loss(output, target)
    close(each, [0.0, 1.0])
    close(pooled, [0.25, 0.25])


CLASSES = [[0.7, 0.2, 0.1, 0.5], [0.2, 0.6, 0.1, 0.3], [0.1, 0.2, 0.8, 0.2]]
LABELS = torch.tensor([[0, 1, 2, 0]])


@pytest.mark.answer("L1.2")
def test_dice_of_several_classes():
    reference, _ = losses.as_reference(LABELS, 3)
    per_class = losses.soft_dice(tensor([CLASSES]), reference.double())
    close(per_class, [[0.685714286, 0.545454545, 0.695652174]])
    logits = tensor([CLASSES]).log()
    whole = build("objectives", {"dice": {"smoothing": 0.0, "background": True}}).loss(logits, LABELS)
    close(1 - whole, [0.642273668])
    without = build("objectives", {"dice": {"smoothing": 0.0}}).loss(logits, LABELS)
    close(1 - without, [0.620553360])


@pytest.mark.answer("L1.2")
@pytest.mark.parametrize(("weighting", "value"), [("square", 0.367441860), ("simple", 0.360000000)])
def test_generalised_dice(weighting, value):
    objective = build("objectives", {"generalised_dice": {"weighting": weighting}})
    close(objective.loss(tensor([CLASSES]).log(), LABELS), [value])


@pytest.mark.answer("L1.2")
def test_an_absent_class_weighs_like_the_rarest_that_is_there():
    intersection, answered = tensor([[1.0, 0.5, 0.0]]), tensor([[2.0, 1.0, 0.5]])
    reference = tensor([[4.0, 2.0, 0.0]])
    found = losses.generalised_dice_of_sums(intersection, answered, reference)
    weights = tensor([1 / 16, 1 / 4, 1 / 4])
    expected = 2 * (weights * intersection).sum() / (weights * (answered + reference)).sum()
    close(found, [expected.item()])
    alone = losses.generalised_dice_of_sums(tensor([[0.0, 0.0]]), tensor([[1.0, 2.0]]), tensor([[0.0, 0.0]]))
    close(alone, [0.0])


LOGITS, BINARY, TRUTH = [2.0, -1.0, 0.5], [1.2, -0.7, 0.3, -2.0], [1.0, 0.0, 0.0, 1.0]


@pytest.mark.answer("L1.3")
def test_cross_entropy_and_focal_of_exclusive_classes():
    logits, target = tensor([LOGITS]), torch.tensor([0])
    close(logits.softmax(1), [[0.785597035, 0.039112573, 0.175290392]])
    close(losses.cross_entropy(logits, target), [0.241311297])
    close(losses.focal_cross_entropy(logits, target), [0.011092750])
    assert torch.equal(losses.focal_cross_entropy(logits, target, gamma=0.0), losses.cross_entropy(logits, target))


@pytest.mark.answer("L1.3")
def test_cross_entropy_and_focal_of_independent_classes():
    logits, target = tensor([BINARY]), tensor([TRUTH])
    close(losses.binary_cross_entropy(logits, target), [[0.263282467, 0.403186049, 0.854355244, 2.126928011]])
    focal = losses.focal_binary_cross_entropy(logits, target)
    close(focal, [[0.014106879, 0.044390524, 0.281923736, 1.650078179]])
    close(focal.mean(), 0.497624830)
    close(losses.focal_binary_cross_entropy(logits, target, alpha=0.25).mean(), 0.165195490)
    unmuted = losses.focal_binary_cross_entropy(logits, target, gamma=0.0)
    close(unmuted, losses.binary_cross_entropy(logits, target).tolist(), tolerance=1e-12)


@pytest.mark.answer("L1.3")
def test_focal_at_three_probabilities():
    logits = torch.logit(tensor([[0.9, 0.5, 0.1]]))
    close(losses.focal_binary_cross_entropy(logits, tensor([[1.0] * 3])), [[0.00105360516, 0.173286795, 1.865093925]])


@pytest.mark.answer("L1.3")
def test_far_logits_stay_finite():
    logits = torch.tensor([[-200.0, 200.0, 200.0]], requires_grad=True)  # wrong, wrong, right
    entries = losses.focal_binary_cross_entropy(logits, torch.tensor([[1.0, 0.0, 1.0]]), gamma=0.5)
    close(entries, [[200.0, 200.0, 0.0]], tolerance=1e-3)
    entries.sum().backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.answer("L1.4")
def test_class_weights():
    close(balanced_weights([90, 9, 1]), [0.370370370, 3.703703704, 33.333333333])
    for beta, expected in (
        (0.9, [0.237500450, 0.387675973, 2.374823577]),
        (0.99, [0.044503858, 0.306323780, 2.649172363]),
        (0.999, [0.031018628, 0.297968324, 2.671013048]),
        (0.0, [1.0, 1.0, 1.0]),
    ):
        close(effective_number_weights([90, 9, 1], beta), expected)
    inverse = np.array([1 / 90, 1 / 9, 1]) / np.mean([1 / 90, 1 / 9, 1])
    close(effective_number_weights([90, 9, 1], 1 - 1e-9), inverse.tolist(), tolerance=1e-5)
    assert positive_weight(10, 1000) == 99


@pytest.mark.answer("L1.4")
@pytest.mark.parametrize(("divisor", "value"), [("weights", 1.287214202), ("count", 1.930821303)])
def test_the_divisor_of_weighted_cross_entropy(divisor, value):
    logits = tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.2, 0.1]])
    target, weights = torch.tensor([0, 0, 1, 2]), tensor([0.5, 1.0, 4.0])
    entries = losses.cross_entropy(logits, target, weights)
    close(losses.weighted_mean(entries, target, weights, divisor), value)
    objective = build("objectives", {"cross_entropy": {"class_weights": [0.5, 1.0, 4.0], "divisor": divisor}})
    loss, count = objective.loss(logits, target), objective.count(target).double()
    close((loss * count).sum() / count.sum(), value)  # as the loop adds samples up


MULTI = [[1.2, -0.7, 0.3], [0.0, 2.0, -1.0], [0.4, 0.5, -3.0]]
NAN = float("nan")
PARTLY = [[1.0, 0.0, NAN], [NAN, 1.0, NAN], [NAN, NAN, NAN]]


@pytest.mark.answer("L1.5")
def test_missing_labels_are_not_asked():
    logits, target = tensor(MULTI, requires_grad=True), tensor(PARTLY)
    objective = build("objectives", "binary_cross_entropy")
    loss, count = objective.loss(logits, target), objective.count(target)
    assert count.tolist() == [2, 1, 0]
    total = (loss * count / count.sum()).sum()
    close((loss * count).sum(), 0.793396527)
    close(total, 0.264465509)
    total.backward()
    close(logits.grad, [[-0.077158406, 0.110604076, 0], [0, -0.039734307, 0], [0, 0, 0]])
    assert (logits.grad[torch.isnan(target)] == 0).all()


@pytest.mark.answer("L1.5")
def test_mean_over_the_labels_that_have_any():
    entries = losses.binary_cross_entropy(tensor(MULTI), tensor(PARTLY))
    known = losses.is_labelled(tensor(PARTLY))
    close((entries.sum(0) / known.sum(0))[:2], [0.263282467, 0.265057030])
    close(losses.mean_over_labels(entries, known), 0.264169749)


@pytest.mark.answer("L1.5")
def test_a_batch_without_labels_gives_nothing():
    logits = tensor(MULTI, requires_grad=True)
    loss = build("objectives", "binary_cross_entropy").loss(logits, torch.full((3, 3), NAN, dtype=torch.float64))
    loss.sum().backward()
    assert (loss == 0).all()
    assert (logits.grad == 0).all()


@pytest.mark.answer("L1.5")
@pytest.mark.parametrize("seed", seeds(3))
def test_missing_is_not_negative(seed):
    """From 30 % of the labels, mean probabilities are the prevalence; missing taken as negative, a third of it."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(20, 5))

    def draw(number):
        features = rng.normal(size=(number, 20))
        labels = rng.random((number, 5)) < 1 / (1 + np.exp(-(0.6 * features @ mixing - 1)))
        return torch.tensor(features), torch.tensor(labels.astype(float))

    (features, labels), (fresh, truth) = draw(2000), draw(2000)
    partly = torch.where(torch.tensor(rng.random((2000, 5)) < 0.3), labels, NAN)
    means = {}
    for name, target in (("missing", partly), ("negative", partly.nan_to_num(0.0))):
        layer = torch.nn.Linear(20, 5).double()
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60)
        objective = build("objectives", "binary_cross_entropy")

        def closure(layer=layer, optimizer=optimizer, target=target, objective=objective):
            optimizer.zero_grad()
            count = objective.count(target)
            loss = (objective.loss(layer(features), target) * count / count.sum()).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        means[name] = layer(fresh).sigmoid().detach()
    prevalence = truth.mean().item()
    assert abs(means["missing"].mean().item() - prevalence) <= 0.02
    assert means["negative"].mean().item() <= 0.5 * prevalence
    pooled, answers = means["missing"].flatten(), truth.flatten() == 1
    assert _auroc(pooled[answers], pooled[~answers]) >= 0.85


def _auroc(positive, negative):
    ranks = torch.cat([positive, negative]).argsort().argsort()[: len(positive)].double() + 1
    return ((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))).item()


@pytest.mark.answer("L1.2")
def test_questions_that_dice_does_not_fit_are_refused():
    from preceptor.core.errors import RecipeError

    for name in ("dice", "generalised_dice"):
        with pytest.raises(RecipeError, match="does not fit"):
            build("objectives", name).width(Question("classification", "y", ("a", "b")))
