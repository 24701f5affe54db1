"""Known answers of aligning features of two domains: L6.2 and L6.3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from torch import nn

from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError, Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.core.slots import build
from preceptor.maths.mean_discrepancy import mean_discrepancy
from preceptor.maths.subspaces import AlignedSubspaces, alignment, coral_distance, principal_axes

from .stepping import Numbers, cohort_of, step_of

# ---------------------------------------------------------------- L6.2 subspace alignment


def _residual(source, target):
    return np.linalg.norm(source @ alignment(source, target) - target) ** 2


@pytest.mark.answer("L6.2")
def test_alignment_in_the_plane_and_in_space():
    source, target = np.array([[1.0], [0]]), np.array([[np.cos(0.5)], [np.sin(0.5)]])
    assert alignment(source, target)[0, 0] == pytest.approx(0.877582562, abs=1e-9)
    assert _residual(source, target) == pytest.approx(np.sin(0.5) ** 2, abs=1e-9)
    source = np.eye(3)[:, :2]
    first = np.array([np.cos(0.5), 0, np.sin(0.5)])
    second = np.array([0, np.cos(0.3), np.sin(0.3)])
    second -= (second @ first) * first
    target = np.stack([first, second / np.linalg.norm(second)], axis=1)
    assert alignment(source, target) == pytest.approx(np.array([[0.87758256, -0.12560286], [0, 0.96507163]]), abs=1e-8)
    assert _residual(source, target) == pytest.approx(0.282709518, abs=1e-9)


@pytest.mark.answer("L6.2")
def test_alignment_is_the_best_there_is():
    rng = np.random.default_rng(0)
    source, target = (np.linalg.qr(rng.standard_normal((10, 4)))[0] for _ in range(2))
    best = _residual(source, target)
    assert best == pytest.approx(2.695220111, abs=1e-9)
    assert best == pytest.approx(4 - np.linalg.norm(alignment(source, target)) ** 2, abs=1e-9)
    for _ in range(20):
        other = alignment(source, target) + 0.1 * rng.standard_normal((4, 4))
        assert np.linalg.norm(source @ other - target) ** 2 > best


def _domains(seed, degrees=80.0, number=300):
    """Four classes in a four-dimensional subspace, turned in the target; the labels of both."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((20, 8)))[0]
    means = 1.5 * np.array([[4, 2, 0, 0], [4, -2, 0, 0], [-4, 2, 0, 0], [-4, -2, 0, 0]])
    turn = np.deg2rad(degrees)
    made = []
    for axes in (frame[:, :4], np.cos(turn) * frame[:, :4] + np.sin(turn) * frame[:, 4:]):
        labels = rng.integers(4, size=number)
        inside = means[labels] + rng.standard_normal((number, 4)) * (1, 1, 0.8, 0.6)
        made.append((inside @ axes.T + 0.2 * rng.standard_normal((number, 20)), labels))
    return made


def _nearest(seen, labels, asked, truth):
    distance = ((asked[:, None] - seen[None]) ** 2).sum(-1)
    return (labels[distance.argmin(1)] == truth).mean()


@pytest.mark.answer("L6.2")
@pytest.mark.parametrize("seed", range(5))
def test_a_turned_target_is_read_after_alignment(seed):
    """Both turned by the same angle into new dimensions: signs and order of the axes are arbitrary without alignment."""
    (source, labels), (target, truth) = _domains(seed)
    fitted = AlignedSubspaces.fit(source, target, 4)
    aligned = _nearest(fitted.of_source(source), labels, fitted.of_target(target), truth)
    plain = _nearest(source - source.mean(0), labels, target - target.mean(0), truth)
    assert aligned >= 0.95 and aligned > plain
    flipped = fitted.source_axes * np.array([-1, 1, -1, 1])  # what another solver would have found
    again = AlignedSubspaces(fitted.source_mean, fitted.target_mean, flipped, fitted.target_axes)
    assert np.allclose(again.of_source(source), fitted.of_source(source))


@pytest.mark.answer("L6.2")
def test_axes_are_of_centred_features():
    features = np.random.default_rng(1).standard_normal((50, 6)) * [9, 5, 1, 1, 1, 1] + 1000
    mean, axes = principal_axes(features, 2)
    assert mean == pytest.approx(features.mean(0)) and np.allclose(axes.T @ axes, np.eye(2))
    assert abs(axes[0, 0]) > 0.98 and abs(axes[1, 1]) > 0.98
    assert principal_axes(features[:4], 6)[1].shape == (6, 3)


def _answers(features, labels, site):
    """Stored answers that are always wrong, with the features that the networks saw."""
    names = ("a", "b", "c", "d")
    table = pandas.DataFrame(
        {
            "key": [f"{site}-{number}" for number in range(len(labels))],
            "role": "train",
            "truth": [names[label] for label in labels],
            "answer": [names[(label + 1) % 4] for label in labels],
            "field:site": site,
        }
    )
    question = Question("classification", "finding", names)
    return Predictions(table, question, Path(), None, features[:, None].astype(np.float32), None)


