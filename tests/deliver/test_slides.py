"""A bundle on a whole slide: which class, how it is cut, and what becomes of tiles that it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction
from preceptor.deliver import slides as module
from preceptor.deliver.slides import predict_slide, tiling_of
from preceptor.intake.slides.slide import open_slide
from preceptor.intake.slides.tiles import Tiling
from tests.intake.slides.made import pyramid, stained, write_dicom

_CUT = {"tile_um": 32.0, "microns_per_pixel": 1.0, "overlap": 0.25, "least_tissue": 0.6, "tissue_by": "saturation"}


def _bundle(cohort=None, task="classification", classes=("healthy", "tumour"), views=("image",), **question):
    asked = Question(task, "label", tuple(classes), **question)
    cohort = {"slides": {"of": {"folder": {}}, **_CUT}} if cohort is None else cohort
    recipe = SimpleNamespace(cohort=cohort)
    return SimpleNamespace(question=asked, views=views, recipe=recipe, path=Path("b.preceptor"), digest="d1")


@pytest.fixture
def slide(tmp_path):
    write_dicom(tmp_path / "Doe", pyramid(stained(256, 320, "dots"), 3))
    with open_slide(tmp_path / "Doe") as opened:
        yield opened


@pytest.fixture
def answering(monkeypatch):
    """Tiles right of the middle are tumour; those in the upper third are refused. Every tile that is asked is kept."""
    asked = []

    def answer(bundle, sample, device):
        asked.append(sample)
        made = Prediction(sample.key, bundle.question)
        column, row = sample.reference.affine_mm[:2, 3]
        made.probability = np.array([0.1, 0.9] if column > 0.064 else [0.8, 0.2])
        if row < 0.03:
            made.refuse("it is blurred")
        return made

    monkeypatch.setattr(module, "answer_opened", answer)
    return asked


def test_tiles_are_asked_as_in_training_and_what_is_refused_leaves_a_gap(slide, answering, tmp_path):
    answer = predict_slide(_bundle(), slide, tmp_path / "out", percentile=50)
    assert answer.tiling == Tiling(32.0, 1.0, 0.25, 0.6) and answer.label == "tumour"
    assert len(answering) == len(answer.corners) and {each.reference.shape for each in answering} == {(32, 32)}
    assert answering[0].reference.spacing_mm == pytest.approx((0.001, 0.001))
    upper = answer.corners[:, 0] * 0.0005 + 0.0005 < 0.03
    assert 0 < answer.refused == upper.sum() < len(upper) and np.isnan(answer.probability[upper]).all()
    known = answer.probability[~upper]
    assert answer.score == pytest.approx((0.9, known.mean(), np.median(known)))
    assert np.isnan(answer.heat_map[0]).all() and np.nanmax(answer.heat_map) == pytest.approx(0.9)
    rows = list(csv.DictReader((tmp_path / "out/tiles.csv").open()))
    assert [row["accepted"] for row in rows] == [str(not each) for each in upper]
    assert {row["reasons"] for row in rows} == {"it is blurred", ""}
    told = json.loads((tmp_path / "out/slide.json").read_text())
    assert told["refused"] == answer.refused and told["bundle"] == "d1" and "Doe" not in json.dumps(told)


def test_the_class_need_not_be_named_where_there_is_one(slide, answering, tmp_path):
    bundle = _bundle(task="multi_label", classes=("healthy",), exclusive=False)
    answer = predict_slide(bundle, slide, tmp_path / "out")
    assert answer.label == "healthy" and np.nanmin(answer.probability) == 0.1


@pytest.mark.parametrize(("cohort", "by"), [(None, "saturation"), ({"folder": {"image": "*.png"}}, "grey")])
def test_tissue_is_told_from_glass_as_in_training(slide, answering, tmp_path, monkeypatch, cohort, by):
    told = []
    found = module.find_tissue
    monkeypatch.setattr(module, "find_tissue", lambda slide, by: told.append(by) or found(slide, by))
    predict_slide(_bundle(cohort), slide, tmp_path / "out", tiling=Tiling(64.0, 1.0))
    assert told == [by]


def test_the_overview_shows_the_map_over_the_slides_tissue(slide, answering, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "write_overview", lambda *given: drawn.append(given))
    answer = predict_slide(_bundle(), slide, tmp_path / "out")
    ((path, shown, tissue, values, _, words),) = drawn
    assert path == tmp_path / "out/overview.png" and shown is slide and 0 < tissue.share < 1
    assert values is answer.heat_map and words == "probability of tumour"


def test_a_slide_whose_every_tile_is_refused_has_no_score(slide, answering, tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "answer_opened", lambda bundle, sample, device: Prediction("a", bundle.question, accepted=False)
    )
    answer = predict_slide(_bundle(), slide, tmp_path / "out")
    assert np.isnan(answer.score.largest) and np.isnan(answer.heat_map).all()
    assert json.loads((tmp_path / "out/slide.json").read_text())["score"]["mean"] is None


def test_what_is_given_goes_before_how_it_was_trained():
    assert tiling_of(_bundle(), {"overlap": 0.5}) == Tiling(32.0, 1.0, 0.5, 0.6)
    nested = {"annotated": {"of": {"slides": {"of": "folder", **_CUT}}}}
    assert tiling_of(_bundle(nested)).tile_um == 32.0
    with pytest.raises(RecipeError, match="not trained on tiles of slides"):
        tiling_of(_bundle({"folder": {"image": "*.png"}}), {"tile_um": 64})
    given = {"tile_um": 64, "microns_per_pixel": 0.5}
    assert tiling_of(_bundle({"folder": {"image": "*.png"}}), given) == Tiling(64, 0.5)


@pytest.mark.parametrize(
    ("bundle", "label", "code"),
    [
        (_bundle(), "cyst", "class_unknown"),
        (_bundle(classes=("a", "b", "c")), None, "class_unknown"),
        (_bundle(exclusive=False), None, "class_unknown"),
        (_bundle(task="segmentation", dense=True), None, "not_of_tiles"),
        (_bundle(task="regression", classes=("age",)), None, "not_of_tiles"),
        (_bundle(views=("frontal", "lateral")), None, "not_of_tiles"),
    ],
)
def test_what_gives_no_class_a_tile_is_refused(slide, tmp_path, bundle, label, code):
    with pytest.raises(RecipeError) as caught:
        predict_slide(bundle, slide, tmp_path / "out", label=label)
    assert caught.value.problem.code == code and not (tmp_path / "out").exists()
