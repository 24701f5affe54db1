"""Does anything about a cohort's files, other than what they show, go with the answer?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preceptor.core.cohort import Cohort

#: A cohort without such a clue is accused in fewer than one of a thousand: there are four questions.
_LEAST = 2e-4


class Clue(NamedTuple):
    """Something about the files that goes with the answer.

    Args:
        what: In words.
        p: Chance of as strong an association where there is none.
    """

    what: str
    p: float


def telling_files(cohort: Cohort, answers: Sequence[object]) -> list[Clue]:
    """Ask the order of the cases, its rhythm, the files' names and their sizes.

    Order and size are tested by Kruskal and Wallis' test between classes, and by Spearman's correlation with a number;
    the rhythm (every second case, every third) and what is left of a name without its digits by a chi-squared test
    between classes.

    Args:
        cohort: In the order in which its data set lists the cases.
        answers: ``(case,)`` class names, or numbers.

    Returns:
        What goes with the answers, the most certain first; [] where nothing does.
    """
    files = [cohort.root / next(iter(case.images.values())) for case in cohort]
    numeric = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in answers)
    if numeric and len(set(answers)) <= 2:
        numeric = False
    compare: Callable[[np.ndarray, np.ndarray], float] = _correlated if numeric else _between_classes
    truth = np.array(answers, dtype=float) if numeric else np.array([str(each) for each in answers])
    order = np.arange(len(files))
    found = [
        Clue("the order of the cases", compare(order, truth)),
        Clue("the size of the files", compare(np.array([_size(each) for each in files]), truth)),
    ]
    if not numeric:
        names = [re.sub(r"\d+", "", each.relative_to(cohort.root).as_posix()) for each in files]
        rhythm = order % len(set(answers))
        found += [
            Clue("the names of the files", _together(np.array(names), truth)),
            Clue("the rhythm in which the cases follow one another", _together(rhythm, truth)),
        ]
    return sorted((each for each in found if each.p < _LEAST), key=lambda each: each.p)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir() if each.is_file())
    return path.stat().st_size if path.exists() else 0


def _between_classes(values: np.ndarray, truth: np.ndarray) -> float:
    from scipy import stats

    groups = [values[truth == name] for name in np.unique(truth)]
    if len(groups) < 2 or len(np.unique(values)) < 2:
        return 1.0
    return float(stats.kruskal(*groups).pvalue)


def _correlated(values: np.ndarray, truth: np.ndarray) -> float:
    from scipy import stats

    if len(np.unique(values)) < 2 or len(np.unique(truth)) < 2:
        return 1.0
    return float(stats.spearmanr(values, truth).pvalue)


def _together(values: np.ndarray, truth: np.ndarray) -> float:
    from scipy import stats

    rows, columns = (np.unique(each, return_inverse=True)[1] for each in (values, truth))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return 1.0 if min(table.shape) < 2 else float(stats.chi2_contingency(table, correction=False).pvalue)
