"""Prediction by windows against a plain reference, and the passes that safeguards ask for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Decoded, Inputs, Pass
from preceptor.learn.predict import VOXELS_KEPT, Window, predict
from preceptor.learn.window import Mosaic
from preceptor.maths.resampling import cut

STRUCTURES = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))
FINDING = Question("classification", "finding", ("no", "yes"))


def softmax(output):
    return Decoded(output.softmax(1))


def sample_of(shape, channels=1, seed=0, views=("image",)):
    rng = np.random.default_rng(seed)
    images = {view: Image(rng.normal(size=(channels, *shape)).astype(np.float32), np.eye(4)) for view in views}
    return Sample("case", images)


def dense_net(dims=3, width=3, dropout=None, seed=0):
    """Sees two voxels around: windows differ at their borders, so weighting matters."""
    torch.manual_seed(seed)
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
    middle = [nn.Dropout(dropout)] if dropout is not None else []
    return nn.Sequential(conv(1, 6, 3, padding=1), nn.ReLU(), *middle, conv(6, width, 3, padding=1))


def ask(networks, sample, window, question=STRUCTURES, decode=softmax, **more):
    image = sample.reference
    inputs = Inputs(tuple(sample.images), image.channels, image.space_dims, window.patch)
    return predict(networks, sample, inputs=inputs, question=question, decode=decode, window=window, **more)


def reference(network, sample, window):
    """The same, plainly: a volume of sums, a volume of weights, float64."""
    array = sample.reference.array
    shape, total, weights = array.shape[1:], 0.0, 0.0
    weight = window.weight().double().numpy()
    for corner in itertools.product(*window.starts(shape)):
        with torch.no_grad():
            output = network(torch.from_numpy(cut(array, corner, window.patch))[None])[0].softmax(0).double().numpy()
        margin = max(window.patch)
        spread = np.zeros((len(output) + 1, *(size + 2 * margin for size in shape)))
        box = tuple(slice(c + margin, c + margin + p) for c, p in zip(corner, window.patch, strict=True))
        spread[(slice(-1), *box)] = output * weight
        spread[(-1, *box)] = weight
        inside = tuple(slice(margin, margin + size) for size in shape)
        total = total + spread[(slice(-1), *inside)]
        weights = weights + spread[(-1, *inside)]
    return total / weights


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    shape=st.one_of(
        st.lists(st.integers(1, 40), min_size=2, max_size=2), st.lists(st.integers(1, 17), min_size=3, max_size=3)
    ),
    patch=st.integers(4, 9),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.65]),
    blend=st.sampled_from(["gaussian", "constant"]),
    batch=st.integers(1, 4),
    classes=st.sampled_from([3, 10]),
)
def test_windows_add_up_to_the_plain_reference(shape, patch, overlap, blend, batch, classes):
    sample, network = sample_of(shape), dense_net(len(shape), classes)
    question = replace(STRUCTURES, classes=tuple(f"class {index}" for index in range(classes)))
    window = Window((patch,) * len(shape), overlap, batch, blend)
    prediction = ask([network], sample, window, question, voxels=np.random.default_rng(0))
    expected = reference(network, sample, window)
    kept = prediction.voxel_sample
    assert len(kept["index"]) == min(VOXELS_KEPT, np.prod(shape))
    np.testing.assert_allclose(kept["probability"], expected.reshape(classes, -1).T[kept["index"]], atol=1e-5)
    top = expected.max(0)
    second = np.sort(expected, axis=0)[-2]
    clear = top - second > 1e-4
    np.testing.assert_array_equal(prediction.label[clear], expected.argmax(0)[clear])
    np.testing.assert_allclose(prediction.top_probability / 255, top, atol=0.5 / 255 + 1e-5)
    entropy = -(expected * np.log(expected)).sum(0) / np.log(classes)
    np.testing.assert_allclose(prediction.doubt / 255, entropy, atol=0.5 / 255 + 1e-4)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 400), patch=st.integers(1, 128), overlap=st.floats(0, 0.95))
def test_windows_cover_every_voxel_and_overlap_enough(size, patch, overlap):
    (starts,) = Window((patch,), overlap).starts((size,))
    covered = np.zeros(size, bool)
    for start in starts:
        covered[max(start, 0) : start + patch] = True
    assert covered.all()
    if size > patch:
        assert starts[0] == 0
        assert starts[-1] == size - patch
        step = max(1, int(patch * (1 - overlap)))
        assert all(0 < second - first <= step + 1 for first, second in itertools.pairwise(starts))
        # as few as that allows, and no more
        assert len(starts) == -(-(size - patch) // step) + 1


def test_every_cell_is_finished_once_and_nothing_stays_pending():
    seen = np.zeros((37, 20, 25), int)
    window = Window((12, 12, 12), 0.5)

    def finish(box, channels):
        seen[box] += 1
        assert torch.isfinite(channels).all()

    mosaic = Mosaic(window, seen.shape, finish)
    for corner in mosaic.corners():
        mosaic.add(corner, torch.ones(1, 2, 12, 12, 12), lambda output: output)
        mosaic.done(corner)
    assert (seen == 1).all()
    assert not mosaic._pending


def test_what_is_pending_does_not_grow_with_the_length_of_the_scan():
    def most_pending(length):
        window, most = Window((16, 16, 16), 0.5), 0
        mosaic = Mosaic(window, (24, length, 24), lambda box, channels: None)
        for corner in mosaic.corners():
            mosaic.add(corner, torch.ones(1, 2, 16, 16, 16), lambda output: output)
            most = max(most, sum(cell.channels.numel() for cell in mosaic._pending.values()))
            mosaic.done(corner)
        return most

    assert most_pending(400) == most_pending(80)
    assert most_pending(400) < 2 * 24 * 24 * 24 * 1.5


def test_windows_of_background_are_skipped_and_the_rest_is_as_before():
    sample, network = sample_of((48, 16, 16)), dense_net()
    sample.reference.array[:, 20:] = -1.0
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    whole = ask([network], sample, Window((8, 16, 16), 0.0))
    everything = len(calls)
    skipped = ask([network], sample, Window((8, 16, 16), 0.0, skip_span=0.0), voxels=np.random.default_rng(0))
    assert everything == 6
    assert len(calls) - everything == 3
    np.testing.assert_array_equal(skipped.label[:24], whole.label[:24])
    assert (skipped.label[24:] == 0).all()
    assert (skipped.top_probability[24:] == 255).all()
    assert (skipped.doubt[24:] == 0).all()
    flat = np.zeros((48, 16, 16), bool)
    flat[24:] = True
    kept = flat.reshape(-1)[skipped.voxel_sample["index"]]
    np.testing.assert_array_equal(skipped.voxel_sample["probability"][kept][:, 0], 1.0)


def test_networks_and_passes_are_averaged_before_recalibration():
    sample = sample_of((6, 5, 4))
    networks = [dense_net(seed=1), dense_net(seed=2)]
    window = Window((6, 5, 4), 0.0)
    passes = [Pass(), Pass(flip=(0,)), Pass(flip=(1, 2))]
    image = torch.from_numpy(sample.reference.array)[None]
    with torch.no_grad():
        parts = [
            network(image.flip([axis + 2 for axis in each.flip])).softmax(1).flip([axis + 2 for axis in each.flip])
            for network in networks
            for each in passes
        ]
    mean = torch.stack(parts).mean(0)
    expected = (mean**2 / (mean**2).sum(1, keepdim=True))[0]
    prediction = ask(
        networks,
        sample,
        window,
        passes=passes,
        recalibrate=lambda p: p**2 / (p**2).sum(1, keepdim=True),
        voxels=np.random.default_rng(0),
    )
    np.testing.assert_allclose(prediction.voxel_sample["probability"], expected.reshape(3, -1).T, atol=1e-6)
    assert 0 < prediction.uncertainty < 1


def test_the_objectives_own_uncertainty_is_taken():
    sample = sample_of((6, 6, 6))

    def evidential(output):
        alpha = output.exp() + 1
        return Decoded(alpha / alpha.sum(1, keepdim=True), 3 / alpha.sum(1))

    prediction = ask([dense_net()], sample, Window((6, 6, 6), 0.0), decode=evidential)
    with torch.no_grad():
        alpha = dense_net()(torch.from_numpy(sample.reference.array)[None]).exp() + 1
    np.testing.assert_allclose(prediction.doubt / 255, (3 / alpha.sum(1))[0], atol=0.5 / 255 + 1e-6)
    found = prediction.label > 0
    assert prediction.uncertainty == pytest.approx(float((3 / alpha.sum(1))[0].numpy()[found].mean()), abs=1e-5)


# -------------------------------------------------------------------- one answer a case


class Whole(nn.Module):
    """Batch norm and dropout, and an answer a case."""

    def __init__(self, dropout=0.5):
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(8, 2)

    def forward(self, image):
        return self.head(self.body(image).flatten(2).mean(-1))


def test_a_case_is_seen_whole_and_alone():
    sample, network = sample_of((20, 31)), Whole()
    network.train()  # as it is found while it learns
    prediction = ask([network], sample, Window((8, 8)), question=FINDING)
    assert all(module.training for module in network.modules())
    network.eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(sample.reference.array)[None]).softmax(1)[0]
    np.testing.assert_array_equal(prediction.probability, expected.double())
    p = expected.double().numpy()
    assert prediction.uncertainty == pytest.approx(-(p * np.log2(p)).sum(), abs=1e-6)
    assert prediction.label is None


@pytest.mark.answer("L3.7")
def test_dropout_passes_leave_batch_normalisation_alone():
    sample, network = sample_of((20, 20)), Whole(dropout=0.3)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    passes = [Pass(dropout=True, index=index) for index in range(8)]
    first = ask([network], sample, Window((20, 20)), question=FINDING, passes=passes)
    again = ask([network], sample, Window((20, 20)), question=FINDING, passes=passes)
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    assert len(np.unique(first.passes[:, 0])) == 8  # every pass draws anew
    np.testing.assert_array_equal(first.passes, again.passes)  # and can be repeated
    np.testing.assert_allclose(first.probability, first.passes.mean(0), atol=1e-7)
    without = ask([Whole(dropout=0.0)], sample, Window((20, 20)), question=FINDING, passes=passes)
    plain = ask([Whole(dropout=0.0)], sample, Window((20, 20)), question=FINDING)
    np.testing.assert_array_equal(without.passes, np.repeat(plain.passes, 8, axis=0))


def test_dropout_passes_do_not_disturb_the_generator_of_others():
    network = Whole()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ask([network], sample_of((9, 9)), Window((9, 9)), question=FINDING, passes=[Pass(dropout=True)])
    assert torch.equal(torch.rand(3), expected)


def test_passes_with_dropout_need_dropout():
    with pytest.raises(RecipeError) as caught:
        ask([dense_net()], sample_of((6, 6, 6)), Window((6, 6, 6)), passes=[Pass(dropout=True)])
    assert caught.value.problem.code == "no_dropout"


class TwoViews(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images, present):
        self.seen.append({view: bool(there[0]) for view, there in present.items()})
        return torch.stack([image.flatten(1).mean(1) for image in images.values()], 1)


def test_a_missing_view_is_said_to_be_missing():
    sample, network = sample_of((6, 6), views=("frontal",)), TwoViews()
    inputs = Inputs(("frontal", "lateral"), 1, 2, (6, 6))
    predict([network], sample, inputs=inputs, question=FINDING, decode=softmax, window=Window((6, 6)))
    assert network.seen == [{"frontal": True, "lateral": False}]


def test_a_case_without_any_view_is_refused():
    with pytest.raises(PrepareError) as caught:
        inputs = Inputs(("lateral",), 1, 2, (6, 6))
        predict([Whole()], sample_of((6, 6)), inputs=inputs, question=FINDING, decode=softmax, window=Window((6, 6)))
    assert caught.value.problem.code == "no_view"


def test_views_on_different_grids_are_refused_where_the_answer_is_dense():
    images = {**sample_of((6, 6, 6)).images, "other": sample_of((6, 6, 7)).reference}
    inputs = Inputs(("image", "other"), 1, 3, (6, 6, 6))
    with pytest.raises(PrepareError) as caught:
        predict(
            [TwoViews()],
            Sample("case", images),
            inputs=inputs,
            question=STRUCTURES,
            decode=softmax,
            window=Window((6, 6, 6)),
        )
    assert caught.value.problem.code == "views_differ"


def test_sixteen_bits_are_near_thirty_two():
    sample, network = sample_of((24, 24, 24)), dense_net()
    exact = ask([network], sample, Window((16, 16, 16)))
    near = ask([network], sample, Window((16, 16, 16)), precision="bf16")
    assert (exact.label == near.label).mean() > 0.97
    assert np.abs(exact.top_probability.astype(int) - near.top_probability).max() <= 5
