"""Agreement: what must hold whatever the numbers, and how often its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.agreement import FORMS, cohen_kappa, cross_table, fleiss_kappa, icc, mean_squares


def test_perfect_and_chance_agreement():
    same = np.array([0, 1, 2, 2, 1, 0])
    for weights in ("none", "linear", "quadratic"):
        found = cohen_kappa(cross_table(same, same, 3), weights)
        assert (found.value, found.lower, found.upper) == pytest.approx((1.0, 1.0, 1.0))
    assert cohen_kappa(np.full((2, 2), 25)).value == pytest.approx(0)
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])).value == pytest.approx(1)


def test_one_category_throughout_is_undefined_and_not_perfect():
    assert np.isnan(cohen_kappa(np.array([[7, 0], [0, 0]])).value)
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])).value)


def test_weights_change_nothing_for_two_categories():
    table = np.array([[20, 5], [10, 15]])
    values = {cohen_kappa(table, weights).value.__round__(12) for weights in ("none", "linear", "quadratic")}
    assert values == {0.4}


def test_the_variance_of_kappa_as_in_its_textbook():
    """Fleiss, Levin & Paik 2003, table 18.1 (100 subjects, three diagnoses): kappa .68, its error .087."""
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    found = cohen_kappa(table)
    assert found.value == pytest.approx(0.68, abs=5e-3)
    assert (found.value - found.lower) / 1.959964 == pytest.approx(0.087, abs=1e-3)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_the_variance_is_near_the_jackknifes(weights):
    rng = np.random.default_rng(4)
    latent = rng.normal(size=500)
    first, second = (np.digitize(latent + rng.normal(0, 0.8, 500), [-1, 0.2, 1]) for _ in range(2))
    found = cohen_kappa(cross_table(first, second, 4), weights)
    left_out = [
        cohen_kappa(cross_table(np.delete(first, at), np.delete(second, at), 4), weights).value for at in range(500)
    ]
    error = np.sqrt(499 / 500 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    assert (found.value - found.lower) / 1.959964 == pytest.approx(error, rel=0.03)


def test_quadratic_kappa_is_an_intraclass_correlation():
    """Fleiss & Cohen 1973: it tends to ICC(2,1) of the categories' numbers as subjects grow."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=4000)
    first, second = (np.digitize(latent + rng.normal(0.2 * k, 0.7, 4000), [-1, 0, 1]) for k in range(2))
    kappa = cohen_kappa(cross_table(first, second, 4), "quadratic").value
    assert kappa == pytest.approx(icc(np.stack([first, second], 1), "2,1").value, abs=1e-3)


def test_a_stricter_rater_counts_in_form_two_alone():
    rng = np.random.default_rng(1)
    true = rng.normal(size=30)
    ratings = np.stack([true, true + 5], axis=1) + rng.normal(0, 0.05, (30, 2))
    assert icc(ratings, "3,1").value > 0.98
    assert icc(ratings, "2,1").value < 0.2


def test_the_mean_of_raters_is_more_reliable_than_one():
    rng = np.random.default_rng(2)
    ratings = rng.normal(size=(20, 1)) + rng.normal(size=(20, 3))
    for single in ("1", "2", "3"):
        one, mean = icc(ratings, f"{single},1"), icc(ratings, f"{single},k")
        assert mean.value == pytest.approx(3 * one.value / (1 + 2 * one.value))
        assert one.lower < one.value < one.upper


def test_raters_who_never_differ():
    ratings = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    for form in FORMS:
        assert icc(ratings, form)[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert np.isnan(icc(np.ones((4, 3)), "2,1").value)


@pytest.mark.parametrize("table", [np.zeros((2, 2)), np.ones((2, 3)), np.ones(4)])
def test_a_table_that_is_none(table):
    with pytest.raises(ValueError, match="square table"):
        cohen_kappa(table)


def test_what_can_not_be_rated():
    with pytest.raises(ValueError, match="two subjects"):
        mean_squares(np.array([[1.0, np.nan], [2.0, 3.0]]))
    with pytest.raises(ValueError, match="form is one of"):
        icc(np.eye(3), "4,1")
    with pytest.raises(ValueError, match="same number of readers"):
        fleiss_kappa(np.array([[2, 1], [1, 1]]))


def test_how_often_the_intervals_cover():
    """2,000 studies of 60 subjects: kappa of two and of five readers, ICC(2,1), (3,1), each within [.92, .98]."""
    rng = np.random.default_rng(11)
    studies, subjects, right = 2000, 60, 0.85
    true_kappa = (right**2 + (1 - right) ** 2 - 0.5) / 0.5
    covered = dict.fromkeys(("cohen", "fleiss", "2,1", "3,1"), 0)
    for _ in range(studies):
        truth = rng.random(subjects) < 0.5
        said = np.where(rng.random((subjects, 5)) < right, truth[:, None], ~truth[:, None]).astype(int)
        two = cohen_kappa(cross_table(said[:, 0], said[:, 1], 2))
        five = fleiss_kappa(np.stack([5 - said.sum(1), said.sum(1)], axis=1))
        covered["cohen"] += two.lower <= true_kappa <= two.upper
        covered["fleiss"] += five.lower <= true_kappa <= five.upper
        noise = rng.normal(0, 0.7, (subjects, 4))
        ratings = rng.normal(size=(subjects, 1)) + rng.normal(0, 0.5, 4) + noise
        for form, true in (("2,1", 1 / (1 + 0.25 + 0.49)), ("3,1", 1 / (1 + 0.49))):
            found = icc(ratings, form)
            covered[form] += found.lower <= true <= found.upper
    shares = {name: count / studies for name, count in covered.items()}
    assert all(0.92 <= share <= 0.98 for share in shares.values()), shares
