"""Subspace alignment: cases of another domain are answered from features turned into its own axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.subspaces import AlignedSubspaces


class SubspaceAlignment:
    """Answers cases of the target domain anew, by a linear classifier on features that were aligned to it.

    The networks stay as they are. Of each network's last features the principal axes are found, on the training cases
    and on unlabelled cases of the target domain (role "adapt") apart; the training features are turned into the target's
    axes, and a logistic regression learns the classes there. A case whose `field` names the target domain is then
    answered by that classifier, the mean over networks; all others keep their answer. Put it first, so that what
    recalibrates sees its answers.

    It helps where the target's features are turned or shifted and otherwise arranged alike. Labels of the target are
    never looked at, so only labelled target cases (role "test" or "external") can say whether it did help.

    Args:
        field: The column that names the domain (site, scanner …). Its values among the adapt cases are the target.
        axes: Of either subspace; no more than the cases allow.
        penalty: Of the classifier's squared weights.

    Returns:
        The prediction, ``probability`` ``(class,)`` replaced for cases of the target domain.

    Raises:
        Refusal: At the fit, where no case was looked into, the adapt cases do not name their domain, or fewer than two
            classes were seen.

    Source: Fernando 2013, "Unsupervised visual domain adaptation using subspace alignment", ICCV.

    Example:
        >>> SubspaceAlignment(field="site", axes=8).fit_role
        'adapt'
    """

    fit_role = "adapt"
    reads_features = True
    keeps_answer = False

    def __init__(self, field: str, axes: Annotated[int, Ge(1)] = 16, penalty: Annotated[float, Gt(0)] = 1.0) -> None:
        self.field = field
        self.axes = axes
        self.penalty = penalty
        self.state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> SubspaceAlignment:
        return cls(field="site", axes=2)

    def suits(self, question: Question) -> bool:
        return question.exclusive and not question.dense and not question.is_regression

    def fit(
        self,
        predictions: Predictions,
        samples: Callable[..., Iterator[Sample]],
        answers: Callable[[str], Predictions],
    ) -> dict[str, Any]:
        """The target's axes, and a classifier in them.

        Args:
            predictions: Of the adapt cases, with features; their truth is not looked at.
            samples: Not looked at.
            answers: ``answers("train")`` are the plain answers to the training cases, with features.
        """
        learnt = answers("train")
        truth = learnt.truth_index()
        column = f"field:{self.field}"
        named = predictions.table[column].dropna() if column in predictions.table else []
        target = sorted({str(value) for value in named})
        if predictions.features is None or learnt.features is None or not target or len(set(truth[truth >= 0])) < 2:
            raise Refusal(
                "there is nothing to align: features, the target's name or a second class are missing",
                where="safeguards.subspace_alignment",
                expected=f"training cases of two classes or more, and adapt cases whose '{self.field}' is known",
                remedy="name the target in split: {adapt: {" + self.field + ": [values]}}",
                code="nothing_to_align",
            )
        classes, known = len(learnt.question.classes), truth >= 0
        members = [
            self._fit_member(learnt.features[known, member], truth[known], predictions.features[:, member], classes)
            for member in range(learnt.features.shape[1])
        ]
        return {"target": target, "members": members}

    def _fit_member(self, source: np.ndarray, truth: np.ndarray, target: np.ndarray, classes: int) -> dict[str, Any]:
        from sklearn.linear_model import LogisticRegression

        aligned = AlignedSubspaces.fit(source.astype(np.float64), target.astype(np.float64), self.axes)
        seen = aligned.of_source(source)
        scale = max(float(seen.std()), 1e-12)  # one number, so that the axes keep their proportions
        model = LogisticRegression(C=1 / self.penalty, max_iter=1000).fit(seen / scale, truth)
        weights, shift = np.zeros((classes, seen.shape[1])), np.full(classes, -np.inf)
        if len(model.classes_) == 2:  # one row: the log odds of the second
            weights[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2
            shift[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2
        else:
            weights[model.classes_], shift[model.classes_] = model.coef_, model.intercept_
        return {
            "mean": aligned.target_mean,
            "axes": aligned.target_axes / scale,
            "weights": weights,
            "shift": np.maximum(shift, -1e30),
        }

    def with_state(self, state: Mapping[str, Any]) -> SubspaceAlignment:
        fitted = copy(self)
        fitted.state = state
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        sample = prediction.sample
        if not self.state or prediction.features is None or sample is None:
            return prediction
        if str(sample.fields.get(self.field)) not in self.state["target"]:
            return prediction
        said = [
            _answer(member, features)
            for member, features in zip(self.state["members"], prediction.features, strict=True)
        ]
        prediction.probability = np.mean(said, axis=0).astype(np.float32)
        return prediction


def _answer(member: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """``(class,)`` probabilities of one network's features ``(feature,)``."""
    place = (features.astype(np.float64) - np.asarray(member["mean"])) @ np.asarray(member["axes"])
    logits = np.asarray(member["weights"]) @ place + np.asarray(member["shift"])
    grown = np.exp(logits - logits.max())
    return grown / grown.sum()
