"""The cases of a reader study: the finding that is read, what was true, and what the model says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.prove.labelled import answer_matrix


@dataclass(frozen=True, eq=False)
class Asked:
    """One finding, present or absent, of cases that a model answered.

    Args:
        finding: Name of the class that counts as positive.
        absent: What a case without it is called.
        keys: ``(case,)``.
        patient: ``(case,)`` name of each case's patient (or merged identity, or the key).
        truth: ``(case,)`` 1 or 0.
        score: ``(case,)`` the model's probability of the finding.
        said: ``(case,)`` the model's answer, 1 or 0.
        knows_patients: Whether patients are named.
    """

    finding: str
    absent: str
    keys: np.ndarray
    patient: np.ndarray
    truth: np.ndarray
    score: np.ndarray
    said: np.ndarray
    knows_patients: bool

    @classmethod
    def of(cls, predictions: Predictions, finding: str | None = None) -> Asked:
        """The test and external cases with a truth; of a case that several fits answered, the mean probability.

        Args:
            predictions: Of a classification (or of independent labels).
            finding: Name of the positive class; by default the second of two.

        Raises:
            CohortError: The question has no such class, or no case has a truth.
        """
        question = predictions.question
        classes = question.classes
        if question.dense or question.is_regression or not classes:
            raise CohortError(
                "readers are asked for a finding, and these predictions are of none",
                expected="predictions of a classification or of several labels",
                code="readers_question",
            )
        if finding is None and len(classes) == 2 and question.exclusive:
            finding = classes[1]
        if finding not in classes:
            raise CohortError(
                f"'{finding}' is no class of these predictions" if finding else "the finding must be named",
                expected=f"one of {', '.join(classes)}",
                code="readers_finding",
            )
        at = classes.index(finding)
        rows = predictions.role("test", "external")
        table = rows.table[["key", "cluster"]].copy()
        table["truth"], table["score"] = rows.truth_matrix()[:, at], rows.probabilities()[:, at]
        table["said"] = answer_matrix(rows)[:, at]
        patients = rows.table.get("patient")
        table = table.dropna(subset=["truth", "score"])
        cases = table.groupby("key", sort=True).agg(
            {"cluster": "first", "truth": "first", "score": "mean", "said": "mean"}
        )
        if not len(cases):
            raise CohortError(
                "no test case has a truth and a prediction",
                expected="predictions of test or external cases with their truth",
                code="readers_no_cases",
            )
        other = classes[1 - at] if question.exclusive and len(classes) == 2 else f"no {finding}"
        return cls(
            finding,
            other,
            cases.index.to_numpy(dtype=str),
            cases["cluster"].to_numpy(dtype=str),
            cases["truth"].to_numpy(dtype=float),
            cases["score"].to_numpy(dtype=float),
            (cases["said"].to_numpy(dtype=float) >= 0.5).astype(float),
            bool(patients is not None and patients.notna().all()),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, kept: np.ndarray) -> Asked:
        """The cases where `kept` is true."""
        arrays = ("keys", "patient", "truth", "score", "said")
        return replace(self, **{name: getattr(self, name)[kept] for name in arrays})

    def name(self, present: float) -> str:
        """What an answer is called."""
        return self.finding if present else self.absent
