"""Studies of one kind of phantom: the same bytes by any road, valid DICOM, truth on the image's grid."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from preceptor.cli import main
from preceptor.core.drawn import Turn
from preceptor.core.errors import CohortError, RecipeError
from preceptor.intake.case import open_case
from preceptor.intake.datasets.synthetic import Synthetic
from preceptor.intake.synthesis.drawn_study import Order, draw_case, synthesise
from preceptor.recipe.settings import named_settings

SMALL = Order({"trivial": {"size": [16, 12, 6], "task": "segmentation"}}, 5, "dicom", seed=4)


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_one_process_or_two_backwards_or_broken_off_make_the_same_bytes(tmp_path):
    whole = contents(synthesise(SMALL, tmp_path / "whole").root)
    assert contents(synthesise(SMALL, tmp_path / "two", workers=2).root) == whole
    begun = tmp_path / "begun"
    synthesise(SMALL, begun)
    (begun / "cohort.csv").unlink()  # as a kill leaves it: some cases drawn, backwards, one of them half
    shutil.rmtree(begun / "images")
    (begun / ".rows").mkdir()
    for index in (4, 2):
        draw_case(SMALL, begun, index)
    kept = begun / "images" / "c00004-image" / "0001.dcm"
    stamp = kept.stat().st_mtime_ns
    (begun / "images" / "c00001-image").mkdir()
    (begun / "images" / "c00001-image" / "0001.dcm").write_bytes(b"half")
    assert contents(synthesise(SMALL, begun).root) == whole
    assert kept.stat().st_mtime_ns == stamp, "what was there is not drawn again"


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    synthesise(SMALL, tmp_path / "study")
    with pytest.raises(CohortError) as caught:
        synthesise(Order(SMALL.kind, 5, "dicom", seed=5), tmp_path / "study")
    assert caught.value.problem.code == "synthesis_other"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(CohortError) as caught:
        synthesise(SMALL, tmp_path / "mine")
    assert caught.value.problem.code == "synthesis_folder"
    assert main(["synthesise", "trivial", str(tmp_path / "mine"), "--cases", "1", "--fresh"]) == 3
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("size", [[18, 14], [18, 14, 6]])
@pytest.mark.parametrize("kind", ["nifti", "png", "dicom"])
def test_masks_lie_on_their_images(size, kind, tmp_path):
    order = Order({"trivial": {"size": size, "task": "segmentation"}}, 2, kind)
    if kind == "png" and len(size) == 3:
        with pytest.raises(RecipeError, match="a volume"):
            synthesise(order, tmp_path / "study")
        return
    cohort = synthesise(order, tmp_path / "study")
    for case in cohort:
        sample = open_case(cohort.root, case)
        image, mask = sample.images["image"], sample.masks["label"]
        assert image.shape == mask.shape
        if len(size) == 3:
            assert np.allclose(image.affine_mm, mask.affine_mm, atol=1e-3)
        bright = image.array[0] / image.array.max()
        assert bright[mask.array[0] > 0].mean() > bright[mask.array[0] == 0].mean() + 0.25


@pytest.mark.parametrize(
    "settings",
    [{"size": [20, 16, 4], "spacing_mm": [1.5, 2, 3.25]}, {"size": [20, 16]}, {"size": [20, 15], "channels": 3}],
)
def test_its_dicom_is_valid(settings, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not here")
    cohort = synthesise(Order({"trivial": settings}, 2, "dicom"), tmp_path / "study")
    files = sorted(cohort.root.rglob("*.dcm"))
    assert len(files) == (8 if len(settings["size"]) == 3 else 2)
    for path in files:
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        assert errors == [] and said.returncode == 0
    image = open_case(cohort.root, cohort.cases[0]).images["image"]
    assert image.channels == settings.get("channels", 1) and image.shape == tuple(settings["size"])


def test_nifti_keeps_what_lies_outside_and_dicom_cuts_it_off(tmp_path):
    kind = {"indissociable": {"size": [16, 16]}}
    kept, cut = (synthesise(Order(kind, 1, each), tmp_path / each) for each in ("nifti", "dicom"))
    one, two = (open_case(each.root, each.cases[0]).images["image"].array[0] for each in (kept, cut))
    assert one.min() < -100 and one.max() > 1100
    assert np.array_equal(np.clip(one, 0, 1000), two)


def test_the_data_set_is_the_study(tmp_path):
    dataset = Synthetic(tmp_path, {"shepp_logan": {"size": [32, 32]}}, number=6, format="png", folder="here", seed=9)
    study = synthesise(Order({"shepp_logan": {"size": [32, 32]}}, 6, "png", 9), tmp_path / "study")
    assert list(dataset.cases()) == list(study.cases)
    assert contents(dataset.cohort_root) == contents(study.root)
    assert {case.fields["subtype"] for case in dataset.cases() if case.labels["label"] == "CN"} == {0}
    with pytest.raises(RecipeError, match="leads out"):
        Synthetic(tmp_path, "trivial", folder="../elsewhere")


def test_the_command_line_draws_lists_and_explains(tmp_path, capsys):
    command = ["synthesise", "shepp_logan", str(tmp_path / "s"), "--cases", "4", "--format", "png", "--seed", "2"]
    assert main([*command, "--set", "size=[32, 32]", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["cases"] == 4 and said["truth"] == ["label:label", "subtype"]
    assert (tmp_path / "s" / "cohort.csv").is_file()
    assert main([*command, "--json"]) == 3, "another size is another study"
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "synthesis_other"
    assert main([*command, "--fresh"]) == 0
    assert main(["synthesise", "--list", "--json"]) == 0
    captured = capsys.readouterr().out
    assert {"trivial", "indissociable", "shepp_logan"} <= set(json.loads(captured[captured.index("{") :])["phantoms"])
    assert main(["synthesise"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--cases", "0"],
        ["--burned-text", "1.5"],
        ["--burned-text", "0.5", "--text-height-px", "20", "8"],
        ["--burned-text", "0.5", "--text-contrast", "0.2", "2"],
    ],
)
def test_an_order_that_nobody_can_mean_is_refused_before_anything_is_drawn(wrong, tmp_path, capsys):
    assert main(["synthesise", "trivial", str(tmp_path / "study"), *wrong]) == 2
    assert "expected: " in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_settings_are_checked_and_every_fault_is_told():
    assert named_settings("phantoms", "trivial", ["noise=1"])["trivial"]["noise"] == 1.0
    with pytest.raises(RecipeError) as caught:
        named_settings("phantoms", "trivial", ["nose=1", "size=64"])
    assert caught.value.problem.where == "--set nose=1" and "noise" in caught.value.problem.remedy
    assert [each.where for each in caught.value.problems] == ["--set size=64"]


def test_streams_of_a_turn_are_apart_and_shares_are_even():
    turns = [Turn(1, index, 10) for index in range(10)]
    dealt = [turn.dealt("class", 3) for turn in turns]
    assert sorted(np.bincount(dealt)) == [3, 3, 4] and dealt != sorted(dealt)
    assert turns[0].shared("a").random() == turns[5].shared("a").random() != turns[0].shared("b").random()
    assert turns[0].of("site", 1).random() == turns[7].of("site", 1).random()
    draws = {turn.rng(name).random() for turn in turns for name in ("a", "b")}
    assert len(draws) == 20 and Turn(2, 0, 10).rng("a").random() not in draws
