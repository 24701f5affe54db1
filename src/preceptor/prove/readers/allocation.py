"""Who reads what, when, and with which advice: every reader reads every case once in every arm, weeks apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions

from .asked import Asked

if TYPE_CHECKING:
    import pandas

#: The arm in which a reader sees the model's answer.
ASSISTED = "assisted"
UNAIDED = "unaided"

#: What the organiser knows and a reader must not.
HIDDEN = ("planted",)


def allocate(
    predictions: Predictions,
    readers: Sequence[str],
    *,
    arms: Sequence[str] = (UNAIDED, ASSISTED),
    washout_days: int = 28,
    seed: int = 0,
    planted_wrong: float = 0.1,
    finding: str | None = None,
) -> pandas.DataFrame:
    """Allocate the test cases to readers: fully crossed, counterbalanced, with a washout between two looks at a case.

    The cases are dealt into as many blocks as there are arms, each with its share of positive cases; a patient's cases
    stay together. In every session a reader reads every block, each in another arm; over the sessions each block passes
    through each arm (a Latin square), and readers begin at different places in it. So neither a case's difficulty nor
    a reader's practice falls on one arm. The order inside a block is drawn anew for each reader and session.

    In the arm ``assisted`` the model's answer is shown. Of some cases that the model has right, the opposite is shown
    to every reader: whoever agrees with it more often than unaided relies on the model too much.

    Args:
        predictions: Of the cases to read: their truth balances the blocks, their answers are the advice.
        readers: Codes of the readers; no names, for they stand in the report.
        arms: Ways of reading; advice is shown in ``assisted``.
        washout_days: Between the starts of two sessions.
        seed: Of blocks, orders and planted advice.
        planted_wrong: Share of the cases whose advice is turned round, 0 to 0.5.
        finding: Name of the positive class; by default the second of two.

    Returns:
        One row per reading: ``reader, session, day, order, key, arm, advice, advice_score, planted``. ``day`` counts
        from the study's start; ``advice`` is empty where none is shown. ``planted`` is not for the readers' eyes.

    Raises:
        CohortError: No reader, one code twice, no arm, or fewer cases of a class than arms; see `Asked.of`.
    """
    import pandas

    readers, arms = [str(each).strip() for each in readers], [str(each) for each in arms]
    _check(readers, arms, washout_days, planted_wrong)
    asked = Asked.of(predictions, finding)
    rng = np.random.default_rng(seed)
    block = _blocks(asked, len(arms), rng)
    planted = _planted(asked, planted_wrong, rng) if ASSISTED in arms else np.zeros(len(asked), dtype=bool)
    shown, scores = _advice(asked, planted, rng)
    rows = []
    for place, reader in enumerate(readers):
        for session in range(len(arms)):
            start = (place + session) % len(arms)
            drawn = [
                (arms[(at + start) % len(arms)], case)
                for at in _turned(len(arms), place // len(arms))
                for case in rng.permutation(np.flatnonzero(block == at))
            ]
            for order, (arm, case) in enumerate(drawn, start=1):
                aided = arm == ASSISTED
                rows.append(
                    {
                        "reader": reader,
                        "session": session + 1,
                        "day": session * washout_days,
                        "order": order,
                        "key": asked.keys[case],
                        "arm": arm,
                        "advice": asked.name(shown[case]) if aided else "",
                        "advice_score": round(float(scores[case]), 4) if aided else np.nan,
                        "planted": bool(aided and planted[case]),
                    }
                )
    return pandas.DataFrame(rows)


def sheets(allocation: pandas.DataFrame) -> dict[str, pandas.DataFrame]:
    """What each reader is given: his rows in order, without what he must not know, with columns to fill in.

    Args:
        allocation: Of `allocate`.

    Returns:
        ``{reader: table}`` with the empty columns ``date, score, finding, seconds``.
    """
    tables = {}
    for reader, rows in allocation.groupby("reader", sort=False):
        table = rows.drop(columns=[name for name in HIDDEN if name in rows]).sort_values(["session", "order"])
        tables[str(reader)] = table.assign(date="", score="", finding="", seconds="").reset_index(drop=True)
    return tables


def _check(readers: Sequence[str], arms: Sequence[str], washout_days: int, planted_wrong: float) -> None:
    faults = []
    if not readers or not all(readers):
        faults.append("no reader is named")
    if len(set(readers)) < len(readers):
        faults.append("a reader is named twice")
    if not arms or len(set(arms)) < len(arms):
        faults.append("arms must be named, each once")
    if washout_days < 0:
        faults.append("the washout is negative")
    if not 0 <= planted_wrong <= 0.5:
        faults.append(f"{planted_wrong:g} of the advice can't be planted")
    if faults:
        raise CohortError(
            f"the study can't be allocated: {'; '.join(faults)}",
            expected="readers and arms by name, a washout of 0 days or more, planted wrong advice of 0 to 0.5",
            code="readers_allocation",
        )


def _blocks(asked: Asked, number: int, rng: np.random.Generator) -> np.ndarray:
    """``(case,)`` block of each case: patients dealt in turn, those with a positive case first."""
    patients = np.unique(asked.patient)
    positive = np.isin(patients, asked.patient[asked.truth == 1])
    if min(positive.sum(), (~positive).sum()) < number:
        raise CohortError(
            f"{positive.sum()} patients with {asked.finding} and {(~positive).sum()} without can't be dealt into "
            f"{number} blocks",
            expected=f"{number} patients of each kind or more",
            remedy="take more cases into the study",
            code="readers_few_cases",
        )
    order = np.concatenate([rng.permutation(patients[positive]), rng.permutation(patients[~positive])])
    of_patient = dict(zip(order.tolist(), (np.arange(len(order)) % number).tolist(), strict=True))
    return np.array([of_patient[each] for each in asked.patient.tolist()])


def _planted(asked: Asked, share: float, rng: np.random.Generator) -> np.ndarray:
    """``(case,)`` whose advice is turned round: among cases the model has right, positives and negatives alike."""
    planted = np.zeros(len(asked), dtype=bool)
    right = asked.said == asked.truth
    wanted = share * len(asked) / max(right.sum(), 1)
    for truth in (0, 1):
        candidates = np.flatnonzero(right & (asked.truth == truth))
        number = min(len(candidates), round(wanted * len(candidates)))
        planted[rng.choice(candidates, number, replace=False)] = True
    return planted


def _advice(asked: Asked, planted: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What is shown: the answer and its probability; planted advice takes the probability of a case answered so."""
    shown = np.where(planted, 1 - asked.said, asked.said)
    scores = asked.score.copy()
    for case in np.flatnonzero(planted):
        alike = asked.score[asked.said == shown[case]]
        scores[case] = rng.choice(alike) if len(alike) else 1 - scores[case]
    return shown, scores


def _turned(number: int, by: int) -> list[int]:
    """The blocks, begun at another one: with more readers than arms, the first block read changes too."""
    return [(at + by) % number for at in range(number)]
