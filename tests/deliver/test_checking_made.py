"""A sealed model judges made images: copies that `augment` wrote, and the same with their label maps dealt anew."""

from __future__ import annotations

import json
import shutil

import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError

from .sealed import dense_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle of a segmentation of bright blobs, and its cohort enlarged by copies."""
    folder = tmp_path_factory.mktemp("made")
    run = dense_run(folder, **{"train.epochs": "10"})
    assert run.evidence["dice"].value > 0.6, "a judge"
    run.seal(folder / "judge.preceptor")
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "augment: [{noise: {sigma: 0.1}}, {shift: {shift_mm: 1}}]\n")
    api.augment(recipe, folder / "larger", copies=3, stream=None)
    return folder


def command(made, cohort, *more):
    return ["cohort", "check-made", str(cohort), "--judge", str(made / "judge.preceptor"), "--margin", "0.2", *more]


def test_copies_that_keep_their_labels_are_accepted(made, capsys):
    assert main(command(made, made / "larger" / "cohort.parquet", "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["keeps_labels"] is True
    (blob,) = said["classes"]
    assert blob["made"]["cases"] == 8 * 3 and blob["real"]["cases"] == 4, "copies against the test cases"
    assert blob["difference"]["lower"] > -0.2 and blob["reason"] == ""


def test_label_maps_of_other_images_are_refused(made, capsys):
    """The generator that swaps: each copy carries the label map of another case."""
    swapped = made / "swapped"
    shutil.copytree(made / "larger", swapped)
    cohort = Cohort.read(swapped / "cohort.parquet")
    copies = [case for case in cohort if case.fields["augmented_copy"] > 0]
    for case, other in zip(copies, copies[3:] + copies[:3], strict=True):
        (name,) = case.masks
        shutil.copy(made / "larger" / other.masks[name], swapped / case.masks[name])
    assert main(command(made, swapped / "cohort.parquet")) == 4
    said = capsys.readouterr().out
    assert "labels are not shown to be kept: blob: Dice" in said and "lost" in said


def test_made_images_of_anyone_need_real_ones_beside_them(made):
    larger = made / "larger"
    whole = Cohort.read(larger / "cohort.parquet")
    whole.select(lambda case: case.fields["augmented_copy"] > 0).write(larger / "made.parquet")
    with pytest.raises(CohortError, match="no held-out real image"):
        api.check_made(made / "judge.preceptor", larger / "made.parquet")
    whole.select(lambda case: case.role == "test").write(larger / "real.parquet")
    found = api.check_made(made / "judge.preceptor", larger / "made.parquet", larger / "real.parquet", margin=0.2)
    assert found.verdict.passed and found.verdict.gate == "keeps_labels"
