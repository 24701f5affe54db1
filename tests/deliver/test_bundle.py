"""From a run to a sealed file and back to the run's own numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pandas
import pytest
from PIL import Image as Pillow

from preceptor import api
from preceptor.core.cohort import Cohort
from preceptor.core.errors import BundleError, RecipeError, Refusal
from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction
from preceptor.deliver.bundle import Bundle, seal
from preceptor.deliver.container import write_container
from preceptor.deliver.council import merge

from .sealed import dense_run, two_view_run
from .test_container import write_key


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    return dense_run(folder), folder / "blobs.preceptor"


@pytest.fixture(scope="module")
def two_views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_views")
    return two_view_run(folder), folder / "two.preceptor"


@pytest.fixture(scope="module")
def bundle(dense):
    run, path = dense
    return run.seal(path)


def image_of(run, key):
    from preceptor.core.cohort import Cohort

    cohort = Cohort.read(run.folder / "cohort.parquet")
    return cohort.root / cohort[key].images["image"]


def altered(path: Path, out: Path, change) -> Path:
    """A bundle with other members, rightly sealed: what a stranger could send."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    change(members)
    write_container(out, members)
    return out


# -------------------------------------------------------------------- the run's own numbers


def test_a_segmentation_is_the_runs_own_bit_for_bit(dense, bundle):
    run, _ = dense
    tested = run.predictions.role("test").table
    assert len(tested) == 4
    for row in tested.itertuples():
        prediction = bundle.predict(image_of(run, row.key))
        stored = nibabel.load(run.folder / row.answer)
        np.testing.assert_array_equal(prediction.mask.array[0], np.asarray(stored.dataobj))
        np.testing.assert_array_equal(prediction.mask.affine_mm, stored.affine)
        assert prediction.uncertainty == row.uncertainty
        assert prediction.accepted
    assert set(np.unique(prediction.mask.array)) == {0, 3}  # values of the file, not class indices


def test_a_mask_lies_where_its_image_lies(dense, bundle):
    """The blob is bright: what is marked must be brighter than what is not, on the image's own grid."""
    run, _ = dense
    path = image_of(run, run.predictions.role("test").table["key"].iloc[0])
    image = np.asarray(nibabel.load(path).dataobj)
    mask = bundle.predict(path).mask.array[0] > 0
    assert image[mask].mean() > 2
    assert abs(image[~mask].mean()) < 0.4


def test_folds_answer_together(two_views, tmp_path):
    run, path = two_views
    bundle = run.seal(path)
    assert len(bundle.groups) == 2
    rows = run.predictions.role("test").table.set_index("key")
    cohort = run.folder / "cohort.parquet"
    both = bundle.answer_cohort(Cohort.read(cohort), tmp_path).table.set_index("key")
    data = Path(run.recipe.folder) / "data"
    alone = bundle.predict({"frontal": data / "frontal-01.png", "lateral": data / "lateral-01.png"})
    same_case = both.loc[[key for key in both.index if _is(run, key, "frontal-01.png")][0]]
    np.testing.assert_allclose(
        alone.probability, same_case[["probability_absent", "probability_present"]].astype(float)
    )
    # each fold alone answers its own test cases as it did in the run
    panels = bundle.council().panels
    for name, panel in zip(("0", "1"), panels, strict=True):
        key = rows[rows["fit"] == name].index[0]
        assert panel(_opened(run, key)).probability[1] == rows.loc[key, "probability_present"]


def _is(run, key, name):
    from preceptor.core.cohort import Cohort

    return Cohort.read(run.folder / "cohort.parquet")[key].images["frontal"].endswith(name)


def _opened(run, key):
    from preceptor.core.cohort import Cohort
    from preceptor.intake.case import open_case

    cohort = Cohort.read(run.folder / "cohort.parquet")
    return open_case(cohort.root, cohort[key])


def test_one_picture_for_a_model_of_two_views_asks_which(two_views):
    run, path = two_views
    bundle = run.seal(path)
    picture = Path(run.recipe.folder) / "data" / "frontal-01.png"
    with pytest.raises(RecipeError) as caught:
        bundle.predict(picture)
    assert caught.value.problem.code == "view_unsaid"
    assert bundle.predict({"lateral": picture}).accepted


# -------------------------------------------------------------------- what it holds


def test_what_a_bundle_holds(dense, bundle):
    run, path = dense
    assert bundle.question.classes == ("background", "blob")
    assert bundle.evidence["dice"].value == run.evidence["dice"].value
    assert bundle.recipe.digest() == run.recipe.digest()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        card = archive.read("card.md").decode()
    assert "# blobs" in card
    assert f"{run.evidence['dice'].value:.3f}" in card
    assert {"recipe.json", "evidence.json", "card.json", "environment.json", "manifest.json"} <= set(names)
    assert not [name for name in names if not name.endswith((".json", ".md", ".safetensors"))]