@pytest.mark.answer("L6.2")
@pytest.mark.parametrize("seed", [0, 3])
def test_the_safeguard_answers_cases_of_the_target_and_no_others(seed):
    (source, labels), (target, truth) = _domains(seed)
    learnt, unlabelled = _answers(source, labels, "A"), _answers(target[:150], np.zeros(150, int), "B")
    safeguard = build("safeguards", {"subspace_alignment": {"field": "site", "axes": 4}})
    fitted = safeguard.with_state(safeguard.fit(unlabelled, None, lambda role: learnt))

    def said(features, site):
        wrong = np.array([0.7, 0.1, 0.1, 0.1], np.float32)
        sample = Sample("case", {}, fields={"site": site})
        asked = Prediction("case", learnt.question, probability=wrong, features=features[None], sample=sample)
        return fitted(asked).probability

    new = [said(features, "B") for features in target[150:]]
    assert np.allclose(np.sum(new, axis=1), 1, atol=1e-6)
    assert (np.argmax(new, axis=1) == truth[150:]).mean() >= 0.95
    assert said(source[0], "A").tolist() == pytest.approx([0.7, 0.1, 0.1, 0.1])
    shuffled = _answers(target[:150], truth[:150], "B")  # the target's labels change nothing
    again = safeguard.with_state(safeguard.fit(shuffled, None, lambda role: learnt))
    assert all(
        np.array_equal(a["weights"], b["weights"])
        for a, b in zip(fitted.state["members"], again.state["members"], strict=True)
    )


@pytest.mark.answer("L6.2")
def test_without_the_targets_name_nothing_is_aligned():
    (source, labels), (target, truth) = _domains(0)
    safeguard = build("safeguards", {"subspace_alignment": {"field": "scanner"}})
    with pytest.raises(Refusal, match="nothing to align"):
        safeguard.fit(_answers(target, truth, "B"), None, lambda role: _answers(source, labels, "A"))


# ---------------------------------------------------------------- L6.3 CORAL


@pytest.mark.answer("L6.3")
def test_coral_distance():
    source = torch.tensor([[1.0, 2], [3, 0], [2, 4]], dtype=torch.float64)
    target = torch.tensor([[0.0, 1], [2, 3], [4, 2]], dtype=torch.float64)
    assert float(coral_distance(source, target)) == pytest.approx(1.625, abs=1e-9)
    assert float(coral_distance(source, source + 7)) == pytest.approx(0, abs=1e-12)  # means do not count
    assert float(coral_distance(source, target)) == float(coral_distance(target, source))


@pytest.mark.answer("L6.3")
def test_the_other_distance_of_the_same_sets():
    """One kernel exp(-d^2 / 2): the scale is the median squared distance, so its width is 1 / that."""
    source = torch.tensor([[1.0, 2], [3, 0], [2, 4]], dtype=torch.float64)
    target = torch.tensor([[0.0, 1], [2, 3], [4, 2]], dtype=torch.float64)
    both = torch.cat([source, target])
    squared = torch.cdist(both, both) ** 2
    median = float(squared[tuple(torch.triu_indices(6, 6, 1))].median())
    assert float(mean_discrepancy(source, target, (1 / median,))) == pytest.approx(0.384984378, abs=1e-8)


@pytest.mark.answer("L6.3")
def test_the_method_compares_the_domains_of_a_batch():
    rows = torch.tensor([[1.0, 2], [0, 1], [3, 0], [2, 3], [2, 4], [4, 2], [9, 9]])
    sites = ["A", "B", "A", "B", "A", "B", "C"]
    method = build("methods", {"coral": {"field": "site", "layer": "features", "weight": 2.0}})
    network = Numbers(nn.Identity(), nn.Linear(2, 2))
    method.setup(network, cohort_of("site", sites))
    step = step_of(network, rows, {}, fields={"site": sites}, loss_of=lambda output: output.sum())
    assert float(method.penalty(step)) == pytest.approx(2 * 1.625, abs=1e-5)  # one case of C says nothing
    alone = step_of(network, rows[:1], {}, fields={"site": ["A"]}, loss_of=lambda output: output.sum())
    assert float(method.penalty(alone)) == 0


@pytest.mark.answer("L6.3")
def test_training_with_it_brings_the_covariances_together():
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(60, 3, generator=generator) * torch.tensor([1.0, 1, 1])
    target = torch.randn(60, 3, generator=generator) * torch.tensor([4.0, 1, 0.3])
    sites = ["A"] * 60 + ["B"] * 60
    torch.manual_seed(0)
    network = Numbers(nn.Linear(3, 3), nn.Linear(3, 2))
    method = build("methods", {"coral": {"field": "site", "layer": "features"}})
    method.setup(network, cohort_of("site", sites))
    optimizer, seen = torch.optim.Adam(network.parameters(), 0.02), []
    for _ in range(60):
        step = step_of(
            network, torch.cat([source, target]), {}, fields={"site": sites}, loss_of=lambda output: output.sum()
        )
        penalty = method.penalty(step)
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
        seen.append(float(penalty.detach()))
    assert seen[-1] < 0.2 * seen[0]


@pytest.mark.answer("L6.3")
def test_a_layer_that_is_not_there_is_told():
    method = build("methods", {"coral": {"field": "site"}})
    with pytest.raises(RecipeError, match="pooled"):
        method.setup(Numbers(nn.Identity(), nn.Linear(2, 2)), cohort_of("site", ["A", "B"]))
