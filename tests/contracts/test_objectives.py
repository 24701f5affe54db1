"""What holds for every objective: shapes, unlabelled samples that count for nothing, samples that do not mix."""

from __future__ import annotations

import pytest
import torch

from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question

from .material import QUESTIONS
from .plugins import each, example

BATCH = 4

ASKED = QUESTIONS | {
    "time": Question("survival", "death", ("death",), exclusive=False, unit="months", times=(12.0, 24.0, 60.0))
}


def targets(question) -> tuple[torch.Tensor, tuple[int, ...]]:
    """A batch of targets, the third sample wholly unlabelled; and the shape of space."""
    generator = torch.Generator().manual_seed(1)
    space = (6, 5, 4) if question.dense else ()
    count = len(question.classes)
    if question.task == "survival":  # time, event, interval
        target = torch.tensor([[8.0, 1, 0], [20.0, 1, 1], [0.0, 0, 0], [70.0, 1, 3]])
    elif question.is_regression:
        target = torch.randn(BATCH, 1, generator=generator)
    elif question.exclusive:
        target = torch.randint(0, count, (BATCH, *space), generator=generator)
        if question.dense:
            target[0, :2] = -1
    else:
        target = torch.randint(0, 2, (BATCH, count, *space), generator=generator).float()
        target[0, 0] = float("nan")
    target[2] = float("nan") if target.is_floating_point() else -1
    return target, space


def asked(name: str):
    """Every question the objective fits, with its output and target."""
    objective = example("objectives", name)
    found = []
    for title, question in ASKED.items():
        try:
            width = objective.width(question)
        except RecipeError:
            continue
        target, space = targets(question)
        output = torch.randn(BATCH, width, *space, generator=torch.Generator().manual_seed(2))
        found.append((title, question, objective, output.requires_grad_(), target))
    return found


@each("objectives")
def test_fits_a_question_and_says_so_of_the_others(slot, name):
    found = asked(name)
    assert found, "it fits no question at all"
    for _, question, objective, *_ in found:
        assert isinstance(objective.width(question), int) and objective.width(question) >= 1


@each("objectives")
def test_one_loss_and_one_count_a_sample(slot, name):
    for title, _, objective, output, target in asked(name):
        loss, count = objective.loss(output, target), objective.count(target)
        assert loss.shape == count.shape == (BATCH,), title
        assert torch.isfinite(loss).all() and (loss[[0, 1, 3]] != 0).any(), title
        assert count.is_floating_point() and (count >= 0).all() and (count[[0, 1, 3]] > 0).all(), title


@each("objectives")
def test_an_unlabelled_sample_is_exactly_nothing(slot, name):
    for title, _, objective, output, target in asked(name):
        loss, count = objective.loss(output, target), objective.count(target)
        assert loss[2].item() == 0 and count[2].item() == 0, title
        (gradient,) = torch.autograd.grad(loss.sum(), output)
        assert torch.isfinite(gradient).all(), title
        assert (gradient[2] == 0).all() and (gradient[1] != 0).any(), title


@each("objectives")
def test_a_batch_without_any_label_gives_zero_and_never_nan(slot, name):
    for title, _, objective, output, target in asked(name):
        nothing = torch.full_like(target, float("nan") if target.is_floating_point() else -1)
        loss = objective.loss(output, nothing)
        assert (loss == 0).all() and (objective.count(nothing) == 0).all(), title
        (gradient,) = torch.autograd.grad(loss.sum(), output, allow_unused=True)
        assert gradient is None or (gradient == 0).all(), title


@each("objectives")
def test_samples_do_not_mix(slot, name):
    for title, _, objective, output, target in asked(name):
        if getattr(objective, "whole_batch", False):
            continue
        whole = objective.loss(output, target)
        alone = torch.cat([objective.loss(output[i : i + 1], target[i : i + 1]) for i in range(BATCH)])
        torch.testing.assert_close(whole, alone, msg=title)


@each("objectives")
def test_the_gradient_is_the_losss_own(slot, name):
    for title, _, objective, output, target in asked(name):
        exact = output.detach().double()[:2].requires_grad_()
        target = target.double() if target.is_floating_point() else target
        assert torch.autograd.gradcheck(
            lambda each, t=target, o=objective: o.loss(each, t[:2]), (exact,), atol=1e-4, fast_mode=True
        ), title


@each("objectives")
def test_decodes_to_what_was_asked(slot, name):
    for title, question, objective, output, _ in asked(name):
        decoded = objective.decode(output, question)
        probability = decoded.probability
        assert probability.shape == (BATCH, len(question.classes), *output.shape[2:]), title
        assert torch.isfinite(probability).all()
        if not question.is_regression:
            assert ((probability >= 0) & (probability <= 1)).all(), title
            if question.exclusive:
                torch.testing.assert_close(probability.sum(1), torch.ones_like(probability[:, 0]), msg=title)
        if decoded.survival is not None:
            assert decoded.survival.shape == (BATCH, len(question.times)), title
            assert ((decoded.survival > 0) & (decoded.survival < 1)).all(), title
            assert (decoded.survival.diff(dim=1) < 0).all(), title
        if decoded.uncertainty is not None:
            assert decoded.uncertainty.shape == (BATCH, *output.shape[2:]), title
            assert ((decoded.uncertainty >= 0) & (decoded.uncertainty <= 1)).all(), title


@each("objectives")
def test_an_answer_nearer_the_truth_costs_less(slot, name):
    """A loss of the wrong sign, or one that reads the classes in another order than it decodes, fails here."""
    for title, question, objective, output, target in asked(name):
        if question.task == "survival":
            right = torch.tensor([[9.0], [-9.0]])
            if output.shape[1] > 1:
                right = 8.0 * torch.nn.functional.one_hot(target[:2, 2].long(), output.shape[1]) - 4
            # A case is held against the others, so that the sum tells.
            assert objective.loss(right, target[:2]).sum() < objective.loss(-right, target[:2]).sum(), title
            risk = objective.decode(right, question).probability[:, 0]
            assert risk[0] > risk[1], title
            continue
        if question.is_regression:
            rest = torch.zeros(2, output.shape[1] - target.shape[1])  # what else an objective foretells (its noise)
            right, wrong = torch.cat([target[:2], rest], 1), torch.cat([target[:2] + 5, rest], 1)
        else:
            index = target[:2].clamp(min=0) if question.exclusive else target[:2].nan_to_num(0)
            hot = (
                torch.nn.functional.one_hot(index, len(question.classes)).movedim(-1, 1)
                if question.exclusive
                else index
            )
            right = 8.0 * hot - 4
            wrong = -right
            said = objective.decode(right, question).probability
            assert (said[hot == 1] > 0.5).all(), title
        assert (objective.loss(right, target[:2]) < objective.loss(wrong, target[:2])).all(), title


@each("objectives")
def test_a_weight_of_one_changes_nothing_and_a_weight_of_nought_leaves_out(slot, name):
    for title, question, objective, output, target in asked(name):
        if not question.dense:
            continue
        ones = torch.ones(BATCH, *output.shape[2:])
        torch.testing.assert_close(objective.loss(output, target, ones), objective.loss(output, target), msg=title)
        half = ones.clone()
        half[:, 3:] = 0
        moved = output.detach().clone()
        moved[:, :, 3:] += 3
        torch.testing.assert_close(objective.loss(output, target, half), objective.loss(moved, target, half), msg=title)


@pytest.mark.parametrize("title", ASKED)
def test_every_question_has_an_objective(title):
    from preceptor.core.slots import names

    fitting = [name for name in names("objectives") if title in [found[0] for found in asked(name)]]
    assert fitting
