"""What holds for every strategy: bound, it has `fit`'s own type, so strategies nest; nobody learns from a test case."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.plugins import Fitted
from preceptor.recipe.resolve import Recipe
from preceptor.recipe.schema import Train

from .material import cohort
from .plugins import each, example

RECIPE = Recipe("study", 7, {}, {}, {}, (), train=Train(optimizer={"adamw": {"lr": 1e-3}}))


class Watching:
    """A `fit` that trains nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[int, ...], object, object]] = []

    def __call__(self, recipe, given, start=None, path=()):
        self.calls.append((path, given, start))
        return [Fitted(path, Path("fits") / "/".join(map(str, path or (0,))), 0.5, 1, given)]


@each("strategies")
def test_is_a_fit_once_it_is_bound(slot, name):
    fit = Watching()
    fitted = example(slot, name).bind(fit)(RECIPE, cohort())
    assert fitted and all(isinstance(each, Fitted) for each in fitted)
    assert len(fit.calls) >= len(fitted)
    paths = [path for path, _, _ in fit.calls]
    assert len(set(paths)) == len(paths), "every training has a folder of its own"
    assert {each.path for each in fitted} <= set(paths)


@each("strategies")
def test_nests_below_the_path_it_is_given(slot, name):
    fit = Watching()
    example(slot, name).bind(fit)(RECIPE, cohort(), start=Path("weights"), path=(3, 1))
    assert all(path[:2] == (3, 1) for path, _, _ in fit.calls)
    assert fit.calls[0][2] == Path("weights"), "the first training begins from the weights that were given"
    inside = Watching()
    nested = example(slot, name).bind(example(slot, name).bind(inside))(RECIPE, cohort())
    assert len({path for path, _, _ in inside.calls}) == len(inside.calls) and nested


@each("strategies")
def test_nobody_learns_from_a_patient_who_is_tested(slot, name):
    fit = Watching()
    example(slot, name).bind(fit)(RECIPE, cohort())
    for _, given, _ in fit.calls:
        taught = {case.cluster for case in given.with_role("train", "tune", "calibrate")}
        tested = {case.cluster for case in given.with_role("test")}
        assert given.with_role("train") and tested and not taught & tested


@each("strategies")
def test_the_same_recipe_gives_the_same_trainings(slot, name):
    first, second = Watching(), Watching()
    example(slot, name).bind(first)(RECIPE, cohort())
    example(slot, name).bind(second)(RECIPE, cohort())
    assert [(path, given.digest()) for path, given, _ in first.calls] == [
        (path, given.digest()) for path, given, _ in second.calls
    ]
