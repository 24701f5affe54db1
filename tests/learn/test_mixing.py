"""Mixup and cutmix: images and answers are mixed in the same shares, whatever the objective."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from preceptor.core.batch import Batch
from preceptor.core.errors import TrainError
from preceptor.core.evidence import Question
from preceptor.core.slots import build
from preceptor.learn.weighted_sum import WeightedSum

CLASSES = Question("classification", "finding", ("a", "b", "c"))
LABELS = Question("multilabel", "finding", ("a", "b"), exclusive=False)
DENSE = Question("segmentation", "finding", ("background", "organ"), dense=True, values=(0, 1))
SPACE = (20, 24)


def _batch(targets: torch.Tensor, size: int = 8, **changes) -> Batch:
    """Sample number i holds the value i everywhere, so that what was mixed can be read off."""
    images = torch.arange(size).float().view(-1, 1, 1, 1).expand(size, 1, *SPACE).clone()
    given = {
        "images": {"x": images},
        "present": {"x": torch.ones(size, dtype=torch.bool)},
        "targets": {"finding": targets},
    }
    given |= {"rows": torch.arange(size), "keys": [f"k{i}" for i in range(size)], **changes}
    return Batch(**given)


def _method(name: str, **parameters):
    method = build("methods", {name: {"chance": 1.0, **parameters}})
    method.generator = torch.Generator().manual_seed(3)
    return method


def test_mixup_mixes_labels_by_the_weights_of_the_pixels():
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    mixed = _method("mixup", alpha=1.0).on_batch(_batch(target))
    assert mixed.mixed is not None
    share = mixed.mixed.share
    assert (share >= 0.5).all() and (share < 1).any()
    pixel = mixed.images["x"][:, 0, 0, 0]
    for number, (own, partner) in enumerate(zip(target, mixed.mixed.targets["finding"], strict=True)):
        # The pixel tells who the partner was; its label is the label that was mixed in.
        other = (
            round(((pixel[number] - share[number] * number) / (1 - share[number])).item())
            if share[number] < 1
            else number
        )
        assert target[other] == partner and target[number] == own
    assert mixed.keys == [f"k{i}" for i in range(8)]


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_who_lacks_a_view_is_mixed_only_with_who_lacks_it_too(name):
    there = torch.tensor([True, False, True, True, False, True, True, True])
    batch = _batch(torch.arange(8) % 3, present={"x": there})
    mixed = set()
    method = _method(name, alpha=1.0)
    for _ in range(20):
        out = method.on_batch(batch)
        rest = out.images["x"] - out.mixed.share.view(-1, 1, 1, 1) * batch.images["x"] if name == "mixup" else None
        for number in range(8):
            if name == "mixup":
                share = 1 - out.mixed.share[number].item()
                others = [round(rest[number, 0, 0, 0].item() / share)] if share > 0.05 else []
            else:
                others = [int(each) for each in out.images["x"][number].unique() if int(each) != number]
            mixed |= {(number, other) for other in others}
    assert all(there[number] == there[other] for number, other in mixed)
    assert any(number != other for number, other in mixed)


def test_mixed_cross_entropy_is_that_of_the_soft_target():
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    mixed = _method("mixup", alpha=1.0).on_batch(_batch(target))
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    share = mixed.mixed.share[:, None]
    soft = share * functional.one_hot(target, 3) + (1 - share) * functional.one_hot(mixed.mixed.targets["finding"], 3)
    expected = functional.cross_entropy(logits, soft, reduction="none")
    terms = WeightedSum(["cross_entropy"], CLASSES)
    torch.testing.assert_close(terms.losses({"answer": logits}, mixed)["cross_entropy"], expected)
    assert torch.equal(terms.counts(mixed)["cross_entropy"], torch.ones(8))
    torch.testing.assert_close(terms.of(logits, mixed), expected)


def test_mixed_binary_cross_entropy_is_that_of_the_soft_target_and_missing_labels_stay_missing():
    target = torch.tensor([[0.0, 1], [1, torch.nan], [1, 1], [0, 0]])
    batch = _batch(target, 4)
    mixed = _method("mixup", alpha=1.0).on_batch(batch)
    partner, share = mixed.mixed.targets["finding"], mixed.mixed.share
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    terms = WeightedSum(["binary_cross_entropy"], LABELS)
    counts, losses = (
        each["binary_cross_entropy"] for each in (terms.counts(mixed), terms.losses({"answer": logits}, mixed))
    )

    def entry(truth):
        known = ~truth.isnan()
        return functional.binary_cross_entropy_with_logits(logits, truth.nan_to_num(), reduction="none") * known

    expected = share * entry(target).sum(1) + (1 - share) * entry(partner).sum(1)
    torch.testing.assert_close(losses * counts, expected)
    torch.testing.assert_close(counts, share * (~target.isnan()).sum(1) + (1 - share) * (~partner.isnan()).sum(1))


def test_an_unlabelled_partner_takes_no_part_in_the_loss():
    target = torch.tensor([1, -1])
    mixed = _method("mixup", alpha=1.0).on_batch(_batch(target, 2))
    if mixed.mixed.share[0] == 1:
        pytest.fail("the draw must pair the two")
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    terms = WeightedSum(["cross_entropy"], CLASSES)
    alone = functional.cross_entropy(logits, torch.tensor([1, 1]), reduction="none")
    torch.testing.assert_close(terms.losses({"answer": logits}, mixed)["cross_entropy"], alone)
    share = mixed.mixed.share
    torch.testing.assert_close(terms.counts(mixed)["cross_entropy"], torch.stack([share[0], 1 - share[1]]))


def test_mixed_dice_lies_between_those_of_the_two_truths():
    rng = torch.Generator().manual_seed(0)
    target = (torch.rand(8, *SPACE, generator=rng) > 0.5).to(torch.int8)
    mixed = _method("mixup", alpha=1.0).on_batch(_batch(target))
    output = torch.randn(8, 2, *SPACE, generator=rng)
    terms = WeightedSum([{"dice": {"smoothing": 0.0}}], DENSE)
    own, partner = (
        build("objectives", {"dice": {"smoothing": 0.0}}).loss(output, each)
        for each in (target, mixed.mixed.targets["finding"])
    )
    share = mixed.mixed.share
    torch.testing.assert_close(terms.losses({"answer": output}, mixed)["dice"], share * own + (1 - share) * partner)


def test_cutmix_pastes_label_maps_and_masks_with_the_pixels():
    target = torch.arange(8).view(-1, 1, 1).expand(8, *SPACE).to(torch.int8).clone()
    weight = torch.arange(8).view(-1, 1, 1).expand(8, *SPACE).float().clone()
    mixed = _method("cutmix").on_batch(_batch(target, masks={"weight": weight}))
    image = mixed.images["x"][:, 0]
    assert (image != torch.arange(8).view(-1, 1, 1)).any(), "something was pasted"
    assert torch.equal(image, mixed.targets["finding"].float()) and torch.equal(image, mixed.masks["weight"])
    assert mixed.mixed.targets == {}, "a pasted label map counts whole"
    assert torch.equal(target[3], torch.full(SPACE, 3, dtype=torch.int8)), "the loader's own batch is left as it was"


def test_cutmix_weighs_labels_by_the_voxels_pasted():
    target = torch.arange(8) % 3
    mixed = _method("cutmix").on_batch(_batch(target))
    image = mixed.images["x"][:, 0]
    for number in range(8):
        own = (image[number] == number).float().mean()
        assert mixed.mixed.share[number].item() == pytest.approx(own.item(), abs=1e-6)
        (others,) = ({int(v) for v in image[number].unique()} - {number} or {number},)
        assert all(target[other] == mixed.mixed.targets["finding"][number] for other in others)


def test_shares_are_those_of_their_distribution():
    """Beta(0.2, 0.2) folded at a half has the mean 0.5 + E|x - 0.5| = 0.862; the area that cutmix pastes is at most 1 - share."""
    rng = np.random.default_rng(0)
    from preceptor.learn.mixing import shares

    drawn = shares(0.2, 200_000, rng)
    reference = rng.beta(0.2, 0.2, 200_000)
    assert drawn.mean() == pytest.approx(np.maximum(reference, 1 - reference).mean(), abs=2e-3)
    assert drawn.min() >= 0.5


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_cases_without_the_same_views_are_not_mixed_and_draws_follow_the_generator(name):
    target = torch.arange(8) % 3
    present = {"x": torch.ones(8, dtype=torch.bool), "y": torch.arange(8) < 1}
    images = {view: torch.arange(8).float().view(-1, 1, 1, 1).expand(8, 1, *SPACE).clone() for view in "xy"}
    mixed = _method(name).on_batch(_batch(target, images=images, present=present))
    assert mixed.mixed.share[0] == 1 and torch.equal(mixed.images["x"][0], images["x"][0])
    again = _method(name).on_batch(_batch(target, images=images, present=present))
    assert torch.equal(mixed.images["x"], again.images["x"]) and torch.equal(mixed.mixed.share, again.mixed.share)
    assert _method(name).on_batch(mixed) is mixed, "what one method has mixed, another leaves alone"
    batch = _batch(target)
    assert _method(name, chance=0.0).on_batch(batch) is batch
    often = _method(name, chance=0.25)
    mixed = [often.on_batch(batch).mixed is not None for _ in range(400)]
    assert 0.18 < np.mean(mixed) < 0.32


def test_what_one_leaves_alone_the_other_may_mix():
    """Both in one recipe: of a hundred batches each has its share."""
    batch, first, second = _batch(torch.arange(8) % 3), _method("cutmix", chance=0.5), _method("mixup")
    kinds = [(first.on_batch(batch).mixed is not None, second.on_batch(first.on_batch(batch)).mixed) for _ in range(60)]
    assert all(mixed is not None for _, mixed in kinds) and 15 < sum(was for was, _ in kinds) < 45


def test_cutmix_refuses_views_whose_space_it_cannot_tell():
    images = {"x": torch.zeros(2, 1, *SPACE), "y": torch.zeros(2, 1, 4, *SPACE)}
    with pytest.raises(TrainError, match="cutmix"):
        _method("cutmix").on_batch(
            _batch(torch.tensor([0, 1]), 2, images=images, present={v: torch.ones(2) for v in "xy"})
        )
