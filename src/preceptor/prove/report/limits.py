"""What a reader must not conclude: the limits of use, each derived from the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.prove.report.record import Record
from preceptor.prove.report.table_one import AGE, SEX, SITE, column_of
from preceptor.prove.report.wording import counted, listed, whole

_FEW = 30


def limits(record: Record) -> list[str]:
    """Sentences for page one, the gravest first."""
    facts, cohort = record.evidence.facts, record.cohort
    found = []
    if facts.get("rehearsal"):
        found.append("This was a rehearsal with a handful of cases and one epoch: no number here means anything.")
    if not record.knows_patients:
        found.append(
            "No column names a patient, so splits and intervals are by image. If one person has several images, "
            "these figures are too good and their intervals too narrow."
        )
    if not record.evidence.verdicts:
        found.append("No gate was asked: nobody said beforehand what would be good enough.")
    tested = 0 if record.predictions is None else record.predictions.role("test").table["cluster"].nunique()
    if 0 < tested < _FEW:
        found.append(f"The test rests on {record.one(tested)}: rare failures cannot show.")
    if facts.get("refused"):
        refused, total = int(facts["refused"]), int(facts.get("predicted", {}).get("test", 0))
        cases = f"{whole(refused)} of {whole(total)} test cases" if total else counted(refused, "test case")
        verb = "was" if refused == 1 else "were"
        found.append(f"{cases} {verb} refused by a safeguard; the figures count them unless they say otherwise.")
    if cohort is not None:
        found += _about(record)
    warnings = [each for each in record.evidence.problems if each.get("severity") == "warning"]
    if warnings:
        found.append(
            f"The cohort's checks reported {len(warnings)} warning{'s' if len(warnings) > 1 else ''}: see Data checks."
        )
    found.append(
        "The figures hold for images like those of this cohort, taken and chosen as they were. "
        "They are evidence for a decision about use, not that decision."
    )
    return found


def _leaves_sites_out(strategy: Any) -> bool:
    """Whether a strategy, or one nested in it, deals its folds by site."""
    if not isinstance(strategy, Mapping):
        return False
    return any(
        str(value).lower() in SITE if key == "by" else _leaves_sites_out(value) for key, value in strategy.items()
    )


def _about(record: Record) -> list[str]:
    """What the cohort cannot show."""
    cohort = record.cohort
    assert cohort is not None
    found = []
    site = column_of(cohort, SITE)
    sites = {str(case.fields[site]) for case in cohort if site in case.fields} if site else set()
    if len(sites) == 1:
        found.append("Every case comes from one site: how the model does elsewhere is unknown.")
    elif not cohort.with_role("external") and not _leaves_sites_out(record.resolved.get("strategy")):
        found.append("No site was kept apart as external: how the model does at a new site is unknown.")
    missing = [name for name, names in (("site", SITE), ("sex", SEX), ("age", AGE)) if column_of(cohort, names) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        found.append(
            f"{listed(missing, 'and').capitalize()} {verb} not recorded: unequal performance could not be seen."
        )
    return found
