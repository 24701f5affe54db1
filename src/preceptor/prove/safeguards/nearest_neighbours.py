"""Nearest neighbours: cases unlike any single training case are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Sample
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.outliers import neighbour_distance, normalised
from preceptor.prove.foreign_cases import features_in, limit_of, refuse_foreign


class NearestNeighbours:
    """Refuses a case whose k-th nearest training case is far, between last features of length one.

    Assumes no shape of distribution, where `mahalanobis` assumes normal ones, and looks at the pattern of features
    alone, not at how strong they are. The threshold is set on held-out calibration cases. Members of an ensemble each
    have their own training features; their distances are averaged.

    Leaves ``nearest_neighbours`` in `parts`: the distance as a share of the accepted one; above 1 is refused. It needs
    features ``(member, feature)`` in the prediction, and costs one plain pass of each network.

    The features of the kept training cases, one row each and without names, are part of the fitted state and of the
    bundle: whoever must not hand out numbers of single patients takes `mahalanobis`, which keeps means alone.

    Args:
        neighbours: The k; at most a tenth of the training cases is taken, one at least.
        kept: Training cases whose features are kept at most, evenly spread over them.
        refused_share: Of cases of the right kind that may be refused. Promised where there are 1 / refused_share
            held-out cases, estimated where there are fewer.

    Raises:
        Refusal: At the fit, where there are no training or no held-out cases.
        RecipeError: At the fit, where the network does not say where its last features are.

    Source: Sun 2022 (arXiv:2204.06507), algorithm 1; threshold: Laxhammar & Falkman 2015.

    Example:
        >>> NearestNeighbours(neighbours=5).neighbours
        5
    """

    fit_role = "calibrate"
    reads_features = True

    def __init__(
        self,
        neighbours: Annotated[int, Ge(1)] = 10,
        kept: Annotated[int, Ge(10)] = 2000,
        refused_share: Annotated[float, Gt(0), Lt(1)] = 0.05,
    ) -> None:
        self.neighbours = neighbours
        self.kept = kept
        self.refused_share = refused_share
        self.state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> NearestNeighbours:
        return cls(neighbours=2)

    def suits(self, question: Question) -> bool:
        return True

    def fit(
        self,
        predictions: Predictions,
        samples: Callable[..., Iterator[Sample]],
        answers: Callable[[str], Predictions],
    ) -> dict[str, Any]:
        """The training cases' features, and how far held-out ones are from their neighbours among them.

        Args:
            predictions: Of the calibration cases, with features.
            samples: Not looked at.
            answers: ``answers("train")`` are the plain answers to the training cases, with features.
        """
        held_out = features_in(predictions, "nearest_neighbours")
        learnt = features_in(answers("train"), "nearest_neighbours")
        chosen = np.unique(np.linspace(0, len(learnt) - 1, min(self.kept, len(learnt))).round().astype(int))
        known = normalised(learnt[chosen]).astype(np.float32)
        neighbours = max(1, min(self.neighbours, len(known) // 10))
        limit = limit_of(_distance(known, held_out, neighbours), self.refused_share)
        return {"known": known, "neighbours": neighbours, "limit": limit}

    def with_state(self, state: Mapping[str, Any]) -> NearestNeighbours:
        fitted = NearestNeighbours(self.neighbours, self.kept, self.refused_share)
        fitted.state = state
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.features is None or not self.state:
            return prediction
        known, neighbours = np.asarray(self.state["known"]), int(self.state["neighbours"])
        (distance,) = _distance(known, prediction.features[None], neighbours)
        what = "what the network sees in it is unlike what it saw in any image the model learnt from"
        return refuse_foreign(prediction, "nearest_neighbours", distance / self.state["limit"], what)


def _distance(known: np.ndarray, features: np.ndarray, neighbours: int) -> np.ndarray:
    """``(case,)`` mean over the members; `known` is ``(known case, member, feature)``."""
    each = [neighbour_distance(known[:, at], features[:, at], neighbours) for at in range(features.shape[1])]
    return np.mean(each, axis=0)
