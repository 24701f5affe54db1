"""What a table says of the truth: columns by importance, and a tree and a forest as baselines that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.plain import finite
from preceptor.maths.feature_selection import in_bins, mutual_information, select_by_correlation
from preceptor.prove.explaining.forest_shapley import Shares, forest_shapley


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
        shapley: ``{column: mean size}`` of what a column adds to the forest's answer on held-out cases; over classes
            where there are more than two.
        answer: Whose probability `shares` takes apart; empty for a number, and where there are none.
        shares: For two classes (of the second one's probability) or a number, case by case; None for more classes.
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
    shapley: Mapping[str, float]
    answer: str = ""
    shares: Shares | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return finite(asdict(self))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> TabularImportance:
        """From what `to_json` gave."""
        shares = record["shares"]
        if shares is not None:
            shares = Shares(**{name: np.array(each, dtype=np.float64) for name, each in shares.items()})
        tuples = {name: tuple(record[name]) for name in ("names", "selected")}
        permutation = {name: tuple(each) for name, each in record["permutation"].items()}
        return cls(**{**record, **tuples, "permutation": permutation, "shares": shares})


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
    what a forest makes of them, Shapley values at what it answers case by case: of two columns that say the same, the
    first finds both, CFS mostly one, permutation neither, and Shapley's values share between both.

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

    Source: permutation: Breiman 2001, section 10; CFS: Hall 1999; Shapley values: Lundberg et al. 2020; scikit-learn's
        trees and forests underneath.
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
    parts: list[tuple[np.ndarray, list[Shares]]] = []
    told_apart = is_number or len(np.unique(target)) == 2
    found: dict[str, list[float]] = {"tree": [], "forest": []}
    for train, test in GroupKFold(folds).split(filled, target, groups):
        for name, model in (("tree", tree), ("forest", forest)):
            model.fit(filled[train], target[train])
            found[name].append(_scored(model, filled[test], target[test], is_number))
        shuffled = permutation_importance(
            forest, filled[test], target[test], scoring=score, n_repeats=repeats, random_state=seed, n_jobs=1
        )
        falls.append(shuffled.importances)
        answers = _outputs(forest)
        # A fold whose training cases are all of one class has no answer for the other.
        told_apart = told_apart and (is_number or len(forest.classes_) == 2)
        parts.append((test, [forest_shapley(forest, filled[test], each) for each in answers]))
    together = np.concatenate(falls, axis=1)
    codes = in_bins(target) if is_number else np.unique(target, return_inverse=True)[1]
    columns, merit = select_by_correlation(features, codes)
    tree.fit(filled, target)
    sizes = np.concatenate([np.mean([np.abs(each.values) for each in shares], axis=0) for _, shares in parts])
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
        shapley=dict(zip(names, sizes.mean(0).tolist(), strict=True)),
        answer=str(np.unique(target)[1]) if told_apart and not is_number else "",
        shares=_together(parts, features) if told_apart else None,
    )


def _outputs(forest: object) -> list[int]:
    """Which answers are taken apart: of two classes the second alone, since the first mirrors it."""
    classes = getattr(forest, "classes_", None)
    return [0] if classes is None else [1] if len(classes) == 2 else list(range(len(classes)))


def _together(parts: Sequence[tuple[np.ndarray, Sequence[Shares]]], features: np.ndarray) -> Shares:
    """What all folds held out, in the order of the cases; missing values are missing again."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    values, base, answer = (
        np.concatenate([getattr(shares[0], name) for _, shares in parts])[order]
        for name in ("values", "base", "answer")
    )
    return Shares(values, base, answer, features)


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
