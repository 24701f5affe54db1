"""Uncertainty told apart: by members, by evidence, by foretold noise, and over the panels of a bundle."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.evidence import Question
from preceptor.core.plugins import Prediction
from preceptor.deliver.council import merge
from preceptor.maths.uncertainty import decompose_dirichlet, entropy
from preceptor.prove.splitting import split_uncertainty
from tests.prove.answered import BINARY

YEARS = Question("regression", "age", ("age",), exclusive=False, unit="years")


def split(question=BINARY, **arrays) -> Prediction:
    passes = np.asarray(arrays.pop("passes"), dtype=float)
    made = Prediction("a", question, passes.mean(0), passes=passes)
    for name, value in arrays.items():
        setattr(made, name, np.asarray(value, dtype=float))
    split_uncertainty(made)
    return made


def test_members_that_agree_leave_the_doubt_to_the_data():
    agreed, torn = split(passes=[(0.5, 0.5)] * 2), split(passes=[(1, 0), (0, 1)])
    assert (agreed.data_uncertainty, agreed.model_uncertainty) == pytest.approx((np.log(2), 0))
    assert (torn.data_uncertainty, torn.model_uncertainty) == pytest.approx((0, np.log(2)))


def test_one_softmax_can_not_tell():
    alone = split(passes=[(0.5, 0.5)])
    assert alone.parts == {} and np.isnan(alone.data_uncertainty) and np.isnan(alone.model_uncertainty)
    assert split(YEARS, passes=[(60.0,)]).parts == {}


def test_evidence_tells_in_one_pass():
    """No evidence at all is the model's ignorance; the same split with much evidence is the data's."""
    nothing = split(passes=[(0.5, 0.5)], pass_uncertainty=[1.0])
    assert nothing.data_uncertainty == pytest.approx(0.5), "expected entropy of a uniform Dirichlet of two classes"
    assert nothing.model_uncertainty == pytest.approx(np.log(2) - 0.5)
    much = split(passes=[(0.5, 0.5)], pass_uncertainty=[2e-6])
    assert much.model_uncertainty < 1e-5 and much.data_uncertainty == pytest.approx(np.log(2), abs=1e-5)


def test_expected_entropy_is_that_of_draws():
    rng = np.random.default_rng(0)
    alpha = np.array((2.0, 5.0, 1.5))
    drawn = entropy(rng.dirichlet(alpha, 200_000)).mean()
    found = decompose_dirichlet((alpha / alpha.sum())[None], np.array([3 / alpha.sum()]))
    assert found.aleatoric == pytest.approx(drawn, abs=2e-3)


def test_numbers_in_their_own_unit():
    both = split(YEARS, passes=[(60.0,), (64.0,)], pass_variance=[(9.0,), (9.0,)])
    assert (both.data_uncertainty, both.model_uncertainty) == pytest.approx((3, 2))
    spread = split(YEARS, passes=[(60.0,), (64.0,)])
    assert np.isnan(spread.data_uncertainty) and spread.model_uncertainty == pytest.approx(np.sqrt(8))


def test_panels_that_differ_do_not_know():
    """Each panel is sure of itself, and they contradict each other."""
    panels = [split(passes=[(0.95, 0.05)]), split(passes=[(0.05, 0.95)])]
    merged = merge(panels)
    assert merged.probability == pytest.approx((0.5, 0.5))
    assert merged.model_uncertainty > 2 * merged.data_uncertainty > 0
    same = merge([split(passes=[(0.95, 0.05)])] * 2)
    assert same.model_uncertainty == pytest.approx(0, abs=1e-12)


def test_a_number_is_doubted_by_the_deviation_of_what_is_foretold():
    """Members 60 and 64, each with a deviation of 3: the mixture's variance is 9 + 4."""
    assert split(YEARS, passes=[(60.0,), (64.0,)], pass_variance=[(9.0,), (9.0,)]).uncertainty == pytest.approx(13**0.5)
    assert split(YEARS, passes=[(60.0,)], pass_variance=[(9.0,)]).uncertainty == pytest.approx(3)
    assert split(YEARS, passes=[(60.0,), (64.0,)]).uncertainty == pytest.approx(8**0.5)
    assert np.isnan(split(YEARS, passes=[(60.0,)]).uncertainty), "one network without noise can't know"
