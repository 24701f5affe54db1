"""Recipes for tests: a small right one, and the problems of a wrong one."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.errors import Problem, RecipeError
from preceptor.recipe.load import load_recipe
from preceptor.recipe.resolve import Recipe

RIGHT = """\
study: small
seed: 7
cohort: {folder: {image: "images/*.nii.gz", label: "labels/*.nii.gz"}}
split: {train: 0.6, tune: 0.1, calibrate: 0.1, test: 0.2}
task: {segmentation: {labels: {anterior: 1, posterior: 2}}}
network: {unet: {channels: [4, 8, 16]}}
objective: [dice, cross_entropy]
train: {epochs: 3, patch: [16, 16, 16], optimizer: {adamw: {lr: 1e-3}}}
"""


def load(folder: Path, text: str = RIGHT, *overrides: str, **options) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, overrides, **options)


def problems(folder: Path, text: str = RIGHT, *overrides: str, **options) -> tuple[Problem, ...]:
    """What a recipe that must be refused is refused for."""
    try:
        load(folder, text, *overrides, **options)
    except RecipeError as error:
        return error.problems or (error.problem,)
    raise AssertionError("the recipe was accepted")
