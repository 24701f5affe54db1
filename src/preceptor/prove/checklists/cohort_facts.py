"""What a run's record says of its data: who, from where, how many, dealt how. A function says None where it can't."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np

from preceptor.core.cohort import Case
from preceptor.core.plain import is_empty
from preceptor.prove.report.record import Record
from preceptor.prove.report.table_one import AGE, ROLE_NAMES, SCANNER, SEX, SITE, column_of, flow
from preceptor.prove.report.wording import called, counted, listed, sentence, whole

from .plain import settings_of, spelt, told

#: What columns that tell when an image was taken are called.
_DATES = ("date", "study_date", "acquisition_date", "scan_date", "year")


def question(record: Record) -> str | None:
    """What was asked of each image."""
    from preceptor.prove.report.writing import asked

    return asked(record.question, record) if record.question.classes else None


def name(record: Record) -> str | None:
    """What the study calls itself."""
    known = told(record.resolved.get("name") or record.resolved.get("study"))
    return None if known is None else f"Called '{known}'."


def data_source(record: Record) -> str | None:
    """Which kind of data set, how many cases, and its notes."""
    cohort = record.cohort
    if cohort is None:
        return None
    kind = next(iter(record.resolved.get("cohort") or {}), None)
    read = f", read as '{called('datasets', kind)}'" if kind else ""
    notes = f" Notes: {' '.join(map(sentence, cohort.notes))}" if cohort.notes else ""
    return (
        f"Cohort '{cohort.name}' of {record.one(_patients(cohort.cases))}, {counted(len(cohort), 'case')}{read}.{notes}"
    )


def dates(record: Record) -> str | None:
    """First and last date of the cases, where a column tells."""
    column = None if record.cohort is None else column_of(record.cohort, _DATES)
    if record.cohort is None or column is None:
        return None
    known = sorted(str(case.fields[column]) for case in record.cohort if case.fields.get(column) not in (None, ""))
    return f"Column '{column}': {known[0]} to {known[-1]}, known of {counted(len(known), 'case')}." if known else None


def sites(record: Record) -> str | None:
    """How many sites, with their cases."""
    column = None if record.cohort is None else column_of(record.cohort, SITE)
    if record.cohort is None or column is None:
        return None
    counts = Counter(str(case.fields[column]) for case in record.cohort if case.fields.get(column))
    shown = ", ".join(f"{site} {whole(number)}" for site, number in counts.most_common(6))
    more = f" and {len(counts) - 6} more" if len(counts) > 6 else ""
    return f"{counted(len(counts), 'site')}: {shown}{more} (cases)."


def acquisition(record: Record) -> str | None:
    """The scanner that images were taken with."""
    if record.cohort is None or not record.cohort.views:
        return None
    column = column_of(record.cohort, SCANNER)
    views = f"{'Views' if len(record.cohort.views) > 1 else 'View'} {listed(list(record.cohort.views), 'and')}."
    if column is None:
        return None
    kinds = Counter(str(case.fields[column]) for case in record.cohort if case.fields.get(column))
    return f"{views} Column '{column}': {', '.join(f'{kind} {number}' for kind, number in kinds.most_common(6))}."


def eligibility(record: Record) -> str | None:
    """What was left out, why, and which checks every case passed."""
    if record.cohort is None:
        return None
    reasons = [f"{whole(number)} left out: {reason}" for reason, number in record.cohort.exclusions]
    checks = [called("checks", each) for each in spelt(record.resolved.get("checks"))]
    checked = f" Every case went through: {listed(checks, 'and')}." if checks else ""
    if not reasons and not checks:
        return None
    return f"{'; '.join(reasons) or 'No case was left out by a rule'}.{checked}"


def flow_of_cases(record: Record) -> str | None:
    """Found, excluded, included."""
    if record.cohort is None:
        return None
    steps = [f"{whole(abs(number))} {'excluded: ' if number < 0 else ''}{what}" for what, number in flow(record.cohort)]
    return " → ".join(steps) + "."


def split(record: Record) -> str | None:
    """Who sits in which part, and by what the parts are kept apart."""
    cohort = record.cohort
    if cohort is None or not any(case.role for case in cohort):
        return None
    parts = [
        f"{ROLE_NAMES[role].lower()} {counted(len(cases), 'case')} of {record.one(_patients(cases))}"
        for role in ROLE_NAMES
        if role and (cases := cohort.with_role(role))
    ]
    rule = settings_of(record.resolved.get("split"), ("by", "stratify", "external"))
    folds = next((each for each in spelt(record.resolved.get("strategy")) if each != "once"), None)
    tested = int(record.evidence.facts.get("predicted", {}).get("test", 0))
    training = f" Training is repeated as '{folds}'; {counted(tested, 'case')} tested in all." if folds else ""
    return f"Dealt at random with seed {record.resolved.get('seed', 'unknown')}{rule}: {'; '.join(parts)}.{training}"


def disjoint(record: Record) -> str | None:
    """Whether any patient stands on two sides, counted."""
    cohort = record.cohort
    if cohort is None or not any(case.role for case in cohort):
        return None
    sides = {role: {case.cluster for case in cohort.with_role(role)} for role in ROLE_NAMES if role}
    shared = sum(len(first & second) for first, second in combinations(sides.values(), 2))
    unit = "patient" if cohort.knows_patients else "image (no patient is named)"
    merged = sum(case.group is not None and case.group != case.patient for case in cohort)
    joined = f" {counted(merged, 'case')} that checks found to be one person's count as one." if merged else ""
    return f"Parts are kept apart by {unit}: counted anew, {whole(shared)} stand in two parts.{joined}"


def sample_size(record: Record) -> str | None:
    """Numbers per part, with those of each class."""
    cohort, asked = record.cohort, record.question
    if cohort is None:
        return None
    lines = []
    for role, label in ROLE_NAMES.items():
        cases = cohort.with_role(role) if role else ()
        if cases:
            lines.append(f"{label.lower()} {whole(len(cases))}{_classes(record, cases)}")
    if not lines:
        return None
    dense = f" In each the voxels of {len(asked.classes) - 1} structures are outlined." if asked.dense else ""
    return f"Cases: {'; '.join(lines)}.{dense}"


def outcome(record: Record) -> str | None:
    """What is predicted, from which column or mask."""
    asked = record.question
    if not asked.classes:
        return None
    names = [each.replace("_", " ") for each in asked.classes]
    if asked.dense:
        values = f" with the values {', '.join(map(str, asked.values))}" if asked.values else ""
        return f"Every voxel as one of {listed(names, 'or')}, read from the mask '{asked.target}'{values}."
    source = f"read from the label '{asked.target}'"
    if asked.task == "survival":
        time, event = asked.follow_up_columns
        return f"The time{f' in {asked.unit}' if asked.unit else ''} to {names[0]}, read from '{time}' and '{event}'."
    if asked.is_regression:
        return f"The number {names[0]}{f' in {asked.unit}' if asked.unit else ''}, {source}."
    return (
        f"{'One of' if asked.exclusive else 'Each of'} {listed(names, 'or' if asked.exclusive else 'and')}, {source}."
    )


def missing(record: Record) -> str | None:
    """Unlabelled cases and missing views, and what happens to them."""
    cohort = record.cohort
    if cohort is None:
        return None
    target, dense = record.question.target, record.question.dense
    absent = sum((target not in case.masks) if dense else is_empty(case.labels.get(target)) for case in cohort)
    views = [f"view '{view}' {sum(view not in case.images for case in cohort)}" for view in cohort.views]
    lacking = f" Missing views (cases): {', '.join(views)}." if len(cohort.views) > 1 else ""
    known = target in {name for case in cohort for name in (case.masks if dense else case.labels)}
    truth = ""
    if known:
        left = "such a case enters neither the loss nor a measure"
        truth = f"{counted(absent, 'case') if absent else 'No case'} without the truth '{target}'; {left}."
    return f"{truth}{lacking} Nothing is imputed: a missing view is told to the network as missing.".strip()


def characteristics(record: Record) -> str | None:
    """Patients, sex, age and classes over all; the table by split stands in the report."""
    cohort = record.cohort
    if cohort is None:
        return None
    said = [record.one(_patients(cohort.cases))]
    if sex := column_of(cohort, SEX):
        counts = Counter(str(case.fields[sex]) for case in _one_each(cohort.cases) if case.fields.get(sex))
        said.append("sex " + ", ".join(f"{kind} {whole(number)}" for kind, number in counts.most_common(4)))
    if age := column_of(cohort, AGE):
        ages = [float(case.fields[age]) for case in _one_each(cohort.cases) if not is_empty(case.fields.get(age))]
        if ages:
            low, middle, high = np.percentile(ages, [25, 50, 75])
            said.append(f"age median {middle:.3g} years (quartiles {low:.3g} to {high:.3g})")
    if len(said) == 1:
        return None
    return f"Of {'; '.join(said)}. By split: table 1 of the report."


def compared_parts(record: Record) -> str | None:
    """Whether test or external cases differ from the training cases in sex, age or site."""
    cohort = record.cohort
    if cohort is None or not cohort.with_role("train") or not cohort.with_role("test", "external"):
        return None
    columns = [found for names in (SEX, AGE, SITE) if (found := column_of(cohort, names))]
    external = cohort.with_role("external")
    where = f" External cases: {whole(len(external))}." if external else " No external cases."
    if not columns:
        return None
    return f"Table 1 of the report sets {listed(columns, 'and')} of each part side by side.{where}"


def _classes(record: Record, cases: tuple[Case, ...]) -> str:
    asked = record.question
    if asked.dense or asked.is_regression or not asked.exclusive or record.task is None:
        return ""
    targets = np.array([int(np.asarray(record.task.encode(case)[asked.target])) for case in cases])
    counts = [f"{name} {whole(int((targets == at).sum()))}" for at, name in enumerate(asked.classes)]
    return f" ({', '.join(counts)})"


def _patients(cases: tuple[Case, ...]) -> int:
    return len({case.cluster for case in cases})


def _one_each(cases: tuple[Case, ...]) -> list[Case]:
    return list({case.cluster: case for case in reversed(cases)}.values())


def cohort_hash(record: Record) -> str | None:
    """The hash of cases and split, by which a version is told from another."""
    if record.cohort is None:
        return None
    return f"This version of cases and split has the hash {record.cohort.digest()}; any change gives another."


def problems(record: Record) -> str | None:
    """What the cohort's checks reported."""
    if not spelt(record.resolved.get("checks")):
        return None
    reported = [str(problem.get("what")) for problem in record.evidence.problems]
    return f"The checks reported: {'; '.join(reported)}." if reported else "The checks reported nothing."
