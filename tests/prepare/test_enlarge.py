"""An enlarged cohort: copies of training cases alone, on their parent's side, the same bytes for the same seed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.cohort import Cohort
from preceptor.core.errors import PreceptorError, RecipeError
from preceptor.intake.case import open_case
from preceptor.intake.read import read_image
from preceptor.prepare import enlarge as module

from .cases import volumes

RECIPE = """\
study: tiny
seed: 5
cohort: {folder: {folder: data, image: "image*.nii", label: "label*.nii", keep_names: true}}
split: {by: image, train: 0.5, tune: 0.25, test: 0.25}
prepare: [zscore]
augment:
  - {rotate: {degrees: 20}}
  - {shift: {shift_mm: 4}}
  - {noise: {sigma: 0.1}}
task: {segmentation: {labels: {small: 1, large: 2}}}
network: {unet: {channels: [4, 8]}}
objective: [dice]
train: {epochs: 1, batch_size: 2, patch: [12, 12, 12]}
checks: [unreadable]
evaluate: [dice]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("enlarge")
    volumes(folder / "data", ((16, 18, 14),) * 12)
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def larger(folder):
    return api.augment(folder / "tiny.yaml", folder / "out", copies=3, stream=None)


def _bytes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_copies_differ_from_their_parent_and_from_each_other_and_the_mask_moves_along(folder, larger):
    for key in sorted({case.fields["augmented_from"] for case in larger if case.role == "train"}):
        family = [open_case(larger.root, case) for case in larger if case.fields["augmented_from"] == key]
        arrays = [sample.images["image"].array for sample in family]
        assert all(np.abs(one - two).mean() > 0.01 for n, one in enumerate(arrays) for two in arrays[:n])
        for sample in family:
            assert sample.images["image"].array.dtype == np.float32
            values = set(np.unique(sample.masks["label"].array))
            assert values <= {0, 1, 2, 255} and {1, 2} & values
        assert 255 not in family[0].masks["label"].array
        assert any(255 in sample.masks["label"].array for sample in family[1:]), "what lay outside was never labelled"


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(folder, larger, tmp_path):
    api.augment(folder / "tiny.yaml", tmp_path / "again", copies=3, stream=None)
    first, again = _bytes(folder / "out"), _bytes(tmp_path / "again")
    assert {**first, "recipe.yaml": ""} == {**again, "recipe.yaml": ""}
    api.augment(folder / "tiny.yaml", tmp_path / "other", copies=3, set=["seed=6"], stream=None)
    assert _bytes(tmp_path / "other") != first


def test_a_killed_one_goes_on_where_it_stopped(folder, larger, tmp_path, monkeypatch):
    written = []
    put = module._put

    def dying(path, image):
        if len(written) == 9:
            raise KeyboardInterrupt
        written.append(path)
        put(path, image)

    monkeypatch.setattr(module, "_put", dying)
    with pytest.raises(KeyboardInterrupt):
        api.augment(folder / "tiny.yaml", tmp_path / "out", copies=3, stream=None)
    assert not (tmp_path / "out" / "cohort.parquet").exists()
    monkeypatch.setattr(module, "_put", lambda path, image: (written.append(path), put(path, image)))
    api.augment(folder / "tiny.yaml", tmp_path / "out", copies=3, stream=None)
    # Of the case it died in, one file is written twice at most.
    assert len(written) - len(set(written)) <= 1
    assert {**_bytes(tmp_path / "out"), "recipe.yaml": ""} == {**_bytes(folder / "out"), "recipe.yaml": ""}


def test_its_own_recipe_trains_on_it(folder, larger):
    recipe = api.check(folder / "out" / "recipe.yaml")
    assert recipe.prepare == () and recipe.augment == () and recipe.split["given"]
    from preceptor.core.slots import build
    from preceptor.intake.cohort import build_cohort

    cohort = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), "again")
    assert Counter(case.role for case in cohort) == {"train": 24, "tune": 3, "test": 3}
    assert len({case.cluster for case in cohort}) == 12 and not cohort.knows_patients
    task = build("tasks", recipe.task)
    for case in cohort.cases[:4]:
        index = task.encode_mask(read_image(cohort.root, case.masks["label"], is_label=True).array)
        assert index.min() >= -1 and index.max() == 2


