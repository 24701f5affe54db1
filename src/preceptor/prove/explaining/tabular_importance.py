"""What a table says of the truth: columns by importance, and a tree and a forest as baselines that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.maths.feature_selection import in_bins, mutual_information, select_by_correlation


@dataclass(frozen=True)
class TabularImportance:
    """What each column of a table tells.

    Args:
        names: Of the columns.
        mutual_information: ``{column: nats}`` with the truth, over what shuffled truths have on average.
        permutation: ``{column: (mean, low, high)}`` how much a forest's score on held-out cases falls when the column is
            shuffled: over folds and repeats, with their 2.5 and 97.5 percentiles.
        selected: Columns that CFS keeps, in order: what the others say they say too.
        merit: Of these.
        rules: A tree of three levels, as text, fitted on all cases.
        scores: ``{"chance", "tree", "forest"}`` on held-out clusters: balanced accuracy, or R2 for a number.
        cases: How many.
        clusters: How many patients.
    """

    names: tuple[str, ...]
    mutual_information: Mapping[str, float]
    permutation: Mapping[str, tuple[float, float, float]]
    selected: tuple[str, ...]
    merit: float
    rules: str
    scores: Mapping[str, float]
    cases: int
    clusters: int


def tabular_importance(
    features: np.ndarray,
    names: Sequence[str],
    target: np.ndarray,
    clusters: Sequence[str] | np.ndarray | None = None,
    *,
    is_number: bool = False,
    folds: int = 5,
    repeats: int = 10,
    seed: int = 0,
) -> TabularImportance:
    """Ask a table which of its columns tell of the truth.

    Cases of one patient never sit on both sides of a fold. Mutual information and CFS look at columns, permutation at
    what a forest makes of them: of two columns that say the same, the first finds both, CFS mostly one, permutation
    neither.

    Args:
        features: ``(case, column)`` numbers, NaN where missing.
        names: Of the columns.
        target: ``(case,)`` classes of any kind, or numbers.
        clusters: ``(case,)`` patient of each case; None takes every case for itself.
        is_number: Whether the target is a number.
        folds: Of the cross-validation.
        repeats: Shuffles of each column in each fold.
        seed: Of forests and shuffles.

    Raises:
        CohortError: Fewer clusters than folds, or only one class.

    Source: permutation: Breiman 2001, section 10; CFS: Hall 1999; scikit-learn's trees and forests underneath.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import GroupKFold
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

    features = np.asarray(features, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64) if is_number else np.asarray(target).astype(str)
    groups = np.arange(len(target)).astype(str) if clusters is None else np.asarray(clusters).astype(str)
    if len(np.unique(groups)) < folds or len(np.unique(target)) < 2:
        raise CohortError(
            f"{len(np.unique(groups))} patients and {len(np.unique(target))} different truths",
            expected=f"at least {folds} patients, and two truths",
            remedy="ask for fewer folds, or for more cases",
            code="table_too_small",
        )
    # A missing value goes to a side of its own: trees split below everything that was measured.
    filled = np.where(
        np.isnan(features), np.nanmin(np.where(np.isnan(features), np.inf, features), axis=0) - 1, features
    )
    forest = (RandomForestRegressor if is_number else RandomForestClassifier)(
        n_estimators=100, min_samples_leaf=2, random_state=seed, n_jobs=1
    )
    tree = (DecisionTreeRegressor if is_number else DecisionTreeClassifier)(
        max_depth=3, min_samples_leaf=5, random_state=seed
    )
    score = "r2" if is_number else "balanced_accuracy"
    falls: list[np.ndarray] = []
    found: dict[str, list[float]] = {"tree": [], "forest": []}
    for train, test in GroupKFold(folds).split(filled, target, groups):
        for name, model in (("tree", tree), ("forest", forest)):
            model.fit(filled[train], target[train])
            found[name].append(_scored(model, filled[test], target[test], is_number))
        shuffled = permutation_importance(
            forest, filled[test], target[test], scoring=score, n_repeats=repeats, random_state=seed, n_jobs=1
        )
        falls.append(shuffled.importances)
    together = np.concatenate(falls, axis=1)
    codes = in_bins(target) if is_number else np.unique(target, return_inverse=True)[1]
    columns, merit = select_by_correlation(features, codes)
    tree.fit(filled, target)
    chance = 0.0 if is_number else 1 / len(np.unique(target))
    return TabularImportance(
        names=tuple(names),
        mutual_information=_informed(features, names, codes, seed),
        permutation={
            name: (float(row.mean()), float(np.quantile(row, 0.025)), float(np.quantile(row, 0.975)))
            for name, row in zip(names, together, strict=True)
        },
        selected=tuple(names[index] for index in columns),
        merit=merit,
        rules=export_text(tree, feature_names=list(names), decimals=3),
        scores={"chance": chance, **{name: float(np.mean(each)) for name, each in found.items()}},
        cases=len(target),
        clusters=len(np.unique(groups)),
    )


def _scored(model: object, features: np.ndarray, target: np.ndarray, is_number: bool) -> float:
    from sklearn.metrics import balanced_accuracy_score, r2_score

    said = model.predict(features)  # type: ignore[attr-defined]
    return float(r2_score(target, said) if is_number else balanced_accuracy_score(target, said))


def _informed(features: np.ndarray, names: Sequence[str], codes: np.ndarray, seed: int) -> dict[str, float]:
    """Mutual information, less the mean of ten shuffled truths: counts of small tables inform by chance."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(codes) for _ in range(10)]
    found = {}
    for name, column in zip(names, features.T, strict=True):
        bins = in_bins(column)
        by_chance = float(np.mean([mutual_information(bins, each) for each in shuffled]))
        found[name] = mutual_information(bins, codes) - by_chance
    return found
