"""A sealed segmentation marks the images of another model's preparation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from preceptor import api
from preceptor.core.cohort import Sample
from preceptor.core.errors import BundleError, PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.deliver.bundle import Bundle
from preceptor.deliver.segmenting import bundle_segmenter
from preceptor.intake.read import read_image
from preceptor.prepare.compose import prepare_sample

from .sealed import dense_run, two_view_run


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A sealed model of blobs, and an image that it takes."""
    folder = tmp_path_factory.mktemp("blobs")
    run = dense_run(folder)
    path = folder / "blobs.preceptor"
    api.seal(run.folder, path)
    return path, read_image(folder / "data/images", "00.nii.gz")


def test_a_step_takes_its_mask_from_a_bundle(blobs):
    path, image = blobs
    expected = api.open_bundle(path).predict(_file(path)).mask
    step = build("transforms", {"skull_strip": {"model": path.name, "least_ml": 0, "most_ml": 10}}, root=path.parent)
    step = step.with_state(step.fit([]))
    api.open_bundle(path).council("cpu")  # opening any bundle says how bundles are opened
    out = prepare_sample(Sample("a", {"image": image}), [step])
    np.testing.assert_array_equal(out.masks["brain"].array[0] > 0, expected.array[0] > 0)


def test_what_the_model_refuses_is_refused_by_the_step(blobs):
    mark = bundle_segmenter(blobs[0])
    with pytest.raises(PrepareError) as told:
        mark(Image(np.zeros((1, 16, 14), np.float32), np.eye(4)))
    assert told.value.problem.code == "segmenter_refused" and "axes of space" in told.value.problem.what


def test_a_mask_that_comes_with_a_refusal_is_not_used(blobs, monkeypatch):
    """A model may answer and say in the same breath that the answer is not to be relied on."""
    path, image = blobs

    def doubted(bundle, sample, device):
        mask = Image(np.ones((1, *image.shape), np.int8), image.affine_mm, is_label=True)
        return SimpleNamespace(accepted=False, reasons=["it is blurred"], mask=mask)

    monkeypatch.setattr("preceptor.deliver.predicting.predict_sample", doubted)
    with pytest.raises(PrepareError, match="it is blurred"):
        bundle_segmenter(path)(image)


def test_a_segmentation_of_several_views_is_refused(blobs, monkeypatch):
    bundle = Bundle.open(blobs[0])
    two = SimpleNamespace(question=bundle.question, views=("t1", "t2"))
    monkeypatch.setattr(Bundle, "open", lambda path: two)
    with pytest.raises(BundleError, match="no segmentation of one view"):
        bundle_segmenter(blobs[0])


def test_a_model_that_segments_nothing_is_refused(tmp_path):
    api.seal(two_view_run(tmp_path).folder, tmp_path / "views.preceptor")
    with pytest.raises(BundleError, match="no segmentation of one view"):
        bundle_segmenter(tmp_path / "views.preceptor")


def _file(path):
    return path.parent / "data/images/00.nii.gz"
