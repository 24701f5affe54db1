"""Examples and batches: from "case 12, epoch 3, draw 1" to tensors. Keeps nothing from one batch to the next."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from preceptor.core.batch import Batch, Index
from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import RecipeError
from preceptor.core.plain import is_missing
from preceptor.core.plugins import Task, Transform

from .patches import UNLABELLED, draw, empty_patch, full_patch, place_patch, read_patch
from .prepared import Grid, PreparedCase
from .store import Store

#: The mask that weighs voxels in the loss: 1 where a case has none.
_WEIGHT = "weight"


def generator(*key: int) -> np.random.Generator:
    """The dice of one draw. The key is all there is to it: the same numbers give the same throws everywhere."""
    return np.random.default_rng(np.random.SeedSequence(list(key)))


def number_of(key: str) -> int:
    """A case's number in the dice's key: the same in every cohort, whatever the order."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Told:
    """What a batch is told of one of its examples.

    Args:
        seed, epoch, draw: With the case, the key of its dice.
        case: Position in the index's keys.
        row: Of the index, or -1 where the dice choose among the case's rows.
    """

    seed: int
    epoch: int
    case: int
    draw: int
    row: int = -1


class Examples:
    """Makes examples of a store's cases, and batches of them. Arguments are those of `Loader`.

    Attributes:
        index: What an epoch can draw from.
        shapes: ``{view: (channel…, *space)}`` of every case's views.
    """

    def __init__(
        self,
        store: Store,
        cases: Sequence[Case],
        task: Task,
        *,
        views: Sequence[str],
        augment: Sequence[Transform],
        patch: tuple[int, ...] | None,
        foreground_share: float,
        hidden: frozenset[str],
    ) -> None:
        self._store, self._cases, self._task = store, list(cases), task
        self._views, self._augment, self._patch, self._hidden = tuple(views), tuple(augment), patch, hidden
        self._numbers = [number_of(case.key) for case in cases]
        self.shapes: list[dict[str, tuple[int, ...]]] = []
        self._marks: dict[str, tuple[int, ...]] = {}  # shape of each further mask, as the first case has it
        strata = []
        for case in cases:
            prepared = store.prepared(case.key)
            self.shapes.append({view: prepared.image(view).array.shape for view in prepared.views})
            for name in prepared.masks:
                if name != task.mask:
                    self._marks.setdefault(name, prepared.mask(name).array.shape[1:])
            strata.append([] if case.key in hidden or patch is None else sorted(prepared.strata))
            if patch is not None and len(prepared.grids) > 1:
                raise _several_grids(case.key)
        self._channels = self._same_channels()
        self._text = _text_columns(cases)
        self.index = self._make_index(strata, foreground_share)
        self._first_row = np.searchsorted(self.index.case, np.arange(len(cases) + 1)).tolist()
        self._reads_pixels = any(getattr(each, "reads_pixels", True) for each in augment)

    # ---------------------------------------------------------------- what there is

    def _same_channels(self) -> dict[str, tuple[int, ...]]:
        """``{view: axes before space}``, the same in every case."""
        found: dict[str, tuple[int, ...]] = {}
        for case, shapes in zip(self._cases, self.shapes, strict=True):
            for view, shape in shapes.items():
                dims = self._store.prepared(case.key).image(view).space_dims
                lead = shape[: len(shape) - dims]
                if found.setdefault(view, lead) != lead:
                    raise RecipeError(
                        f"the view {view} has {found[view][0]} channels in one case and {lead[0]} in case {case.key}",
                        expected="the same number in every case",
                        remedy="select or merge channels when the cohort is read",
                        code="channels_differ",
                    )
                if self._patch is not None and len(self._patch) != dims:
                    raise RecipeError(
                        f"train.patch has {len(self._patch)} numbers, and the images {dims} axes",
                        where="train.patch",
                        expected="one number for each axis",
                        code="axes_mismatch",
                    )
        return found

    def _make_index(self, strata: Sequence[Sequence[int]], foreground_share: float) -> Index:
        rows, stratum, share = [], [], []
        for case, present in enumerate(strata):
            anywhere = 1 - foreground_share if present else 1.0
            rows += [case] * (1 + len(present))
            stratum += [-1, *present]
            share += [anywhere, *(foreground_share / len(present) for _ in present)]
        encoded = [self._target(case) for case in self._cases]
        names = encoded[0] if encoded else {}
        columns = dict.fromkeys(column for case in self._cases for column in case.fields)
        return Index(
            keys=[case.key for case in self._cases],
            case=np.array(rows, dtype=np.int64),
            stratum=np.array(stratum, dtype=np.int64),
            share=np.array(share, dtype=np.float64) / max(len(self._cases), 1),
            targets={name: np.stack([each[name] for each in encoded]) for name in names},
            fields={column: [case.fields.get(column) for case in self._cases] for column in columns},
        )

    def _target(self, case: Case) -> dict[str, np.ndarray]:
        """The task's targets of a case; unlabelled where they are hidden."""
        encoded = {name: np.asarray(value) for name, value in self._task.encode(case).items()}
        if case.key not in self._hidden:
            return encoded
        return {
            name: np.full_like(value, -1 if value.dtype.kind in "iu" else np.nan) for name, value in encoded.items()
        }

    # ---------------------------------------------------------------- a batch

    def batch(self, told: Sequence[Told]) -> Batch:
        """Make a batch.

        Raises:
            PrepareError: A transform does not fit a case, which is named.
        """
        made = [self._example(each) for each in told]
        images = {view: _stacked(column) for view, column in _columns([m.images for m in made]).items()}
        return Batch(
            images=images,
            present={view: torch.tensor([view in m.present for m in made]) for view in images},
            targets={name: _stacked(column) for name, column in _columns([m.targets for m in made]).items()},
            rows=torch.tensor([m.row for m in made], dtype=torch.long),
            keys=[self._cases[each.case].key for each in told],
            fields=self._fields([self._cases[each.case] for each in told]),
            masks={name: _stacked(column) for name, column in _columns([m.marks for m in made]).items()},
        )

    def _fields(self, cases: Sequence[Case]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for column, is_text in self._text.items():
            values: list[Any] = [case.fields.get(column) for case in cases]
            if is_text:
                fields[column] = ["" if is_missing(value) else str(value) for value in values]
            else:
                fields[column] = torch.tensor([math.nan if is_missing(value) else float(value) for value in values])
        return fields

    def _example(self, told: Told) -> _Example:
        case = self._cases[told.case]
        rng = generator(told.seed, told.epoch, self._numbers[told.case], told.draw)
        row = told.row if told.row >= 0 else self._choose_row(told.case, rng)
        prepared = self._store.prepared(case.key)
        whole = self._store.sample(case.key)
        if case.key in self._hidden:
            whole = replace(whole, labels={})
        images: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for number, grid in enumerate(prepared.grids):
            part = _part(whole, grid)
            shape, first = grid.shape, (0,) * len(grid.shape)
            if self._patch is not None:
                stratum = int(self.index.stratum[row])
                shape = self._patch
                first = place_patch(rng, grid.shape, shape, prepared.centres(stratum) if stratum >= 0 else None)
            if self._reads_pixels:
                seen = full_patch(part, shape, first)
            else:
                seen = self._shown(prepared, number, part, shape)
            spatial, intensities = draw(self._augment, rng, seen, shape)
            prepared.fetch_ahead(grid, first, shape)
            fills = [0.0] * len(part.images) + [
                float(UNLABELLED if name == self._task.mask else 0) for name in part.masks
            ]
            read = read_patch([*part.images.values(), *part.masks.values()], fills, shape, first, spatial)
            marks = {
                name: _swapped(tensor, spatial.relabel.get(name, {}) if spatial is not None else {})
                for name, tensor in zip(part.masks, read[len(part.images) :], strict=True)
            }
            masks |= marks
            if case.key in self._hidden:
                marks = {name: tensor for name, tensor in marks.items() if name != self._task.mask}
            for view, tensor in zip(part.images, read, strict=False):
                for applied in intensities:
                    tensor = applied.on(view, tensor, marks)
                images[view] = tensor
        return self._finish(case, row, rng, images, masks)

    def _shown(self, prepared: PreparedCase, number: int, part: Sample, shape: tuple[int, ...]) -> Sample:
        """What transforms see that do not look at pixels; made once for as long as the case is open."""
        known = (number, shape, part.key in self._hidden)
        if known not in prepared.shown:
            prepared.shown[known] = empty_patch(part, shape)
        return prepared.shown[known]

    def _choose_row(self, case: int, rng: np.random.Generator) -> int:
        first, last = self._first_row[case], self._first_row[case + 1]
        if last - first == 1:
            return first
        steps = list(accumulate(self.index.share[first:last].tolist()))
        return min(first + bisect(steps, rng.random() * steps[-1]), last - 1)

    def _finish(
        self, case: Case, row: int, rng: np.random.Generator, images: dict[str, Tensor], masks: dict[str, Tensor]
    ) -> _Example:
        """Add what the case lacks, its targets, and what the task makes of both."""
        hidden = case.key in self._hidden
        present = set(images)
        targets = {name: torch.from_numpy(np.array(value)) for name, value in self._target(case).items()}
        dense = self._task.mask
        if dense is not None:
            known = masks.pop(dense, None)
            if known is None or hidden:
                space = self._space(images) if known is None else known.shape[1:]
                targets[self._task.question.target] = torch.full(space, UNLABELLED, dtype=torch.int8)
            else:
                targets[self._task.question.target] = known[0]
        if self._task.varies:
            images, targets = self._task(images, targets, rng)
            present = set(images)
        else:
            for view in self._views:
                if view not in images:
                    images[view] = torch.zeros(self._missing_shape(view))
            images = {view: images[view] for view in self._views}
        return _Example(images, present, targets, self._further(masks, hidden), row)

    def _space(self, images: Mapping[str, Tensor]) -> tuple[int, ...]:
        if self._patch is not None:
            return self._patch
        view, image = next(iter(images.items()))
        return tuple(image.shape[len(self._channels[view]) :])

    def _missing_shape(self, view: str) -> tuple[int, ...]:
        """Of the stand-in for a missing view: that of the first case that has it."""
        if self._patch is not None:
            lead = self._channels.get(view) or next(iter(self._channels.values()))
            return (*lead, *self._patch)
        known = [shapes[view] for shapes in self.shapes if view in shapes]
        return known[0] if known else next(iter(self.shapes[0].values()))

    def _further(self, masks: Mapping[str, Tensor], hidden: bool) -> dict[str, Tensor]:
        """Masks that are not the task's truth: ``(*space)``; 1 for weights and -1 for marks where a case has none."""
        out = {}
        for name, shape in self._marks.items():
            mask = masks.get(name)
            if mask is None or hidden:
                out[name] = torch.full(self._patch or shape, 1.0 if name == _WEIGHT else -1.0)
            else:
                out[name] = (mask[0] if len(mask) == 1 else mask).float()
        return out


@dataclass(frozen=True)
class _Example:
    images: dict[str, Tensor]
    present: set[str]
    targets: dict[str, Tensor]
    marks: dict[str, Tensor]
    row: int


def _part(sample: Sample, grid: Grid) -> Sample:
    if len(grid.views) == len(sample.images) and len(grid.masks) == len(sample.masks):
        return sample
    return replace(
        sample,
        images={view: sample.images[view] for view in grid.views},
        masks={name: sample.masks[name] for name in grid.masks},
    )


def _stacked(column: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(column)) if len(column) > 1 else column[0][None]


def _columns(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _swapped(mask: Tensor, relabel: Mapping[int, int]) -> Tensor:
    if not relabel:
        return mask
    out = mask.clone()
    for old, new in relabel.items():
        out[mask == old] = new
    return out


def _text_columns(cases: Sequence[Case]) -> dict[str, bool]:
    """``{column: whether it is text}``: a number is what every case that has the column gives as one."""
    columns = dict.fromkeys(column for case in cases for column in case.fields)
    return {
        column: any(isinstance(value := case.fields.get(column), str) and not is_missing(value) for case in cases)
        for column in columns
    }


def _several_grids(key: str) -> RecipeError:
    return RecipeError(
        "patches can't be cut from views that lie on different grids",
        where=f"train.patch, case {key}",
        expected="views of the same shape and place, such as contrasts of one MR examination",
        remedy="leave train.patch out to train on whole images, or bring the views onto one grid before",
        code="patch_grids",
    )
