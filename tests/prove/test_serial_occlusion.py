"""Serial occlusion and shares of streams: a planted lesion, a planted corner, and planted weights of two views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.prove.explaining.cohort_table import cohort_table
from preceptor.prove.explaining.serial_occlusion import AtlasRegion, BoxRegion, MaskRegion, serial_occlusion
from preceptor.prove.explaining.stream_shares import stream_shares

QUESTION = Question("classification", "disease", ("healthy", "ill"))
CASES = 160


class Task:
    question, mask, varies = QUESTION, None, False

    def encode(self, case):
        return {"disease": np.array(case.labels["ill"])}


@dataclass
class Store:
    samples: dict

    def sample(self, key):
        return self.samples[key]


def phantoms():
    """A lesion wherever the patient is ill, and a marker in the corner beside it."""
    rng, samples, cases = np.random.default_rng(0), {}, []
    for number in range(CASES):
        ill, key = number % 2, f"case-{number}"
        pixels, mask = rng.normal(0, 0.5, (1, 20, 20)).astype(np.float32), np.zeros((1, 20, 20), np.int8)
        x, y = rng.integers(6, 13, 2)
        if ill:
            pixels[:, x : x + 4, y : y + 4] += 2
            pixels[:, :3, :3] += 2
            mask[:, x : x + 4, y : y + 4] = 1
        images = {"view": Image(pixels, np.eye(4))}
        samples[key] = Sample(key, images, {"lesion": Image(mask, np.eye(4), is_label=True)}, {"ill": ill})
        cases.append(Case(key, {"view": "x"}, patient=key, labels={"ill": ill}, role="test"))
    return Store(samples), Cohort(tuple(cases), Path())


def answer(score, sample):
    p = 1 / (1 + np.exp(-score))
    return Prediction(sample.key, QUESTION, np.array([1 - p, p]))


def reads_lesion(sample):
    inner = sample.images["view"].array[0, 4:, 4:]
    windows = np.lib.stride_tricks.sliding_window_view(inner, (4, 4)).mean((2, 3))
    return answer(float(windows.max()) - 1, sample)


def reads_corner(sample):
    return answer(float(sample.images["view"].array[0, :3, :3].mean()) - 1, sample)


def asked(model, **more):
    store, cohort = phantoms()
    regions = more.pop("regions", {"lesion": MaskRegion("lesion", margin_voxels=1)})
    return serial_occlusion(model, store, cohort, Task(), regions=regions, resamples=200, **more)


def test_a_model_that_reads_the_lesion_falls_to_chance():
    found = asked(reads_lesion)
    assert found.parts["whole"].value > 0.95 and found.parts["only"].value > 0.9
    assert abs(found.value - 0.5) < 0.15 and found.parts["lost"].interval[0] > 0.25
    assert not any(note.startswith("CAUGHT") for note in found.notes)
    assert found.parts["lost_elsewhere"].value < 0.15
    assert any("80 cases" in note for note in found.notes)  # the healthy ones borrow


def test_a_model_that_reads_the_corner_is_caught():
    found = asked(reads_corner)
    assert found.value > 0.95 and found.notes[0].startswith("CAUGHT") and "lesion covered" in found.notes[0]
    assert found.parts["only"].value < 0.65  # with the lesion alone it knows nothing
    both = asked(reads_corner, regions={"lesion": MaskRegion("lesion"), "corner": BoxRegion((0, 0), (4, 4))})
    assert both.parts["without_lesion"].value > 0.95 and both.value < 0.65
    assert not any(note.startswith("CAUGHT") for note in both.notes)


def test_without_any_region_it_is_refused():
    with pytest.raises(CohortError, match="none of 160 cases"):
        asked(reads_lesion, regions={"lung": MaskRegion("lung")})


def test_planted_shares_of_two_views_are_recovered():
    """Each view's mean says who is ill, the third says nothing; the first two are equally good."""
    rng, samples, cases = np.random.default_rng(1), {}, []
    for number in range(300):
        ill, key = number % 2, f"case-{number}"
        signal = {"a": ill + rng.normal(), "b": ill + rng.normal(), "noise": rng.normal()}
        images = {name: Image(np.full((1, 2, 2), value, np.float32), np.eye(4)) for name, value in signal.items()}
        samples[key] = Sample(key, images, {}, {"ill": ill})
        cases.append(Case(key, dict.fromkeys(images, "x"), patient=key, labels={"ill": ill}, role="test"))
    weights = {"a": 1.0, "b": 1.0, "noise": 0.0}

    def model(sample):
        return answer(
            sum(weights[view] * (float(image.array.mean()) - 0.5) for view, image in sample.images.items()), sample
        )

    found = stream_shares(model, Store(samples), Cohort(tuple(cases), Path()), Task(), resamples=200)
    shares = {name: found.parts[name].value for name in weights}
    assert abs(sum(shares.values()) - (found.value - 0.5)) < 1e-9
    assert abs(shares["a"] - shares["b"]) < 0.05 and abs(shares["noise"]) < 1e-9 and shares["a"] > 0.12
    weights.update(a=0.0, noise=0.0)
    alone = stream_shares(model, Store(samples), Cohort(tuple(cases), Path()), Task(), resamples=200)
    assert abs(alone.parts["b"].value - (alone.value - 0.5)) < 1e-9 and abs(alone.parts["a"].value) < 1e-9
    low, high = alone.parts["b"].interval
    assert low < alone.parts["b"].value < high


def test_an_atlas_is_found_on_every_grid_by_its_place_in_space():
    """Written in 2 mm voxels from the other side; the case has 1 mm voxels and starts 3 mm further on."""
    codes = np.zeros((1, 10, 10), np.int16)
    codes[:, 6:8, 2:5] = 4  # 3.2 to 7.2 mm and 3.2 to 9.2 mm, at the voxels' edges
    codes[:, 5, 1] = 9  # 7.2 to 9.2 mm and 1.2 to 3.2 mm
    atlas_mm = np.diag([-2.0, 2.0, 2.0, 1.0])
    atlas_mm[:2, 3] = 18.2, 0.2
    case_mm = np.eye(4)
    case_mm[0, 3] = 3
    atlas = Image(codes, atlas_mm, is_label=True)
    sample = Sample("case", {"view": Image(np.zeros((1, 12, 20), np.float32), case_mm)})
    expected = np.zeros((12, 20), bool)
    expected[1:5, 4:10] = True
    assert np.array_equal(AtlasRegion(atlas, values=(4,))(sample), expected)
    wider = AtlasRegion(atlas, values=(4,), margin_voxels=1)(sample)
    assert wider[0, 4] and wider[5, 9] and wider[2, 3] and not wider[0, 3] and wider.sum() == 24 + 2 * (4 + 6)
    expected[5:7, 2:4] = True
    assert np.array_equal(AtlasRegion(atlas)(sample), expected)  # all codes


def test_an_answer_for_every_voxel_is_refused():
    class Dense(Task):
        question = Question("segmentation", "label", ("background", "lesion"), dense=True)

    with pytest.raises(RecipeError, match="about the whole image"):
        store, cohort = phantoms()
        serial_occlusion(reads_lesion, store, cohort, Dense(), regions={"lesion": MaskRegion("lesion")})
    with pytest.raises(RecipeError, match="can't be held against"):
        cohort_table(cohort, Dense(), roles=("test",))
