"""Answers laid out as an array of arms, readers and cases: only what every reader read in every arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.prove.measuring import noted

from .allocation import ASSISTED, UNAIDED
from .asked import Asked

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Readings:
    """A fully crossed study.

    Args:
        asked: The cases that every reader read in every arm.
        arms: Names; ``assisted`` first and ``unaided`` last, where they are there.
        readers: Codes.
        score: ``(arm, reader, case)``; NaN where none was given.
        said: ``(arm, reader, case)`` 1 where the reader found the finding, 0 where not, NaN where not told.
        seconds: ``(arm, reader, case)``; NaN where not taken.
        planted: ``(case,)`` whose advice was turned round.
        notes: What was left out, and why.
    """

    asked: Asked
    arms: tuple[str, ...]
    readers: tuple[str, ...]
    score: np.ndarray
    said: np.ndarray
    seconds: np.ndarray
    planted: np.ndarray
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        answers: pandas.DataFrame,
        asked: Asked,
        allocation: pandas.DataFrame | None = None,
        washout_days: int | None = None,
    ) -> Readings:
        """Lay the answers out.

        Args:
            answers: Of `read_answers`.
            asked: The cases and the model's answers.
            allocation: Of `allocate`: says which advice was planted.
            washout_days: Least days between two looks at a case; readings nearer than that are counted in a note.

        Raises:
            CohortError: A finding is neither class, or no case was read by every reader in every arm.
        """
        arms = tuple(sorted(answers["arm"].unique(), key=lambda arm: (arm == UNAIDED, arm != ASSISTED, arm)))
        readers = tuple(sorted(answers["reader"].unique()))
        place = {key: at for at, key in enumerate(asked.keys.tolist())}
        known = answers[answers["key"].isin(place)]
        shape = (len(arms), len(readers), len(asked))
        at = (
            known["arm"].map({arm: index for index, arm in enumerate(arms)}).to_numpy(dtype=int),
            known["reader"].map({reader: index for index, reader in enumerate(readers)}).to_numpy(dtype=int),
            known["key"].map(place).to_numpy(dtype=int),
        )
        score, said, seconds = (np.full(shape, np.nan) for _ in range(3))
        score[at], seconds[at] = known["score"].to_numpy(), known["seconds"].to_numpy()
        said[at] = _said(known["finding"], asked)
        read = np.zeros(shape, dtype=bool)
        read[at] = True
        whole = np.asarray(read.all((0, 1)))
        if not whole.any():
            raise CohortError(
                "no case was read by every reader in every arm",
                expected=f"answers of {len(readers)} readers in {len(arms)} arms to the same cases, with the "
                "predictions' keys",
                remedy="check the keys, or leave out a reader or an arm that is not finished",
                code="readers_not_crossed",
            )
        planted = np.zeros(len(asked), dtype=bool)
        if allocation is not None:
            turned = allocation.loc[allocation["planted"].map(_true), "key"].astype(str)
            planted = np.isin(asked.keys, turned.to_numpy())
        notes = (
            *noted(int((read.any((0, 1)) & ~whole).sum()), "case{s} not read by every reader in every arm, left out"),
            *noted(len(answers) - len(known), "answer{s} to cases without a prediction and a truth, left out"),
            *_washout(known, washout_days),
        )
        return cls(
            asked.where(whole),
            arms,
            readers,
            score[..., whole],
            said[..., whole],
            seconds[..., whole],
            planted[whole],
            notes,
        )

    @property
    def scored(self) -> bool:
        """Whether every reading has a score."""
        return bool(np.isfinite(self.score).all())

    @property
    def told(self) -> bool:
        """Whether every reading names a finding."""
        return bool(np.isfinite(self.said).all())

    @property
    def timed(self) -> bool:
        """Whether every reading was timed."""
        return bool(np.isfinite(self.seconds).all())

    @property
    def pair(self) -> tuple[int, int] | None:
        """Where ``assisted`` and ``unaided`` stand among the arms; None where there are not both."""
        both = ASSISTED in self.arms and UNAIDED in self.arms
        return (self.arms.index(ASSISTED), self.arms.index(UNAIDED)) if both else None


def _said(findings: pandas.Series, asked: Asked) -> np.ndarray:
    names = {asked.finding.lower(): 1.0, asked.absent.lower(): 0.0, "": np.nan}
    said = findings.str.lower().map(names)
    unknown = sorted(set(findings[~findings.str.lower().isin(names)]))
    if unknown:
        raise CohortError(
            f"{len(unknown)} findings are neither class: {', '.join(unknown[:5])}",
            where="the column finding",
            expected=f"'{asked.finding}' or '{asked.absent}'",
            code="readers_finding_unknown",
        )
    return said.to_numpy(dtype=float)


def _washout(answers: pandas.DataFrame, days: int | None) -> tuple[str, ...]:
    if days is None:
        return ()
    dated = answers.dropna(subset=["date"]).sort_values("date")
    if not len(dated):
        return ("no reading is dated: the washout can't be checked",)
    gaps = dated.groupby(["reader", "key"])["date"].diff().dt.days
    return noted(int((gaps < days).sum()), f"case{{s}} seen again by a reader within {days} days")


def _true(value: object) -> bool:
    return str(value).strip().lower() in ("true", "1")