def test_the_table_leads_to_the_files_wherever_the_folder_goes(folder, larger, tmp_path):
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(folder / "out", moved)
    cohort = Cohort.read(moved / "cohort.parquet")
    assert cohort.root == moved and (moved / cohort.cases[0].images["image"]).exists()
    assert cohort.notes == larger.notes


def test_what_is_refused(folder, larger, tmp_path):
    with pytest.raises(RecipeError, match="nothing"):
        api.augment(folder / "tiny.yaml", tmp_path / "a", copies=1, set=["augment=[]"], stream=None)
    with pytest.raises(RecipeError, match="test case"):
        api.augment(folder / "tiny.yaml", tmp_path / "b", copies=1, set=["strategy={k_fold: {folds: 3}}"], stream=None)
    with pytest.raises(RecipeError, match="no copies"):
        api.augment(folder / "tiny.yaml", tmp_path / "c", copies=0, stream=None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(RecipeError, match="something else"):
        api.augment(folder / "tiny.yaml", tmp_path / "mine", copies=1, fresh=True, stream=None)
    with pytest.raises(RecipeError, match="something else"):
        api.augment(folder / "tiny.yaml", folder / "out", copies=2, stream=None)


def test_the_verb(folder, tmp_path, capsys):
    assert main(["augment", str(folder / "tiny.yaml"), str(tmp_path / "out"), "--copies", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["cases"] == 6 * 2 + 6 and said["roles"]["train"] == 12 and "6 x (1 + 1) = 12" in said["note"]
    assert main(["augment", str(folder / "tiny.yaml"), str(tmp_path / "out"), "--copies", "2"]) == 2
    assert main(["augment", str(folder / "tiny.yaml"), str(tmp_path / "out"), "--copies", "2", "--fresh"]) == 0


def test_copies_obey_the_rule_of_sides(folder, tmp_path):
    """A mirrored left structure is written as the right one; one without a partner is refused, in a policy too."""
    mirror = "augment=[{flip: {axes: [left-right], chance: 1.0}}]"
    sided = "task={segmentation: {labels: {left ball: 1, right ball: 2}}}"
    made = api.augment(folder / "tiny.yaml", tmp_path / "a", copies=1, set=[mirror, sided], stream=None)
    parent, child = (open_case(made.root, case) for case in made if case.fields["augmented_from"] == made.cases[0].key)
    exchanged = np.array([0, 2, 1], np.uint8)[parent.masks["label"].array[:, ::-1]]
    np.testing.assert_array_equal(child.masks["label"].array, exchanged)
    np.testing.assert_array_equal(child.images["image"].array, parent.images["image"].array[:, ::-1])
    alone = "task={segmentation: {labels: {left ball: 1, ball: 2}}}"
    policy = "augment=[{rand_augment: {transforms: [{flip: {axes: [left-right], chance: 1.0}}], count: 1}}]"
    for number, augment in enumerate((mirror, policy)):
        with pytest.raises(PreceptorError, match="left ball|flip|rand_augment"):
            api.augment(folder / "tiny.yaml", tmp_path / f"b{number}", copies=1, set=[augment, alone], stream=None)


def test_pictures_that_keep_their_values_stay_pictures(folder, tmp_path):
    """Eight bits in, eight bits out: PNG, the case itself pixel by pixel as it came."""
    (tmp_path / "png.yaml").write_text(
        """\
study: pictures
seed: 5
cohort: {phantoms: {visits: 8, size: [24, 24], format: png, folder: data}}
split: {by: patient, train: 0.5, test: 0.5}
augment: [{rotate: {degrees: 20}}]
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [4, 8], convolutions: 1}}
objective: cross_entropy
train: {epochs: 1, batch_size: 4}
checks: [unreadable]
evaluate: [roc]
"""
    )
    made = api.augment(tmp_path / "png.yaml", tmp_path / "out", copies=1, stream=None)
    files = sorted((tmp_path / "out" / "images").iterdir())
    assert {path.suffix for path in files} == {".png"} and len(files) == len(made)
    for case in made:
        pixels = read_image(made.root, case.images["image"]).array
        assert pixels.dtype == np.uint8
        (source,) = (tmp_path / "data").rglob(f"{case.fields['augmented_from']}*.png")
        same = np.array_equal(pixels, read_image(source.parent, source.name).array)
        assert same == (case.fields["augmented_copy"] == 0)