def test_sealing_twice_gives_the_same_bytes(dense, bundle, tmp_path):
    run, path = dense
    seal(run.folder, tmp_path / "again.preceptor")
    assert (tmp_path / "again.preceptor").read_bytes() == path.read_bytes()


def test_no_column_names_a_patient_and_the_card_says_so(bundle):
    assert bundle.card["interval unit"] == "image"


def test_opening_needs_nothing_of_the_training(dense, bundle):
    _, path = dense
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'lightning_fabric', 'sklearn', 'monai', 'matplotlib', 'skimage'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from preceptor.deliver.bundle import Bundle\n"
        "print(Bundle.open(sys.argv[1]).predict(sys.argv[2]).accepted)\n"
    )
    run, _ = dense
    image = image_of(run, run.predictions.table["key"].iloc[0])
    done = subprocess.run([sys.executable, "-c", program, str(path), str(image)], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr[-2000:]


def test_gates_that_do_not_hold_are_not_sealed(dense, tmp_path):
    run, _ = dense
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    evidence = json.loads((folder / "evidence.json").read_text())
    evidence["verdicts"][0] |= {"passed": False, "sentence": "dice is 0.1, not at least 0.9"}
    (folder / "evidence.json").write_text(json.dumps(evidence))
    with pytest.raises(Refusal, match="dice is 0.1") as caught:
        seal(folder, tmp_path / "b.preceptor")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "b.preceptor").exists()


@pytest.mark.parametrize(
    "gone", ["evidence.json", "fits/0/group.json", "fits/0/best.safetensors", "fits/0/prepare.json"]
)
def test_half_a_run_is_not_sealed(dense, tmp_path, gone):
    run, _ = dense
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / gone).unlink()
    with pytest.raises(BundleError) as caught:
        seal(tmp_path / "run", tmp_path / "b.preceptor")
    assert caught.value.problem.code in ("run_unfinished", "run_incomplete")
    assert not (tmp_path / "b.preceptor").exists()


def test_a_signed_bundle_is_opened_with_the_right_key_only(dense, tmp_path):
    run, _ = dense
    ours, theirs = write_key(tmp_path / "ours.pem"), write_key(tmp_path / "theirs.pem")
    path = seal(run.folder, tmp_path / "signed.preceptor", ours)
    assert Bundle.open(path, key=ours).signer is not None
    with pytest.raises(BundleError, match="another key"):
        Bundle.open(path, key=theirs)
    seal(run.folder, tmp_path / "plain.preceptor")
    with pytest.raises(BundleError, match="not signed"):
        Bundle.open(tmp_path / "plain.preceptor", key=ours)


# -------------------------------------------------------------------- strangers' bundles, rightly sealed


def _set(name, value, *path):
    def change(members):
        record = json.loads(members[name])
        inner = record
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        members[name] = json.dumps(record).encode()

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("recipe.json", {"os.system": {"command": "touch x"}}, "network"), "bundle_recipe"),
        (_set("recipe.json", [{"no_such_step": {}}], "prepare"), "bundle_recipe"),
        (_set("recipe.json", {"unet": {"channels": ["4", 8]}}, "network"), "bundle_recipe"),
        (_set("recipe.json", "all", "train"), "bundle_damaged"),
        (_set("groups/0/group.json", "x", "inputs"), "bundle_damaged"),
        (_set("groups/0/group.json", [10**9, 10**9, 10**9], "inputs", "patch"), "bundle_damaged"),
        (lambda members: members.pop("groups/0/group.json"), "bundle_damaged"),
        (lambda members: members.update({"recipe.json": b"[" * 100_000}), "bundle_damaged"),
        (lambda members: members.update({"recipe.json": b"\xff"}), "bundle_damaged"),
    ],
)
def test_what_a_stranger_writes_is_checked(dense, bundle, tmp_path, change, code):
    path = altered(dense[1], tmp_path / "b.preceptor", change)
    with pytest.raises(BundleError) as caught:
        Bundle.open(path)
    assert caught.value.problem.code == code


@pytest.mark.parametrize("channels", [[100_000, 200_000], [8, 16]])
def test_a_network_larger_than_its_weights_is_refused_before_it_is_made(dense, bundle, tmp_path, channels):
    path = altered(dense[1], tmp_path / "b.preceptor", _set("recipe.json", channels, "network", "unet", "channels"))
    with pytest.raises(BundleError) as caught:
        Bundle.open(path).council()
    assert caught.value.problem.code == "weights_do_not_fit"


