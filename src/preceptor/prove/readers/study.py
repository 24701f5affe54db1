"""What every measure of a reader study shares: the readings, the resamples of patients, and findings made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import Statistic, ratio_statistic
from preceptor.maths.reader_study import Average, Contrast, Left, ReaderStudy, average_reader, crossed
from preceptor.prove.measuring import Measuring

from .aligned import Readings

#: Below this many readers the spread between them is guessed rather than known.
FEW_READERS = 5


@dataclass(frozen=True, eq=False)
class Study:
    """Readings with the resamples that all measures of single readers share.

    Args:
        readings: Who said what.
        measuring: Of the cases.
        level: Of the intervals.
    """

    readings: Readings
    measuring: Measuring
    level: float

    @classmethod
    def of(cls, readings: Readings, resamples: int, level: float, seed: int) -> Study:
        """Draw the resamples of patients.

        Args:
            readings: Who said what.
            resamples: How many.
            level: Of the intervals.
            seed: Of the draws.
        """
        asked = readings.asked
        patient = asked.patient if asked.knows_patients else None
        table = pandas.DataFrame({"key": asked.keys, "cluster": asked.patient, "patient": patient})
        question = Question("classification", asked.finding, (asked.absent, asked.finding))
        return cls(readings, Measuring.of(Predictions(table, question, Path()), resamples, level, seed), level)

    @property
    def clusters(self) -> int:
        """How many patients (or images) were read."""
        return len(self.measuring.resamples.names)

    def single(self, name: str, definition: str, statistic: Statistic, **more: Any) -> Finding:
        """A finding of one reader, or of the model: cases are drawn, the reader is not."""
        return self.measuring.finding(name, definition, statistic, np.ones(len(self.readings.asked), bool), **more)

    def share(self, name: str, definition: str, hits: np.ndarray, trials: np.ndarray, **more: Any) -> Finding:
        """One reader's share of some cases, exact where it is none or all of them."""
        trials = np.asarray(trials, dtype=bool)
        statistic = ratio_statistic(hits & trials, trials, self.measuring.resamples)
        return self.measuring.finding(
            name, definition, statistic, trials, trials=self.measuring.clusters(trials), **more
        )

    def average(self, name: str, definition: str, left: Left, parts: Mapping[str, Finding], **more: Any) -> Finding:
        """The average reader, for readers and cases like these; of one reader that reader alone.

        Args:
            name: Of the finding.
            definition: One sentence.
            left: Figures ``(reader,)``.
            parts: Of each reader, by code.
            more: Further fields of `Finding`.
        """
        if len(left.areas) < 2:
            (only,) = parts.values()
            notes = (*more.pop("notes", ()), "one reader: nothing is known of others", *only.notes)
            return self._made(name, definition, only.value, only.interval, only.method, parts, notes, **more)
        return self.of_average(name, definition, average_reader(left, self.level), parts, **more)

    def of_average(
        self, name: str, definition: str, found: Average, parts: Mapping[str, Finding], **more: Any
    ) -> Finding:
        """A finding of `Average`."""
        told = (*more.pop("notes", ()), *self._few())
        fixed = self._made(
            f"{name}.these_readers",
            f"{definition}; for these very readers, and cases like these",
            found.value,
            (found.fixed_lower, found.fixed_upper),
            f"fixed readers, random cases: jackknife of {self._who}",
            {},
            (),
            **more,
        )
        freedom = "no" if not np.isfinite(found.freedom) else f"{found.freedom:.1f}"
        return self._made(
            name,
            definition,
            found.value,
            (found.lower, found.upper),
            f"random readers and cases (Obuchowski-Rockette), {freedom} degrees of freedom, jackknife of {self._who}",
            {**parts, "these_readers": fixed},
            told,
            **more,
        )

    def contrast(
        self, name: str, definition: str, left: Left, parts: Mapping[str, Finding], **more: Any
    ) -> tuple[Finding, ReaderStudy]:
        """The first arm minus the second, mean over readers, for readers and cases like these.

        Args:
            name: Of the finding.
            definition: One sentence.
            left: Figures ``(arm, reader)`` of two arms.
            parts: Of each reader, by code.
            more: Further fields of `Finding`.

        Returns:
            The finding, and the whole analysis.
        """
        found = crossed(left, self.level)
        kinds = {
            "these_readers": (found.fixed_readers, "fixed readers, random cases", "for these very readers"),
            "these_cases": (found.fixed_cases, "random readers, fixed cases", "for these very cases"),
        }
        others = {
            part: self._made(
                f"{name}.{part}",
                f"{definition}; {told}",
                each.difference,
                (each.lower, each.upper),
                f"{how}: p {_p(each)}",
                {},
                (),
                **more,
            )
            for part, (each, how, told) in kinds.items()
        }
        random = found.random
        method = (
            f"random readers and cases (Obuchowski-Rockette, Hillis's degrees of freedom {_freedom(random)}), "
            f"jackknife of {self._who}; F {random.statistic:.3f}, p {_p(random)}"
        )
        finding = self._made(
            name,
            definition,
            random.difference,
            (random.lower, random.upper),
            method,
            {**parts, **others},
            self._few(),
            **more,
        )
        return finding, found

    def difference(self, name: str, definition: str, value: float, lower: float, upper: float, **more: Any) -> Finding:
        """One reader's difference with its jackknife interval."""
        method = f"jackknife of {self._who}, normal interval"
        return self._made(name, definition, value, (lower, upper), method, {}, (), **more)

    @property
    def _who(self) -> str:
        return f"{self.clusters} {self.measuring.unit}s"

    def _few(self) -> tuple[str, ...]:
        readers = len(self.readings.readers)
        return (f"only {readers} readers: little is known of how readers differ",) if readers < FEW_READERS else ()

    def _made(
        self,
        name: str,
        definition: str,
        value: float,
        interval: tuple[float, float] | None,
        method: str,
        parts: Mapping[str, Finding],
        notes: tuple[str, ...],
        **more: Any,
    ) -> Finding:
        return Finding(
            name,
            float(value),
            definition,
            interval,
            self.level,
            method,
            cases=more.pop("cases", len(self.readings.asked)),
            clusters=more.pop("clusters", self.clusters),
            parts=parts,
            notes=notes,
            **more,
        )


def _p(found: Contrast) -> str:
    return "below 0.001" if found.p < 0.001 else f"{found.p:.3f}"


def _freedom(found: Contrast) -> str:
    return f"{found.freedom:.1f}" if np.isfinite(found.freedom) else "infinite"
