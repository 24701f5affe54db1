"""From readers' answers and stored predictions to findings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions

from .agreeing import agreement_of_arms
from .aligned import Readings
from .asked import Asked
from .ranking import assistance, auroc_of_arms, left_out, model_against_readers, operating_points
from .relying import followed_errors, over_reliance, reading_time, sound_reliance
from .study import Study

if TYPE_CHECKING:
    import pandas


def analyse(
    answers: pandas.DataFrame,
    predictions: Predictions,
    *,
    allocation: pandas.DataFrame | None = None,
    finding: str | None = None,
    washout_days: int | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Finding]:
    """Everything that the answers of a reader study can say; what they can't is left out.

    Only cases that every reader read in every arm enter, so that every comparison is of the same cases; what was left
    out is counted in the notes of the first finding. Intervals of averages and differences are for readers and cases
    like these (Obuchowski-Rockette); their parts ``these_readers`` and ``these_cases`` speak for these alone.

    Args:
        answers: Of `read_answers`.
        predictions: The model's, with the truth.
        allocation: Of `allocate`: which advice was planted.
        finding: Name of the positive class; by default the second of two.
        washout_days: Least days between two looks at a case, checked where readings are dated.
        resamples: Of patients, for the intervals of single readers.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        ``readers.model``, ``readers.auroc.<arm>``, ``readers.model_minus_<arm>``, ``readers.assistance``,
        ``readers.sensitivity.<arm>``, ``readers.specificity.<arm>``, ``readers.agreement.<arm>``,
        ``readers.over_reliance``, ``readers.followed_errors``, ``readers.sound_reliance``, ``readers.seconds``: those
        that can be measured.

    Raises:
        CohortError: No case was read by all; a finding is unknown; there is neither score nor finding everywhere; too
            few patients. See `Asked.of` and `Readings.of`.
    """
    readings = Readings.of(answers, Asked.of(predictions, finding), allocation, washout_days)
    if not readings.scored and not readings.told:
        raise CohortError(
            "some readings have no score and some no finding, so nothing is the same everywhere",
            expected="a score in every row, or a finding in every row",
            code="readers_incomplete",
        )
    study = Study.of(readings, resamples, level, seed)
    found: dict[str, Finding] = {}
    if readings.scored:
        left = left_out(study)
        found |= auroc_of_arms(study, left) | model_against_readers(study) | assistance(study, left)
    found |= operating_points(study) | agreement_of_arms(study)
    found |= over_reliance(study) | followed_errors(study) | sound_reliance(study) | reading_time(study)
    first = next(iter(found))
    found[first] = replace(found[first], notes=(*found[first].notes, *readings.notes))
    return found
