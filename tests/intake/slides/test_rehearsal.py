"""Recipes of slides tried without the slides: phantoms in haematoxylin and eosin stand in."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.rehearsal import stand_in
from preceptor.recipe.load import load_recipe

_RECIPE = """
study: textures
cohort: COHORT
split: {by: patient, train: 0.6, tune: 0.2, test: 0.2}
prepare: [STEPS]
task: {classification: {label: texture, classes: [stripes, dots]}}
network: cnn
objective: cross_entropy
train: {epochs: 1, batch_size: 4}
"""
_SLIDES = "{slides: {of: {table: {file: slides.csv, image: slide, labels: [texture]}}, tile_um: 32}}"
_PICTURES = "{table: {file: cases.csv, image: image, labels: [texture]}}"


@pytest.mark.parametrize(
    ("cohort", "steps", "channels"),
    [(_SLIDES, "zscore", 3), (_PICTURES, "reinhard, zscore", 3), (_PICTURES, "zscore", 1)],
)
def test_stained_sections_stand_in_where_the_recipe_is_of_them(tmp_path, cohort, steps, channels):
    path = tmp_path / "recipe.yaml"
    path.write_text(_RECIPE.replace("COHORT", cohort).replace("STEPS", steps), encoding="utf-8")
    made = stand_in(load_recipe(path), tmp_path / "phantoms")
    samples = [open_case(made.root, case) for case in made.cases[:6]]
    assert {sample.reference.channels for sample in samples} == {channels}
    if channels == 3:
        macenko = build("transforms", "macenko")
        state = macenko.fit(iter(samples))
        # Haematoxylin takes more red than green from the light, eosin hardly any.
        assert state["vectors"][0, 0] > 0.5 > 0.35 > state["vectors"][1, 0]
        again = stand_in(load_recipe(path), tmp_path / "phantoms")
        assert (open_case(again.root, again.cases[0]).reference.array == np.asarray(samples[0].reference.array)).all()