def test_states_of_other_steps_are_refused(dense, bundle, tmp_path):
    def change(members):
        recipe = json.loads(members["recipe.json"])
        recipe["prepare"] = recipe["prepare"][:1]
        members["recipe.json"] = json.dumps(recipe).encode()

    path = altered(dense[1], tmp_path / "b.preceptor", change)
    with pytest.raises(BundleError) as caught:
        Bundle.open(path).council()
    assert caught.value.problem.code == "states_do_not_fit"


# -------------------------------------------------------------------- many inputs


def test_a_folder_of_images_becomes_a_table(dense, bundle, tmp_path):
    run, path = dense
    images = tmp_path / "images"
    images.mkdir()
    for number, key in enumerate(run.predictions.role("test").table["key"]):
        shutil.copy(image_of(run, key), images / f"Doe^Jane-{number}.nii.gz")
    Pillow.fromarray(np.full((30, 30), 7, np.uint8)).save(images / "photo.png")
    (images / "broken.nii.gz").write_bytes(b"no image")
    (images / "notes.md").write_text("not an image")
    table = api.predict(path, [images], tmp_path / "out")
    assert len(table) == 6
    assert table["accepted"].sum() == 4
    refused = table[~table["accepted"].astype(bool)]
    assert refused["answer"].isna().all()
    assert refused["reasons"].str.len().gt(10).all()
    assert any("2 axes of space" in reason for reason in refused["reasons"])
    stored = pandas.read_csv(tmp_path / "out" / "predictions.csv")
    assert list(stored["key"]) == list(table["key"])
    for answer in stored["answer"].dropna():
        assert (tmp_path / "out" / answer).exists()
    # a name leads to a person: it stands in one file and nowhere else
    holding = [
        each.name
        for each in (tmp_path / "out").rglob("*")
        if "Jane" in each.name or (each.is_file() and b"Jane" in each.read_bytes())
    ]
    assert holding == ["inputs.csv"]


def test_the_same_command_again_goes_on_where_it_stopped(dense, bundle, tmp_path, monkeypatch):
    from preceptor.deliver import predicting

    run, path = dense
    images = [image_of(run, key) for key in run.predictions.role("test").table["key"][:2]]
    first = api.predict(path, images[:1], tmp_path / "out")
    asked = []
    plain = predicting.answer_opened
    monkeypatch.setattr(predicting, "answer_opened", lambda *given: asked.append(1) or plain(*given))
    both = api.predict(path, images, tmp_path / "out")
    assert len(asked) == 1
    assert both["key"].iloc[0] == first["key"].iloc[0]
    assert both["blob_mm3"].iloc[0] == first["blob_mm3"].iloc[0]


def test_a_folder_holds_the_predictions_of_one_model(dense, bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.txt").write_text("another\n")
    run, path = dense
    with pytest.raises(BundleError) as caught:
        api.predict(path, [image_of(run, run.predictions.table["key"].iloc[0])], tmp_path / "out")
    assert caught.value.problem.code == "another_model"


def test_an_image_of_other_voxels_is_refused(dense, bundle, tmp_path):
    image = nibabel.Nifti1Image(
        np.random.default_rng(0).normal(size=(16, 14, 8)).astype(np.float32), np.diag([9.0, 9, 9, 1])
    )
    nibabel.save(image, tmp_path / "coarse.nii.gz")
    prediction = bundle.predict(tmp_path / "coarse.nii.gz")
    assert not prediction.accepted
    assert "9 x 9 x 9 mm" in prediction.reasons[0]
    assert prediction.mask is None


# -------------------------------------------------------------------- the vote of groups


def test_groups_vote_by_what_they_give_their_class():
    question = Question("segmentation", "label", ("background", "a", "b"), dense=True, values=(0, 1, 2))

    def says(label, top, accepted=True):
        each = Prediction("k", question, uncertainty=0.2, accepted=accepted, reasons=[] if accepted else ["too dark"])
        each.label, each.top_probability = np.array([label], np.uint8), np.array([top], np.uint8)
        each.doubt = np.array([100], np.uint8)
        return each

    merged = merge([says(1, 120), says(1, 110), says(2, 220)])
    assert merged.label.tolist() == [1]
    assert merged.top_probability.tolist() == [77]  # (120 + 110 + 0) / 3
    assert merge([says(1, 100), says(2, 220), says(0, 90)]).label.tolist() == [2]
    assert merge([says(1, 100), says(1, 100, accepted=False), says(1, 100)]).accepted
    refused = merge([says(1, 100), says(1, 100, accepted=False)])
    assert not refused.accepted
    assert refused.reasons == ["too dark"]
