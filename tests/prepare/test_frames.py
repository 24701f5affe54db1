"""The memory of batches: used again when nobody holds it, never while somebody does."""

from __future__ import annotations

import pytest
import torch

from preceptor.prepare.frames import Frames, stacked

PARTS = {"image:a": ((2, 4, 3), torch.float32), "mask:b": ((1, 4, 3), torch.int8)}


def test_memory_that_nobody_holds_is_used_again():
    frames = Frames(PARTS)
    one = frames.of(5)
    place = one["image:a"].data_ptr()
    del one
    assert frames.of(5)["image:a"].data_ptr() == place
    assert {name: (tuple(t.shape), t.dtype) for name, t in frames.of(5).items()} == {
        "image:a": ((5, 2, 4, 3), torch.float32),
        "mask:b": ((5, 1, 4, 3), torch.int8),
    }


@pytest.mark.parametrize(
    "hold",
    [
        lambda tensor: tensor,
        lambda tensor: tensor[1, 0],
        lambda tensor: tensor.view(-1)[3:],
        lambda tensor: tensor.numpy()[0],
        lambda tensor: tensor.untyped_storage(),
    ],
)
def test_memory_that_somebody_holds_in_part_is_not(hold):
    frames = Frames(PARTS)
    held = []
    for _ in range(5):
        tensor = frames.of(5)["image:a"]
        held.append((tensor.data_ptr(), hold(tensor)))
        del tensor
    assert len({place for place, _ in held}) == 5


def test_shared_memory_lies_in_one_piece():
    shared = Frames(PARTS).shared(3)
    assert len({each.untyped_storage().data_ptr() for each in shared.values()}) == 1
    assert all(each.data_ptr() % 64 == 0 and each.is_shared() for each in shared.values())
    shared["image:a"].fill_(1)
    shared["mask:b"].fill_(2)
    assert (shared["image:a"] == 1).all() and Frames({}).shared(3) == {} == Frames({}).of(3)


def test_what_lies_in_place_is_not_copied_and_what_does_not_is():
    frame = torch.zeros(2, 1, 3)
    assert stacked([frame[0], frame[1]], frame).data_ptr() == frame.data_ptr()
    assert stacked([frame[0, 0], frame[1, 0]], frame).shape == (2, 3)
    other = stacked([frame[1], frame[0]], frame)
    assert other.data_ptr() != frame.data_ptr() and other.shape == (2, 1, 3)
