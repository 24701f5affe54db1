"""Pictures cut out of one another, and pictures that only look alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.copies.crops import find_crops, pack_wide, unpack_wide
from preceptor.intake.read import read_image


def texture(seed: int, side: int = 200) -> np.ndarray:
    """A picture of coarse and fine structure, 8 bits."""
    rng = np.random.default_rng(seed)
    made = np.zeros((side, side))
    for cells in (5, 12, 40):
        grid = rng.normal(size=(cells, cells))
        place = np.linspace(0, cells - 1.001, side)
        low, part = place.astype(int), place % 1
        rows = grid[low] * (1 - part[:, None]) + grid[low + 1] * part[:, None]
        made += (rows[:, low] * (1 - part) + rows[:, low + 1] * part) / np.sqrt(cells)
    return np.asarray(128 + 50 * made / made.std()).clip(0, 255).astype(np.uint8)


def wide(array: np.ndarray) -> np.ndarray:
    text = pack_wide(Image(array[None], np.eye(4)))
    assert text is not None
    return unpack_wide(text)


@pytest.mark.parametrize(("left", "right", "top", "bottom"), [(0, 4, 0, 0), (3, 5, 8, 2), (20, 0, 6, 19), (7, 7, 7, 7)])
def test_a_cut_is_found_whatever_its_sides(left, right, top, bottom):
    pictures = {(f"p{n}", "image"): wide(texture(n)) for n in range(6)}
    cut = texture(2)[left : 200 - right, top : 200 - bottom]
    (pair,) = find_crops({**pictures, ("cut", "image"): wide(cut)})
    assert (pair.first, pair.second) == ("p2", "cut") and pair.correlation > 0.99
    taken = max(left, right, top, bottom) / 200
    assert abs(float(pair.form.split()[2].rstrip("%")) / 100 - taken) < 0.015


def test_what_is_known_is_not_told_again_and_a_copy_is_no_crop():
    pictures = {("a", "image"): wide(texture(1)), ("b", "image"): wide(texture(1)[:, 9:])}
    assert find_crops(pictures, known={frozenset(pictures)}) == []
    assert find_crops({("a", "image"): wide(texture(1)), ("b", "image"): wide(texture(1))}) == []


def test_volumes_and_blank_pictures_are_left_out():
    assert pack_wide(Image(np.zeros((1, 4, 4, 4), np.uint8), np.eye(4))) is None
    assert pack_wide(Image(np.full((1, 9, 9), 3, np.uint8), np.eye(4))) is None


def test_conflicting_labels_of_copies_and_the_limit():
    """A picture and its crop that say different things; beyond the limit that crops were not sought, with 0 nothing."""
    cases = [Case(f"c{n}", {"image": "i"}, f"p{n}", labels={"finding": ["no", "yes"][n == 4]}) for n in range(5)]
    arrays = {f"c{n}": texture(n) for n in range(4)} | {"c4": texture(3)[6:, 4:]}
    differing = ["duplicates_across_patients", "duplicates_conflicting"]
    for most, codes in ((2000, differing), (4, ["crops_not_sought"]), (0, [])):
        check = build("checks", {"duplicates": {"crops_up_to": most}})
        facts = {
            case.key: check.look(case, Sample(case.key, {"image": Image(arrays[case.key][None], np.eye(4))}), None)
            for case in cases
        }
        found = check(Cohort(tuple(cases), Path()), facts, None)
        assert [problem.code for problem in found] == codes
        named = {True: (), False: ("c3", "c4")}
        assert all(problem.cases == named[problem.code == "crops_not_sought"] for problem in found)
        assert all(problem.severity == "warning" for problem in found)


def test_chest_x_rays_and_their_crops(shared_data):
    """Of 60 people's films cut by up to 2 and 10 % of each side every one is found, and no two films for each other."""
    folder = shared_data("cxr_covid_ieee8023")
    rng = np.random.default_rng(3)
    names = sorted(path.name for path in (folder / "images").iterdir())[:48:2]
    pictures, wanted = {}, set()
    for place, name in enumerate(names):
        grey = read_image(folder, f"images/{name}").array.mean(axis=0)
        pictures[name, "image"] = wide(grey)
        off = rng.uniform(0.3, 1, 4) * (0.02, 0.1)[place % 2] * np.repeat(grey.shape, 2)
        left, right, top, bottom = off.astype(int)
        cut = grey[left : grey.shape[0] - right, top : grey.shape[1] - bottom]
        pictures[f"{name} cut", "image"] = wide(cut)
        wanted.add((name, f"{name} cut"))
    assert {(pair.first, pair.second) for pair in find_crops(pictures)} == wanted
