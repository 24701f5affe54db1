"""Conformal prediction: answers with a promised coverage, and no single answer where the promise leaves several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.conformal import conformal_quantile, lac_scores, lac_sets
from preceptor.maths.overlap import expected_dice


class Conformal:
    """Promises that the truth lies in the answer's set, interval or bound for a share of new patients.

    Classes that exclude each other: the set of classes that can't be ruled out; a case whose set is not exactly one
    class is refused. A regressed quantity: an interval. Dense answers: a lower bound on the Dice of all structures
    together, from the overlap that the probabilities foretell less how much that was too high on calibration cases.

    The promise holds on average over new patients like those it was fitted on, for no single one and for no subgroup.
    Every patient weighs the same, however many images. Put it after whatever changes probabilities (temperature) and
    before `largest_component`: the calibration scores must be made as those of new cases are.

    Leaves in `parts`: ``set_size`` and ``in_set_<class>``; or ``lower`` and ``upper``; or ``dice_at_least``.

    Args:
        coverage: Share of new patients for whom it is to hold.
        abstain: Whether a case whose set is not exactly one class is refused.
        dice: Dense answers whose bound lies below are refused; None refuses none.

    Raises:
        Refusal: At the fit, where the calibration patients are too few for the coverage (0.9 needs 9, 0.95 needs 19),
            or nothing is labelled.

    Source: LAC: Sadinle 2019 (arXiv:1609.00451); intervals: Lei 2018 (arXiv:1604.04173); several images of a patient:
        Lee, Barber & Willett 2023 (arXiv:2306.06342).

    Example:
        >>> Conformal(coverage=0.95).coverage
        0.95
    """

    fit_role = "calibrate"

    def __init__(
        self,
        coverage: Annotated[float, Gt(0), Lt(1)] = 0.9,
        abstain: bool = True,
        dice: Annotated[float, Ge(0), Le(1)] | None = None,
    ) -> None:
        self.coverage = coverage
        self.abstain = abstain
        self.dice = dice
        self.quantile: float | None = None

    @classmethod
    def example(cls) -> Conformal:
        return cls().with_state({"quantile": 0.7})

    def suits(self, question: Question) -> bool:
        return question.exclusive or question.is_regression

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The calibration quantile.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        scores = _scores(predictions)
        known = ~np.isnan(scores)
        patients = len(np.unique(predictions.clusters()[known]))
        quantile = float("inf")
        if patients:
            quantile = conformal_quantile(scores[known], self.coverage, predictions.clusters()[known])
        if np.isinf(quantile):
            needed = int(np.ceil(self.coverage / (1 - self.coverage) - 1e-9))
            raise Refusal(
                f"a coverage of {self.coverage:g} can't be promised from {patients} labelled calibration patients",
                where="safeguards.conformal",
                expected=f"{needed} or more",
                remedy="give `split` a larger calibrate share, or promise less",
                code="calibrate_too_few",
            )
        return {"quantile": quantile}

    def with_state(self, state: Mapping[str, Any]) -> Conformal:
        fitted = Conformal(self.coverage, self.abstain, self.dice)
        fitted.quantile = float(state["quantile"])
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if self.quantile is None:
            return prediction
        if prediction.question.dense:
            self._bound(prediction, self.quantile)
        elif prediction.question.is_regression:
            assert prediction.probability is not None  # only a dense answer has none
            answer = float(prediction.probability[0])
            prediction.parts |= {"lower": answer - self.quantile, "upper": answer + self.quantile}
        else:
            self._set(prediction, self.quantile)
        return prediction

    def _set(self, prediction: Prediction, quantile: float) -> None:
        classes = prediction.question.classes
        held = lac_sets(np.asarray(prediction.probability)[None], quantile)[0]
        prediction.parts["set_size"] = float(held.sum())
        prediction.parts |= {f"in_set_{name}": float(each) for name, each in zip(classes, held, strict=True)}
        if self.abstain and held.sum() != 1:
            named = " or ".join(name for name, each in zip(classes, held, strict=True) if each)
            prediction.refuse(
                f"at a coverage of {100 * self.coverage:g} % the answer is {named}: no single one"
                if named
                else f"no class is likely enough to keep a coverage of {100 * self.coverage:g} %"
            )

    def _bound(self, prediction: Prediction, quantile: float) -> None:
        if prediction.label is None or prediction.top_probability is None:
            return
        foretold = expected_dice(prediction.label > 0, prediction.top_probability / 255)
        bound = float(np.clip(foretold - quantile, 0, 1))
        prediction.parts["dice_at_least"] = bound
        if self.dice is not None and bound < self.dice:
            prediction.refuse(
                f"at a coverage of {100 * self.coverage:g} % the Dice with the truth may be as low as {bound:.2f}"
            )


def _scores(predictions: Predictions) -> np.ndarray:
    """``(case,)`` conformity scores; NaN where unlabelled."""
    question = predictions.question
    if question.dense:
        return _dense_scores(predictions)
    if question.is_regression:
        columns = predictions.table[["truth", "answer"]].to_numpy(dtype=float)
        return np.abs(columns[:, 0] - columns[:, 1])
    truth = predictions.truth_index()
    return np.where(truth >= 0, lac_scores(predictions.probabilities(), np.maximum(truth, 0)), np.nan)


def _dense_scores(predictions: Predictions) -> np.ndarray:
    """By how much the foretold Dice was above the real one, on each case's stored voxels."""
    scores = np.full(len(predictions), np.nan)
    if predictions.voxels is None:
        return scores
    columns = [f"probability_{name}" for name in predictions.question.classes]
    by_key = dict(iter(predictions.voxels.groupby("key")))
    for row, key in enumerate(predictions.table["key"]):
        voxels = by_key.get(key)
        if voxels is None:
            continue
        probability = voxels[columns].to_numpy()
        said, truth = probability.argmax(1) > 0, voxels["truth"].to_numpy() > 0
        # As stored maps are: eight bits.
        foretold = expected_dice(said, np.round(255 * probability.max(1)) / 255)
        size = said.sum() + truth.sum()
        scores[row] = foretold - (2 * (said & truth).sum() / size if size else 1.0)
    return scores
