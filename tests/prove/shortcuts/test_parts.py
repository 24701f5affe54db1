"""Parts of the audit by themselves: known numbers, and what must not be confused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Predictions, Question
from preceptor.prove.shortcuts.altered import Fill
from preceptor.prove.shortcuts.areas import area_with_interval, paired_codes
from preceptor.prove.shortcuts.audit import audit_shortcuts
from preceptor.prove.shortcuts.leaks import chance_trials, shuffle_labels
from preceptor.prove.shortcuts.material import Material
from preceptor.prove.shortcuts.regions import described, regions
from preceptor.prove.shortcuts.suspicion import Trial, judge

from ..answered import NOBODY, binary
from .planted import material, phantoms, trained


def test_regions_lie_where_their_names_say():
    found = regions((20, 30))
    assert found["corner x1 y0"][-1, 0] and found["corner x1 y0"].sum() == 4 * 6
    assert found["corners"].sum() == 4 * 24
    assert found["border"][10, 0] and not (found["border"] & found["corners"]).any() and not found["border"][10, 15]
    assert (found["background"] | found["corners"] == found["background"]).all() and not found["background"][10, 15]
    assert described("corner x0 y1") == "corner x0 y1 (beginning of x, end of y, as the image is stored)"
    assert len([name for name in regions((8, 8, 8)) if name.startswith("corner ")]) == 8


def test_answers_in_batches_are_those_of_the_model_one_by_one():
    world = phantoms(0, cases=40)
    shown = material(world, trained(world, epochs=1)).shown
    together = shown.ask(range(len(shown)), [shown.images(at) for at in range(len(shown))])
    model = shown.members["0"].model
    alone = np.stack([model(shown.sample(at)).probability for at in range(len(shown))])
    assert together == pytest.approx(alone, abs=1e-5)
    assert torch.is_grad_enabled()


def test_what_is_taken_out_is_that_of_the_mean_image():
    world = phantoms(0, cases=40)
    shown = material(world, trained(world, epochs=1)).shown
    gone = regions((20, 20))["corners"]
    image = shown.images(3)["image"]
    filled = Fill(shown)("image", image, gone)
    mean = np.mean([shown.images(at)["image"] for at in range(len(shown))], axis=0)
    assert filled[:, gone] == pytest.approx(mean[:, gone], abs=1e-5)
    assert (filled[:, ~gone] == image[:, ~gone]).all()


def test_suspicions_need_size_and_no_chance_and_smaller_parts_speak_for_larger():
    def trial(about, p, large=True):
        return Trial(f"only.{about}", about, "?", about, 0.9, None, 0.5, p, large)

    told, found = judge([trial("background", 1e-6), trial("corner x0 y0", 1e-5), trial("border", 0.04)], 0.05)
    assert [each.about for each in found] == ["corner x0 y0", "border"]
    assert [each.about for each in found[0].trials] == ["corner x0 y0", "background"]
    assert [each.adjusted_p for each in told] == pytest.approx([3e-6, 2e-5, 0.04])
    assert judge([trial("border", 1e-9, large=False)], 0.05)[1] == []


def test_classes_without_a_pair_in_any_stratum_do_not_make_the_others_undefined():
    codes, stratum = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 0, 0, 0, 1, 1, 1])
    scores = np.eye(3)[codes] + 0.0
    assert paired_codes(codes, 3, stratum) == [0, 1]
    assert area_with_interval(codes, scores, stratum, np.arange(7))[0] == 1.0
    assert np.isnan(area_with_interval(codes[4:], scores[4:], stratum[4:], np.arange(3))[0])


def test_labels_that_travel_together_are_told():
    """Pneumonia is answered by the tube that comes with it: among cases with a tube the answer is chance."""
    rng = np.random.default_rng(0)
    cases = 400
    tube = (rng.random(cases) < 0.5).astype(int)
    ill = (rng.random(cases) < np.where(tube, 0.85, 0.15)).astype(int)
    given = {"ill": np.clip(0.2 + 0.6 * tube + 0.05 * rng.normal(size=cases), 0.01, 0.99)}
    given["tube"] = np.clip(0.2 + 0.6 * tube + 0.2 * rng.normal(size=cases), 0.01, 0.99)
    table = pandas.DataFrame(
        {
            "key": [f"c{n}" for n in range(cases)],
            "cluster": [f"p{n}" for n in range(cases)],
            "patient": [f"p{n}" for n in range(cases)],
            "role": "test",
            "fit": "0",
            "truth": [json.dumps({"ill": int(i), "tube": int(t)}) for i, t in zip(ill, tube, strict=True)],
            "answer": "{}",
        }
        | {f"probability_{name}": value for name, value in given.items()}
    )
    question = Question("multilabel", "findings", ("ill", "tube"), exclusive=False)
    predictions = Predictions(table, question, Path())
    audit = audit_shortcuts(Material.of(predictions, NOBODY))
    assert [each.about for each in audit.suspicions] == ["tube"]
    assert audit["within.tube.ill"].evidence["within"] == pytest.approx(0.5, abs=0.1)


def test_shuffled_labels_stay_with_patients_and_keep_their_numbers():
    cases = [
        Case(f"c{n}", {"image": "x"}, f"p{n // 2}", labels={"finding": "ill" if n // 2 % 3 == 0 else "well"})
        for n in range(30)
    ]
    cohort = Cohort((*cases, Case("c99", {"image": "x"}, "p99")), Path())
    dealt = shuffle_labels(cohort, "finding", seed=1)
    labels = [case.labels.get("finding") for case in dealt]
    assert labels != [case.labels.get("finding") for case in cohort] and labels[-1] is None
    assert labels.count("ill") == 10
    assert all(labels[n] == labels[n + 1] for n in range(0, 30, 2))


def test_nothing_learnt_is_chance_and_something_learnt_is_a_leak():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2
    noise = chance_trials(binary(truth, rng.random(200)), NOBODY)[0]
    assert noise.p > 0.05
    leak = chance_trials(binary(truth, 0.3 * truth + 0.7 * rng.random(200)), NOBODY)[0]
    assert leak.p < 0.01 and leak.large


@pytest.mark.slow
def test_a_network_trained_on_shuffled_labels_or_on_empty_pictures_is_at_chance():
    world = phantoms(0)
    seen = material(world, trained(world))
    assert chance_trials(seen.predictions, seen.cohort)[0].p < 0.01  # there is something to learn
    shuffled = phantoms(0)
    np.random.default_rng(4).shuffle(shuffled.truth)
    given = material(shuffled, trained(shuffled))
    assert chance_trials(given.predictions, given.cohort)[0].p > 0.05
    empty = phantoms(0, lesion=0.0)
    given = material(empty, trained(empty))
    assert chance_trials(given.predictions, given.cohort)[0].p > 0.05
