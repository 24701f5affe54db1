"""Which fits vote together: those that saw the same roles; folds answer apart, each for its own cases."""

from __future__ import annotations

from collections.abc import Sequence

from preceptor.core.plugins import Fitted


def voting_groups(fitted: Sequence[Fitted]) -> list[list[Fitted]]:
    """Fits grouped by the split they were trained on, in order of first appearance."""
    groups: dict[str, list[Fitted]] = {}
    for each in fitted:
        groups.setdefault(each.cohort.digest(), []).append(each)
    return list(groups.values())


def group_name(group: Sequence[Fitted]) -> str:
    """The folder of the group's first fit below ``fits/``: ``0``, ``2/0``."""
    return "/".join(map(str, group[0].path or (0,)))
