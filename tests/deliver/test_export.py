"""Bundles for other programs answer as the bundle does."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from preceptor.core.errors import Refusal
from preceptor.deliver.bundle import Bundle
from preceptor.intake.case import open_case
from preceptor.prepare.store import prepare_sample

from .sealed import dense_run, two_view_run

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    run = dense_run(folder)
    return run, run.seal(folder / "blobs.preceptor")


def test_onnx_answers_as_the_bundle(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    bundle = Bundle.open(GOLDEN / "v1.preceptor")
    path = bundle.export_onnx(tmp_path / "golden.onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["image"]
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["preceptor.classes"]) == ["dark", "square"]
    assert json.loads(told["preceptor.bundle"]) == bundle.digest
    from preceptor.deliver.predicting import case_of

    for number in range(2):
        picture = GOLDEN / f"v1-{number}.png"
        root, case = case_of(picture, bundle.views, {})
        prepared = prepare_sample(open_case(root, case), bundle.council("cpu").panels[0].steps).reference.array
        (probability,) = session.run(None, {"image": np.repeat(prepared[None], 3, 0)})  # any number in a batch
        assert probability.shape == (3, 2)
        np.testing.assert_allclose(probability[0], bundle.predict(picture).probability, atol=1e-5)


def test_onnx_of_several_views_and_folds(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = two_view_run(tmp_path)
    bundle = run.seal(tmp_path / "two.preceptor")
    session = runtime.InferenceSession(str(bundle.export_onnx(tmp_path / "two.onnx")))
    assert [each.name for each in session.get_inputs()] == ["frontal", "lateral", "present_frontal", "present_lateral"]
    data = tmp_path / "data"
    sources = {"frontal": data / "frontal-01.png", "lateral": data / "lateral-01.png"}
    for views in (["frontal", "lateral"], ["frontal"], ["lateral"]):
        given = {view: sources[view] for view in views}
        expected = bundle.predict(given).probability
        from preceptor.deliver.predicting import case_of

        root, case = case_of(given, bundle.views, {})
        prepared = bundle.council("cpu").prepare(open_case(root, case))
        feed = {}
        for view in bundle.views:
            there = view in views
            feed[view] = prepared.images[view].array[None] if there else np.zeros((1, 1, 10, 12), np.float32)
            feed[f"present_{view}"] = np.array([there])
        np.testing.assert_allclose(session.run(None, feed)[0][0], expected, atol=1e-5)


def test_monai_runs_the_layout(dense, tmp_path):
    from monai.bundle import ConfigParser

    run, bundle = dense
    folder = bundle.export_monai(tmp_path / "monai")
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "blob"}
    assert (folder / "docs" / "README.md").read_text().startswith("# blobs")
    assert not [path for path in folder.rglob("*") if path.suffix in (".pt", ".ts", ".pkl")]
    image = Path(run.recipe.folder) / "data" / "images" / "03.nii.gz"
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    parser["bundle_root"], parser["input"] = str(folder), str(image)
    parser.parse()
    (written,) = parser.get_parsed_content("run")
    mask = np.asarray(nibabel.load(written).dataobj)
    ours = bundle.predict(image).mask.array[0]
    assert mask.shape == ours.shape
    np.testing.assert_array_equal(nibabel.load(written).affine, nibabel.load(image).affine)
    # windows lie a little differently, and ours keeps the largest component only
    assert (mask == ours).mean() > 0.97


def test_monai_refuses_what_the_bundle_refuses(dense, tmp_path):
    from preceptor.deliver.monai_network import Prepared, SealedNetwork

    _, bundle = dense
    nibabel.save(
        nibabel.Nifti1Image(np.eye(20, dtype=np.float32)[..., None], np.diag([9.0, 9, 9, 1])), tmp_path / "a.nii"
    )
    with pytest.raises(Refusal, match="9 x 9 x 9 mm"):
        Prepared(SealedNetwork(str(bundle.path)))(tmp_path / "a.nii")
