"""Is the cohort who the model is meant for?  Its people against shares of a target population."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions, Question
from preceptor.maths.contingency import standardised_difference
from preceptor.prove.divisions import divisions

from .suspicion import Trial

#: A standardised difference that is noticeable.
NOTICEABLE = 0.2


def target_trials(cohort: Cohort, target: Mapping[str, Mapping[str, float]]) -> list[Trial]:
    """Every field's groups in the cohort against their shares in the target population.

    Args:
        cohort: Counted once a patient, by the first case that knows the field.
        target: ``{field: {group: share}}``; shares of a field are scaled to 1. Ages by band: ``60–79``, or ``60-79``.

    Raises:
        CohortError: The cohort has no such field, or no group of it is known.
    """
    return [_field(cohort, name, shares) for name, shares in target.items()]


def _field(cohort: Cohort, name: str, shares: Mapping[str, float]) -> Trial:
    from scipy.special import chdtrc

    counts = _counts(cohort, name, shares)
    groups = list(shares)
    wanted = np.array([float(shares[group]) for group in groups])
    wanted = wanted / wanted.sum()
    strange = {group: number for group, number in counts.items() if group not in shares}
    number = np.array([counts.get(group, 0) for group in groups], dtype=float)
    total = number.sum() + sum(strange.values())
    if not number.sum():
        raise CohortError(
            f"no patient is of a group that the target names for '{name}'",
            expected=f"one of {', '.join(sorted(counts)) or 'no group at all'}",
            code="target_groups",
        )
    found = number / total
    gap = standardised_difference(found, wanted)
    # A group that the target says nobody is of makes any chi-square infinite: it is told by the difference alone.
    expected = wanted * total
    statistic = float(((number - expected) ** 2 / np.where(expected > 0, expected, 1.0))[expected > 0].sum())
    freedom = int((expected > 0).sum()) - 1
    p = float(chdtrc(freedom, statistic)) if freedom > 0 else float("nan")
    widest = int(np.argmax(np.abs(gap)))
    said = (
        f"{name.capitalize()}: {found[widest]:.0%} of the cohort's patients are {groups[widest]}, of the target "
        f"population {wanted[widest]:.0%} (standardised difference {gap[widest]:.2f}, chi-square p {p:.2g})."
    )
    return Trial(
        f"target.{name}",
        f"{name} of the cohort",
        f"Is the cohort like the target population in {name}?",
        said,
        float(abs(gap[widest])),
        None,
        0.0,
        p,
        bool(abs(gap[widest]) >= NOTICEABLE),
        int(total),
        int(total),
        {
            "found": dict(zip(groups, found.tolist(), strict=True)),
            "target": dict(zip(groups, wanted.tolist(), strict=True)),
            "not in the target": strange,
            "chi-square": statistic,
        },
    )


def _counts(cohort: Cohort, name: str, shares: Mapping[str, float]) -> dict[str, int]:
    """Patients of each group, spelled as the target spells them."""
    import pandas

    rows = [
        {"key": case.key, "cluster": case.cluster, **{f"field:{field}": value for field, value in case.fields.items()}}
        for case in cohort
    ]
    table = Predictions(pandas.DataFrame(rows), Question("any", "any", ()), cohort.root)
    found, absent = divisions(table, cohort, [name], smallest=1, intersections=False)
    if absent:
        known = sorted({field for case in cohort for field in case.fields})
        raise CohortError(
            f"the cohort has no field '{name}' to compare with the target",
            expected=f"one of {', '.join(known) or 'none'}",
            code="target_field",
        )
    spelled = {_plain(group): group for group in shares}
    first: dict[str, str] = {}
    for cluster, group in zip(table.table["cluster"].astype(str), found[0].group, strict=True):
        if group:
            first.setdefault(cluster, spelled.get(_plain(group), str(group)))
    counts: dict[str, int] = {}
    for group in first.values():
        counts[group] = counts.get(group, 0) + 1
    return counts


def _plain(group: str) -> str:
    return group.replace("–", "-").strip().lower()
