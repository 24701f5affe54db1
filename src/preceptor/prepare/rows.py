"""What an epoch can draw from: a row for each case, or for each case and each kind of place that patches are centred on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from preceptor.core.batch import Index
from preceptor.core.cohort import Case
from preceptor.core.errors import RecipeError
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task

from .prepared import ANYWHERE, BOUNDARY, PreparedCase
from .store import Store


def make_index(
    cases: Sequence[Case],
    targets: Sequence[Mapping[str, np.ndarray]],
    strata: Sequence[Collection[int]],
    foreground_share: float,
    boundary_share: float,
) -> Index:
    """The rows of each case: anywhere, centred on each of its classes, centred on where two classes meet.

    Args:
        cases: In order.
        targets: Of each case.
        strata: Of each case: its classes, and `BOUNDARY` where two of them meet.
        foreground_share: Of a case's patches, on its classes, each as often.
        boundary_share: Of a case's patches, on the boundary.

    Raises:
        RecipeError: The two shares are more than 1.
    """
    if foreground_share + boundary_share > 1:
        raise RecipeError(
            f"patches centred on structures and on boundaries are more than all: {foreground_share:g} + {boundary_share:g}",
            where="train.boundary_share",
            expected="shares that add up to 1 at most; the rest of the patches lies anywhere",
            code="patch_shares",
        )
    rows, stratum, share = [], [], []
    for case, present in enumerate(strata):
        classes = [each for each in present if each > 0]
        shares = {each: foreground_share / len(classes) for each in classes}
        if BOUNDARY in present and boundary_share:
            shares[BOUNDARY] = boundary_share
        rows += [case] * (1 + len(shares))
        stratum += [ANYWHERE, *shares]
        share += [1 - sum(shares.values()), *shares.values()]
    names = targets[0] if targets else {}
    columns = dict.fromkeys(column for case in cases for column in case.fields)
    return Index(
        keys=[case.key for case in cases],
        case=np.array(rows, dtype=np.int64),
        stratum=np.array(stratum, dtype=np.int64),
        share=np.array(share, dtype=np.float64) / max(len(cases), 1),
        targets={name: np.stack([each[name] for each in targets]) for name in names},
        fields={column: [case.fields.get(column) for case in cases] for column in columns},
    )


def targets_of(task: Task, case: Case, is_hidden: bool) -> dict[str, np.ndarray]:
    """The task's targets of a case; unlabelled where they are hidden."""
    encoded = {name: np.asarray(value) for name, value in task.encode(case).items()}
    if not is_hidden:
        return encoded
    return {name: np.full_like(value, -1 if value.dtype.kind in "iu" else np.nan) for name, value in encoded.items()}


def same_channels(store: Store, cases: Sequence[Case], patch: Sequence[int] | None) -> dict[str, tuple[int, ...]]:
    """``{view: axes before space}``, the same in every case.

    Raises:
        RecipeError: They are not, or a patch has not as many axes as the images.
    """
    found: dict[str, tuple[int, ...]] = {}
    for case in cases:
        prepared = store.prepared(case.key)
        for view in prepared.views:
            image = prepared.kept(f"image:{view}")
            lead = image.array.shape[: -image.space_dims]
            if found.setdefault(view, lead) != lead:
                raise RecipeError(
                    f"the view {view} has {found[view][0]} channels in one case and {lead[0]} in case {case.key}",
                    expected="the same number in every case",
                    remedy="select or merge channels when the cohort is read",
                    code="channels_differ",
                )
            if patch is not None and len(patch) != image.space_dims:
                raise RecipeError(
                    f"train.patch has {len(patch)} numbers, and the images {image.space_dims} axes",
                    where="train.patch",
                    expected="one number for each axis",
                    code="axes_mismatch",
                )
    return found


def refuse_several_grids(prepared: PreparedCase, key: str) -> None:
    """Patches are cut from views of one grid.

    Raises:
        RecipeError: The case has several.
    """
    if len(prepared.grids) > 1:
        raise RecipeError(
            "patches can't be cut from views that lie on different grids",
            where=f"train.patch, case {key}",
            expected="views of the same shape and place, such as contrasts of one MR examination",
            remedy="leave train.patch out to train on whole images, or bring the views onto one grid before",
            code="patch_grids",
        )


def text_columns(cases: Sequence[Case]) -> dict[str, bool]:
    """``{column: whether it is text}``: a number is what every case that has the column gives as one."""
    columns = dict.fromkeys(column for case in cases for column in case.fields)
    return {
        column: any(isinstance(value := case.fields.get(column), str) and not is_missing(value) for case in cases)
        for column in columns
    }


def fields_of(cases: Sequence[Case], text: Mapping[str, bool]) -> dict[str, Any]:
    """The fields of a batch: ``{column: (case,) float tensor}``, NaN where missing, or a list of text, empty where missing.

    Args:
        cases: Of the batch.
        text: From `text_columns`.
    """
    fields: dict[str, Any] = {}
    for column, is_text in text.items():
        values: list[Any] = [case.fields.get(column) for case in cases]
        if is_text:
            fields[column] = ["" if is_missing(value) else str(value) for value in values]
        else:
            fields[column] = torch.tensor([math.nan if is_missing(value) else float(value) for value in values])
    return fields
