"""Known answers of the hallucination audit: rates, and what a training mix does to lesions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas
import pytest
import torch

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Evidence, Predictions, Question
from preceptor.core.slots import build
from preceptor.maths.hallucination import lesion_patches, lesion_rates, sees_lesion
from preceptor.maths.mean_discrepancy import mean_discrepancy
from preceptor.prove.hallucination import audit, audit_training, by_share, train_paired, train_unpaired

from .seeds import seeds

THERE = np.repeat([0, 1], [10, 8])
SEEN = np.concatenate([np.repeat([1, 0], [3, 7]), np.repeat([0, 1], [2, 6])])


@cache
def trained(kind: str, share: float, seed: int):
    torch.set_num_threads(1)
    return by_share(kind, [share], [seed])[0][0]


@pytest.mark.answer("L16.1")
def test_rates_of_eighteen_images():
    assert lesion_rates(THERE, SEEN) == (0.3, 0.25)


@pytest.mark.answer("L16.1")
def test_the_same_eighteen_as_stored_predictions_and_a_gate():
    keys = [f"{at}" for at in range(18)]
    table = pandas.DataFrame({"key": keys, "cluster": keys, "truth_lesion": THERE, "answer_lesion": SEEN})
    question = Question("translation", "mr", ("mr",), exclusive=False, dense=True)
    finding = build("evaluators", "hallucination")(Predictions(table, question, None), Cohort((), None))
    assert finding.value == 0.3
    assert (finding.parts["appearance"].value, finding.parts["disappearance"].value) == (0.3, 0.25)
    assert finding.parts["share_in_answer"].value == pytest.approx(0.5)
    gate = build("gates", {"at_most": {"finding": "hallucination", "value": 0.1}})
    assert not gate(Evidence({"hallucination": finding})).passed


@pytest.mark.answer("L16.1")
def test_the_detector_judges_true_images_without_an_error():
    given = lesion_patches(2000, 0.5, np.random.default_rng(0))
    assert given.lesion.sum() == 1000
    assert lesion_rates(given.lesion, sees_lesion(given.target)).worst < 0.005
    assert np.abs(given.source + given.target - 1).mean() < 0.03  # the same tissue, turned over, with noise


@pytest.mark.answer("L16.1")
def test_a_translator_that_is_right_passes_and_one_that_copies_healthy_tissue_does_not():
    right = audit(lambda source: 1 - source, 0.5)
    assert (
        max(right.appearance, right.disappearance) < 0.005 and right.verdict == "no lesion in ten appears or vanishes"
    )
    healthy = audit(lambda source: np.full_like(source, 0.5), 0.5)
    assert healthy.disappearance == 1 and healthy.shown == 0 and healthy.verdict == "not for diagnosis"
    assert healthy.error < 0.15  # a whole image's error hardly tells


@pytest.mark.answer("L16.1")
def test_discrepancy_of_sets_sees_what_differs_and_not_who_is_who():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    assert float(mean_discrepancy(first, first[torch.randperm(60, generator=generator)])) == pytest.approx(0, abs=1e-12)
    near, far = (float(mean_discrepancy(first, first + gap)) for gap in (0.3, 1.0))
    assert 0 < near < far
    squared = torch.cdist(torch.cat([first, first + 1]), torch.cat([first, first + 1])) ** 2
    scale = squared[torch.triu(torch.ones(120, 120), 1) > 0].median()
    kernel = sum(torch.exp(-squared / (2 * scale * width)) for width in (0.1, 0.3, 1.0, 3.0))
    expected = kernel[:60, :60].mean() + kernel[60:, 60:].mean() - 2 * kernel[:60, 60:].mean()
    assert far == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.answer("L16.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_an_unpaired_translator_reproduces_the_lesions_of_its_training_set(seed):
    without, only = trained("unpaired", 0.0, seed), trained("unpaired", 1.0, seed)
    assert without.disappearance >= 0.9 and without.verdict == "not for diagnosis"
    assert only.appearance >= 0.9
    assert max(without.error, only.error) < 0.2  # while the whole image looks near enough


@pytest.mark.answer("L16.1")
@pytest.mark.slow
def test_a_balanced_unpaired_translator_is_safe_on_most_seeds():
    found = [trained("unpaired", 0.5, seed) for seed in seeds(5)]
    assert np.median([each.appearance for each in found]) <= 0.1
    assert np.median([each.disappearance for each in found]) <= 0.1


@pytest.mark.answer("L16.1")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(5))
def test_pairs_teach_lesions_that_were_never_shown(seed):
    for share in (0.0, 0.5, 1.0):
        found = trained("paired", share, seed)
        assert max(found.appearance, found.disappearance) <= 0.12, share


@pytest.mark.answer("L16.1")
def test_short_training_is_enough_to_be_wrong():
    """A fast version of the experiment: few steps, one mix, both kinds."""
    torch.set_num_threads(1)
    unpaired = audit_training(lambda a, b, seed: train_unpaired(a, b, seed, steps=100, batch=48), 0.0, pairs=False)
    paired = audit_training(lambda a, b, seed: train_paired(a, b, seed, steps=200), 0.5, pairs=True)
    assert unpaired.disappearance > 0.9 > 0.12 > max(paired.appearance, paired.disappearance)
