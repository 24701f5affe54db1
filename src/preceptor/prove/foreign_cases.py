"""What the safeguards against foreign images share: features asked for, a threshold set on held-out cases."""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions
from preceptor.core.plugins import Prediction
from preceptor.maths.reference import threshold


def features_in(predictions: Predictions, safeguard: str) -> np.ndarray:
    """``(case, member, feature)`` that stored predictions hold.

    Args:
        predictions: Made while the safeguard is fitted.
        safeguard: Its name in a recipe.

    Raises:
        Refusal: There is no case, or none was looked into.
    """
    if predictions.features is None:
        raise Refusal(
            "no case was looked into: nothing says what the network's features are like",
            where=f"safeguards.{safeguard}",
            expected="training and calibration cases, predicted with their features",
            remedy="give `split` a train and a calibrate share",
            code="features_missing",
        )
    return predictions.features


def limit_of(distances: np.ndarray, refused_share: float) -> float:
    """The distance beyond which a case is foreign; see `preceptor.maths.reference.threshold`.

    Args:
        distances: ``(case,)`` of held-out cases of the same kind, above 0.
        refused_share: Of such cases that may be refused.
    """
    return threshold(distances.tolist(), refused_share)


def refuse_foreign(prediction: Prediction, name: str, share_of_limit: float, what: str) -> Prediction:
    """Leave how far a case is, as a share of what is accepted, and refuse it beyond that.

    Args:
        prediction: The case's.
        name: Of the part.
        share_of_limit: Above 1 is foreign.
        what: Why, in plain words.
    """
    prediction.parts[name] = float(share_of_limit)
    if share_of_limit > 1:
        prediction.refuse(f"{what} ({share_of_limit:.2f} times the distance that is accepted)")
    return prediction
