"""Does performance hold within a site, across sites, and with classes balanced inside sites? From stored answers."""

from __future__ import annotations

import numpy as np

from preceptor.maths.adjusted_odds import log_odds
from preceptor.maths.calibration import logit
from preceptor.maths.group_weights import independence_weights
from preceptor.maths.intervals import Resamples, average_of, bootstrap, paired_difference
from preceptor.maths.weighted_roc import weighted_auroc_statistic

from .areas import RESAMPLES, above_nought, codes_of, interval_of, mean_area, paired_codes, told
from .material import Asked
from .suspicion import Trial

#: How much of the AUROC must be owed to the field to matter.
OWED = 0.05


def within(asked: Asked, name: str, value: np.ndarray, clusters: np.ndarray, of: str = "") -> Trial | None:
    """How much of the AUROC is lost when only cases are compared that share the field.

    A model that reads the site ranks well overall and worse among cases of one site, where the site tells nothing.

    Args:
        asked: The question.
        name: Of the field.
        value: ``(row,)`` text; "" where unknown.
        clusters: ``(row,)`` integer id of each row's patient.
        of: What the field is called in a sentence, by default its name.

    Returns:
        None where no pair of cases shares the field.
    """
    keep = (value != "") & (asked.truth >= 0)
    codes, stratum, who = asked.truth[keep], codes_of(value[keep]), clusters[keep]
    if len(np.unique(stratum)) < 2 or len(np.unique(codes)) < 2:
        return None
    scores = asked.probability[keep]
    resamples = Resamples.of(who, RESAMPLES)
    everywhere = np.zeros(len(codes), dtype=int)
    wanted = paired_codes(codes, scores.shape[1], stratum)  # the same classes on both sides of the difference
    overall = bootstrap(mean_area(codes, scores, everywhere, resamples, wanted), resamples, accelerated=False)
    inside = bootstrap(mean_area(codes, scores, stratum, resamples, wanted), resamples, accelerated=False)
    if np.isnan(inside.value) or np.isnan(overall.value):
        return None
    lost = paired_difference(overall, inside)
    interval, of = interval_of(lost), of or name
    balanced = _balanced(codes, scores, stratum, resamples)
    odds = log_odds((codes == codes.max()).astype(float), logit(scores[:, codes.max()]), stratum)
    about = f"{asked.name}: " if asked.name else ""
    said = (
        f"{about}The AUROC is {overall.value:.2f} overall and {told(inside.value, interval_of(inside))} among cases of "
        f"one {of}: {told(lost.value, interval)} of it is owed to the {of}."
    )
    return Trial(
        f"within.{name}{'.' + asked.name if asked.name else ''}",
        name,
        f"Does performance hold among cases of one {of}?",
        said,
        lost.value,
        interval,
        0.0,
        above_nought(lost),
        lost.value >= OWED,
        len(codes),
        len(np.unique(who)),
        {
            "overall": overall.value,
            "within": inside.value,
            "across": _across(codes, scores, stratum),
            "classes balanced inside": balanced.value,
            "classes balanced inside, interval": interval_of(balanced),
            "log-odds per SD of the score": odds.alone,
            "log-odds per SD, adjusted": odds.adjusted,
        },
    )


def _balanced(codes: np.ndarray, scores: np.ndarray, stratum: np.ndarray, resamples: Resamples):
    """AUROC as if every stratum had the same mix of classes."""
    weight = independence_weights(stratum, codes)
    wanted = [1] if scores.shape[1] == 2 else np.unique(codes)
    each = [
        weighted_auroc_statistic((codes == code).astype(float), scores[:, code], weight, resamples) for code in wanted
    ]
    return bootstrap(average_of(each), resamples, accelerated=False)


def _across(codes: np.ndarray, scores: np.ndarray, stratum: np.ndarray) -> float:
    """AUROC over pairs of cases that do not share the field, the mean over classes."""
    areas = []
    for code in [1] if scores.shape[1] == 2 else np.unique(codes):
        positive = codes == code
        apart = stratum[positive][:, None] != stratum[~positive][None]
        above = scores[positive, code][:, None] - scores[~positive, code][None]
        wins = (above > 0) + 0.5 * (above == 0)
        if apart.any():
            areas.append(float(wins[apart].mean()))
    return float(np.mean(areas)) if areas else float("nan")
