"""Conformal prediction: answers with a promised coverage, and no single answer where the promise leaves several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.conformal import aps_all_scores, conformal_quantile, grouped_quantiles, raps_all_scores
from preceptor.maths.overlap import expected_dice


class Conformal:
    """Promises that the truth lies in the answer's set, interval or bound for a share of new patients.

    Classes that exclude each other: the set of classes that can't be ruled out; a case whose set is not exactly one
    class is refused. A regressed quantity: an interval. Dense answers: a lower bound on the Dice of all structures
    together, from the overlap that the probabilities foretell less how much that was too high on calibration cases.

    The promise holds on average over new patients like those it was fitted on, for no single one and for no subgroup;
    with `by` it holds for every true class, or for every value of a field of the cohort, each on its own calibration
    cases. Every patient weighs the same, however many images. Put it after whatever changes probabilities (temperature) and
    before `largest_component`: the calibration scores must be made as those of new cases are.

    Leaves in `parts`: ``set_size`` and ``in_set_<class>``; or ``lower`` and ``upper``; or ``dice_at_least``.

    Args:
        coverage: Share of new patients for whom it is to hold.
        abstain: Whether a case whose set is not exactly one class is refused.
        dice: Dense answers whose bound lies below are refused; None refuses none.
        score: How classes are ruled out. "lac" gives the smallest sets on average, and may give none; "aps" gives larger
            ones where a case is hard; "raps" the same without tails of unlikely classes.
        randomised: Of "aps" and "raps": take away a share of each class's own probability, drawn from the case's key
            (so the same for the same case). Without it their sets are larger than promised for.
        by: ``class``, or a field of the cohort; None promises for all patients together. A case whose field has a value
            with too few calibration patients, or one never seen, gets the set of all classes (or an interval without
            ends).

    Raises:
        Refusal: At the fit, where the calibration patients (of every class; of any value of the field) are too few for
            the coverage (0.9 needs 9, 0.95 needs 19), or nothing is labelled.

    Source: LAC: Sadinle 2019 (arXiv:1609.00451); APS: Romano 2020 (arXiv:2006.02544); RAPS: Angelopoulos 2021
        (arXiv:2009.14193); by group: Vovk 2005 (Mondrian); intervals: Lei 2018 (arXiv:1604.04173); several images of a patient:
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
        score: Literal["lac", "aps", "raps"] = "lac",
        randomised: bool = True,
        by: str | None = None,
    ) -> None:
        self.coverage = coverage
        self.abstain = abstain
        self.dice = dice
        self.score = score
        self.randomised = randomised
        self.by = by
        self.quantile: float | None = None
        self.groups: dict[str, float] = {}

    @classmethod
    def example(cls) -> Conformal:
        return cls().with_state({"quantile": 0.7})

    def suits(self, question: Question) -> bool:
        if self.by == "class":
            return question.exclusive and not question.dense and not question.is_regression
        return question.exclusive or question.is_number

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The calibration quantile, or one for every group.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        scores = self._scores(predictions)
        known = ~np.isnan(scores)
        patients = predictions.clusters()[known]
        quantile = conformal_quantile(scores[known], self.coverage, patients) if known.any() else float("inf")
        if self.by is None:
            self._refuse_too_few(np.isinf(quantile), len(np.unique(patients)), "")
            return {"quantile": quantile}
        names = self._groups(predictions)[known]
        groups = grouped_quantiles(scores[known], names, self.coverage, patients)
        if self.by == "class":
            groups = {name: groups.get(name, float("inf")) for name in predictions.question.classes}
        void = [name for name, each in groups.items() if np.isinf(each)]
        if void and (self.by == "class" or len(void) == len(groups)) or not groups:
            of = void[0] if void else "any group"
            self._refuse_too_few(True, len(np.unique(patients[names == of])), f" of {of}")
        kept = {name: each for name, each in groups.items() if np.isfinite(each)}
        return {"quantile": None if np.isinf(quantile) else quantile, "groups": kept}

    def _refuse_too_few(self, void: bool, patients: int, of: str) -> None:
        if void:
            needed = int(np.ceil(self.coverage / (1 - self.coverage) - 1e-9))
            raise Refusal(
                f"a coverage of {self.coverage:g} can't be promised from {patients} labelled calibration patients{of}",
                where="safeguards.conformal",
                expected=f"{needed} or more",
                remedy="give `split` a larger calibrate share, or promise less",
                code="calibrate_too_few",
            )

    def _groups(self, predictions: Predictions) -> np.ndarray:
        """``(case,)`` name of each calibration case's group."""
        column = predictions.table.get("truth" if self.by == "class" else f"field:{self.by}")
        if column is None:
            raise Refusal(
                f"the calibration cases have no field '{self.by}'",
                where="safeguards.conformal.by",
                expected="class, or a field that the cohort declares",
                remedy="add it to the cohort's `fields`",
                code="field_unknown",
            )
        return column.astype(str).to_numpy()

    def with_state(self, state: Mapping[str, Any]) -> Conformal:
        fitted = Conformal(self.coverage, self.abstain, self.dice, self.score, self.randomised, self.by)
        fitted.quantile = float("inf") if state["quantile"] is None else float(state["quantile"])
        fitted.groups = {str(name): float(each) for name, each in state.get("groups", {}).items()}
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if self.quantile is None:
            return prediction
        quantile = self._quantile_of(prediction)
        if prediction.question.dense:
            self._bound(prediction, quantile)
        elif prediction.question.is_regression:
            assert prediction.probability is not None  # only a dense answer has none
            answer = float(prediction.probability[0])
            prediction.parts |= {"lower": answer - quantile, "upper": answer + quantile}
        else:
            self._set(prediction, quantile)
        return prediction

    def _quantile_of(self, prediction: Prediction) -> float:
        """Of the case's group; infinite where nothing is known of that group."""
        assert self.quantile is not None  # asked once fitted
        if self.by is None or self.by == "class":
            return self.quantile
        value = None if prediction.sample is None else prediction.sample.fields.get(self.by)
        return self.groups.get(str(value), float("inf"))

    def _set(self, prediction: Prediction, quantile: float) -> None:
        classes = prediction.question.classes
        limits = np.full(len(classes), quantile)
        if self.by == "class":
            limits = np.array([self.groups.get(name, float("inf")) for name in classes])
        held = self._all_scores(np.asarray(prediction.probability)[None], [prediction.key])[0] <= limits
        prediction.parts["set_size"] = float(held.sum())
        prediction.parts |= {f"in_set_{name}": float(each) for name, each in zip(classes, held, strict=True)}
        if self.abstain and held.sum() != 1:
            named = " or ".join(name for name, each in zip(classes, held, strict=True) if each)
            prediction.refuse(
                f"at a coverage of {100 * self.coverage:g} % the answer is {named}: no single one"
                if named
                else f"no class is likely enough to keep a coverage of {100 * self.coverage:g} %"
            )

    def _all_scores(self, probability: np.ndarray, keys: Any) -> np.ndarray:
        """``(case, class)`` how badly each class fits; the same rule for calibration and for new cases."""
        if self.score == "lac":
            return 1 - probability
        uniform = np.array([_uniform(str(key)) for key in keys]) if self.randomised else None
        return (aps_all_scores if self.score == "aps" else raps_all_scores)(probability, uniform)

    def _scores(self, predictions: Predictions) -> np.ndarray:
        """``(case,)`` conformity scores; NaN where unlabelled."""
        question = predictions.question
        if question.dense:
            return _dense_scores(predictions)
        if question.is_regression:
            columns = predictions.table[["truth", "answer"]].to_numpy(dtype=float)
            return np.abs(columns[:, 0] - columns[:, 1])
        truth = predictions.truth_index()
        scores = self._all_scores(predictions.probabilities(), predictions.table["key"])
        return np.where(truth >= 0, np.take_along_axis(scores, np.maximum(truth, 0)[:, None], 1)[:, 0], np.nan)

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


def _uniform(key: str) -> float:
    """A number in 0..1 that belongs to a case: another draw for the same case would change its set."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


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
