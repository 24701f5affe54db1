"""What holds for every transform that learns something: from the training cases alone, kept, and the same out of a bundle."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Picture

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import PrepareError
from preceptor.core.slots import names, parameters, plugin
from preceptor.core.state import take_apart, write_state
from preceptor.deliver.group import with_states
from preceptor.intake.case import open_case
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.store import prepare
from preceptor.recipe.values import plain

FITTED = [name for name in names("transforms") if hasattr(plugin("transforms", name), "fit")]


def _task():
    return plugin("tasks", "classification")(label="finding", classes=["no", "yes"])


def _volume(path: Path, rng: np.random.Generator) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in (20, 22, 18)], indexing="ij"))
    body = ((grid / 0.8) ** 2).sum(0) < 1
    array = np.where(body, 300 + 200 * np.cos(3 * grid[0] + rng.normal()) + rng.normal(0, 20, body.shape), 0)
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.eye(4)), path)


def _stained(path: Path, rng: np.random.Generator) -> None:
    """A stained section, more or less: two dyes on white, each its own amount."""
    amounts = rng.gamma(2, 0.4, (40, 40, 2)) * rng.uniform(0.8, 1.2)
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    Picture.fromarray((255 * np.exp(-amounts @ dyes)).clip(0, 255).astype(np.uint8)).save(path)


def _shuffled(path: Path) -> None:
    """Something else altogether: every voxel elsewhere, and a hundred times as bright where the file can hold it."""
    rng = np.random.default_rng(99)
    if path.suffix == ".png":
        array = np.asarray(Picture.open(path)).copy().reshape(-1, 3)
        Picture.fromarray(rng.permutation(255 - array // 3).reshape(40, 40, 3)).save(path)
    else:
        array = nibabel.load(path).get_fdata()
        moved = rng.permutation(array.ravel()).reshape(array.shape) * 100
        nibabel.save(nibabel.Nifti1Image(moved.astype(np.float32), np.eye(4)), path)


def cohort(folder: Path, kind: str) -> Cohort:
    """Four training cases and two test cases."""
    folder.mkdir()
    made = []
    for number in range(6):
        source = f"case-{number}.{'nii' if kind == 'volumes' else 'png'}"
        (_volume if kind == "volumes" else _stained)(folder / source, np.random.default_rng(number))
        role = "train" if number < 4 else "test"
        made.append(Case(f"case-{number}", {"image": source}, f"patient-{number}", role=role))
    return Cohort(tuple(made), folder)


def states(name: str, whole: Cohort, folder: Path):
    """What was learnt, as it would be hashed, and the training images it makes."""
    store = prepare(whole, [plugin("transforms", name).example()], _task(), folder, fit_on=whole.with_role("train"))
    tensors: dict = {}
    tree = take_apart(store.states, tensors)
    images = {case.key: store.sample(case.key).images["image"].array for case in whole.with_role("train")}
    return tree, {key: np.asarray(tensor) for key, tensor in tensors.items()}, images


@pytest.fixture(params=FITTED)
def tried(request, tmp_path):
    """The transform's name, a cohort that it takes, and what it learns there."""
    for kind in ("volumes", "pictures"):
        whole = cohort(tmp_path / kind, kind)
        try:
            return request.param, whole, states(request.param, whole, tmp_path / f"{kind}-prepared"), tmp_path
        except PrepareError:
            continue
    pytest.fail(f"{request.param} takes neither volumes nor stained pictures")


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_test_cases_can_not_influence_what_is_fitted(tried):
    name, whole, (tree, tensors, images), folder = tried
    for case in whole.with_role("test"):
        _shuffled(whole.root / case.images["image"])
    try:
        tree_after, tensors_after, images_after = states(name, whole, folder / "again")
    except PrepareError as error:  # the test case itself is refused; then the training cases are prepared alone
        assert "case-4" in error.problem.where or "case-5" in error.problem.where
        alone = whole.with_cases(whole.with_role("train"))
        tree_after, tensors_after, images_after = states(name, alone, folder / "again")
    assert tree == tree_after and same(tensors, tensors_after) and same(images, images_after)


def test_a_step_out_of_a_bundle_does_the_same(tried):
    name, whole, _, folder = tried
    step = plugin("transforms", name).example()
    train = [open_case(whole.root, case) for case in whole.with_role("train")]
    state = step.fit(iter(train))
    path = folder / "prepare.safetensors"
    write_state(path, [state])
    recipe = {name: {each: plain(getattr(step, each)) for each in parameters(type(step))}}
    (sealed,), _ = with_states("transforms", [recipe], path)
    for given in (train[0], open_case(whole.root, whole["case-5"])):
        now, later = (prepare_sample(given, [each]).images["image"].array for each in (step.with_state(state), sealed))
        np.testing.assert_array_equal(now, later)


@pytest.mark.parametrize("name", ["nyul", "histogram_match"])
def test_training_cases_do_influence_it(name, tmp_path):
    """Else the test above could not fail."""
    whole = cohort(tmp_path / "data", "volumes")
    _, before, _ = states(name, whole, tmp_path / "before")
    _volume(whole.root / "case-0.nii", np.random.default_rng(77))
    assert not same(before, states(name, whole, tmp_path / "after")[1])
