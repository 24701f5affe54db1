"""Mahalanobis distance: cases whose features lie away from those of every class learnt are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.outliers import fit_gaussians, mahalanobis
from preceptor.prove.foreign_cases import features_in, limit_of, refuse_foreign


class Mahalanobis:
    """Refuses a case whose last features are far from those of the training cases, class by class.

    A normal distribution is fitted to each class's features, with one shrunk covariance for all (one distribution
    where classes do not exclude each other, or the answer is dense or a number). The threshold is set on held-out
    calibration cases: on the training cases' own distances it would refuse several times the share asked for. Members
    of an ensemble each have their own distributions; their distances are averaged.

    Leaves ``mahalanobis`` in `parts`: the distance as a share of the accepted one; above 1 is refused. It needs features
    ``(member, feature)`` in the prediction, and costs one plain pass of each network.

    What the network does not react to it can't tell: a lesion of a kind never seen may leave its features as they are.

    Args:
        refused_share: Of cases of the right kind that may be refused. Promised where there are 1 / refused_share
            held-out cases, estimated where there are fewer.

    Raises:
        Refusal: At the fit, where there are no training or no held-out cases.
        RecipeError: At the fit, where the network does not say where its last features are.

    Source: Lee 2018 (arXiv:1807.03888), section 2.1, without its input perturbation and feature ensemble; covariance:
        Ledoit & Wolf 2004; threshold: Laxhammar & Falkman 2015.

    Example:
        >>> Mahalanobis(refused_share=0.01).refused_share
        0.01
    """

    fit_role = "calibrate"
    reads_features = True

    def __init__(self, refused_share: Annotated[float, Gt(0), Lt(1)] = 0.05) -> None:
        self.refused_share = refused_share
        self.state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> Mahalanobis:
        return cls()

    def suits(self, question: Question) -> bool:
        return True

    def fit(
        self,
        predictions: Predictions,
        samples: Callable[..., Iterator[Sample]],
        answers: Callable[[str], Predictions],
    ) -> dict[str, Any]:
        """Where the training cases lie, and how far held-out ones are from that.

        Args:
            predictions: Of the calibration cases, with features.
            samples: Not looked at.
            answers: ``answers("train")`` are the plain answers to the training cases, with features.
        """
        held_out = features_in(predictions, "mahalanobis")
        learnt = answers("train")
        features = features_in(learnt, "mahalanobis")
        question = learnt.question
        by_class = question.exclusive and not question.dense and not question.is_regression
        classes = learnt.truth_index() if by_class else np.zeros(len(features), dtype=int)
        if (classes < 0).all():
            classes = np.zeros(len(features), dtype=int)
        members = [fit_gaussians(features[:, member], classes) for member in range(features.shape[1])]
        return {"members": members, "limit": limit_of(_distance(members, held_out), self.refused_share)}

    def with_state(self, state: Mapping[str, Any]) -> Mahalanobis:
        fitted = Mahalanobis(self.refused_share)
        fitted.state = state
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.features is None or not self.state:
            return prediction
        (distance,) = _distance(self.state["members"], prediction.features[None])
        what = "what the network sees in it is unlike anything the model learnt from"
        return refuse_foreign(prediction, "mahalanobis", distance / self.state["limit"], what)


def _distance(members: Any, features: np.ndarray) -> np.ndarray:
    """``(case,)`` mean over the members."""
    return np.mean([mahalanobis(each, features[:, index]) for index, each in enumerate(members)], axis=0)
