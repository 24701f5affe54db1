"""Examples and batches: from "case 12, epoch 3, draw 1" to tensors. Keeps nothing from one batch to the next."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from preceptor.core.applied import Intensity, Spatial
from preceptor.core.batch import Batch
from preceptor.core.cohort import Case, Sample
from preceptor.core.image import Image
from preceptor.core.plugins import Task, Transform

from .decided import Decided, Part, Told, generator, number_of
from .frames import Frames, stacked
from .patches import UNLABELLED, copy_patch, draw, empty_patch, full_patch, place_patch, read_patch
from .placing import most_places, moved_places
from .prepared import ANYWHERE, Grid, PreparedCase
from .rows import fields_of, make_index, refuse_several_grids, same_channels, targets_of, text_columns
from .store import Store

#: The mask that weighs voxels in the loss: 1 where a case has none.
_WEIGHT = "weight"


class Example(NamedTuple):
    """One example of a batch: its views (and which of them it has), targets, further masks, row, points and boxes."""

    images: dict[str, Tensor]
    present: set[str]
    targets: dict[str, Tensor]
    marks: dict[str, Tensor]
    row: int
    places: Mapping[tuple[str, str], Tensor] = MappingProxyType({})


class Examples:
    """Makes examples of a store's cases, and batches of them. Arguments are those of `Loader`.

    Attributes:
        index: What an epoch can draw from.
        shapes: ``{view: (channel…, *space)}`` of every case's views.
        numbers: ``(case,)`` int64: each case's number in the dice's key.
        frames: Makes memory that batches can be written to.
        is_varied: Whether examples are drawn with augmentation.
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
        boundary_share: float,
        hidden: frozenset[str],
    ) -> None:
        self._store, self._cases, self._task = store, list(cases), task
        self._views, self._augment, self._patch, self._hidden = tuple(views), tuple(augment), patch, hidden
        self.numbers = np.array([number_of(case.key) for case in cases], dtype=np.int64)
        self._numbers = self.numbers.tolist()
        self.shapes: list[dict[str, tuple[int, ...]]] = []
        self._marks: dict[str, tuple[int, ...]] = {}  # shape of each further mask, as the first case has it
        strata: list[list[int]] = []
        for case in cases:
            prepared = store.prepared(case.key)
            if patch is not None:
                refuse_several_grids(prepared, case.key)
            self.shapes.append({view: prepared.kept(f"image:{view}").array.shape for view in prepared.views})
            for name in prepared.masks:
                if name != task.mask:
                    self._marks.setdefault(name, prepared.mask(name).array.shape[1:])
            strata.append([] if case.key in hidden or patch is None else sorted(prepared.strata))
        self._most = {} if task.varies else most_places(cases)
        self._channels = same_channels(store, self._cases, patch)
        self._text = text_columns(cases)
        targets = [targets_of(task, case, case.key in hidden) for case in cases]
        self._targets = [{name: torch.from_numpy(np.array(each[name])) for name in each} for each in targets]
        self.index = make_index(self._cases, targets, strata, foreground_share, boundary_share)
        self._first_row = np.searchsorted(self.index.case, np.arange(len(cases) + 1)).tolist()
        self._up_to = [
            list(accumulate(self.index.share[first:last].tolist())) for first, last in pairwise(self._first_row)
        ]
        self._stratum = self.index.stratum.tolist()
        self.frames = Frames(self._parts_of_a_frame() if patch is not None and not task.varies else {})
        self._is_plain = [self._has_what_a_frame_holds(case) for case in self._cases]
        self.is_varied = bool(augment)
        self._reads_pixels = any(getattr(each, "reads_pixels", True) for each in augment)

    def _has_what_a_frame_holds(self, case: Case) -> bool:
        """Whether patches of a case are copied as they are, straight into a frame."""
        if not self.frames.parts or self._augment or self._marks or self._most or case.key in self._hidden:
            return False
        prepared = self._store.prepared(case.key)
        return set(prepared.names_of(prepared.grids[0])) == set(self.frames.parts) and set(prepared.views) == set(
            self._views
        )

    def _parts_of_a_frame(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """What of an example is written straight into the batch: the views, and the task's truth."""
        patch = self._patch or ()
        parts = {f"image:{view}": ((*self._channels[view], *patch), torch.float32) for view in self._channels}
        if self._task.mask is not None:
            parts[f"mask:{self._task.mask}"] = ((1, *patch), torch.int8)
        return parts

    # ---------------------------------------------------------------- a batch

    def batch(self, told: Sequence[Told], frame: Mapping[str, Tensor] | None = None) -> Batch:
        """Make a batch.

        Args:
            told: Of each example.
            frame: Memory to write it to, made by `frames`; what does not fit there lies elsewhere.

        Raises:
            PrepareError: A transform does not fit a case, which is named.
        """
        frame = frame or {}
        if frame and all(self._is_plain[each.case] for each in told):
            return self._crops(told, frame)
        arrays = {name: tensor.numpy() for name, tensor in frame.items()}
        space = self._patch or ()
        made = [
            self._example(
                each,
                {name: tensor[n] for name, tensor in frame.items()},
                {name: array[n].reshape(-1, *space) for name, array in arrays.items()},
            )
            for n, each in enumerate(told)
        ]
        return self.assembled(told, made, frame)

    def assembled(self, told: Sequence[Told], made: Sequence[Example], frame: Mapping[str, Tensor]) -> Batch:
        """A batch of examples; without copying what lies in its place in the frame."""
        images = {
            view: stacked(column, frame.get(f"image:{view}"))
            for view, column in _columns([m.images for m in made]).items()
        }
        truth = frame.get(f"mask:{self._task.mask}")
        dense = self._task.question.target if truth is not None else None
        return Batch(
            images=images,
            present={view: torch.tensor([view in m.present for m in made]) for view in images},
            targets={
                name: stacked(column, truth if name == dense else None)
                for name, column in _columns([m.targets for m in made]).items()
            },
            rows=torch.tensor([m.row for m in made], dtype=torch.long),
            keys=[self._cases[each.case].key for each in told],
            fields=fields_of([self._cases[each.case] for each in told], self._text),
            masks={name: stacked(column) for name, column in _columns([m.marks for m in made]).items()},
            points={
                name: torch.stack([m.places["points", name] for m in made])
                for kind, name in self._most
                if kind == "points"
            },
            boxes={
                name: torch.stack([m.places["boxes", name] for m in made])
                for kind, name in self._most
                if kind == "boxes"
            },
        )

    def _crops(self, told: Sequence[Told], frame: Mapping[str, Tensor]) -> Batch:
        """A batch of patches as they are, of cases that have all that the frame holds and nothing else."""
        count, patch = len(told), self._patch or ()
        fills = [float(UNLABELLED) if name.startswith("mask:") else 0.0 for name in frame]
        arrays = [tensor.view(count, -1, *patch).numpy() for tensor in frame.values()]
        rows = []
        for n, each in enumerate(told):
            prepared = self._store.prepared(self._cases[each.case].key)
            row = each.row if each.row >= 0 else self._choose_row(each.case, each.place[0])
            rows.append(row)
            first = self._place(each, row, prepared, prepared.grids[0])
            prepared.fetch_ahead(prepared.grids[0], first, patch)
            copy_patch([prepared.flat(name) for name in frame], fills, first, [array[n] for array in arrays])
        targets = {name: torch.stack([self._targets[each.case][name] for each in told]) for name in self._targets[0]}
        truth = frame.get(f"mask:{self._task.mask}")
        if truth is not None:
            targets[self._task.question.target] = truth[:, 0]
        cases = [self._cases[each.case] for each in told]
        return Batch(
            images={view: frame[f"image:{view}"] for view in self._views},
            present={view: torch.ones(count, dtype=torch.bool) for view in self._views},
            targets=targets,
            rows=torch.from_numpy(np.array(rows)),
            keys=[case.key for case in cases],
            fields=fields_of(cases, self._text),
        )

    def _place(self, told: Told, row: int, prepared: PreparedCase, grid: Grid) -> tuple[int, ...]:
        """The first voxel of a patch."""
        stratum = self._stratum[row]
        centres = prepared.centres(stratum) if stratum != ANYWHERE else None
        return place_patch(told.place[1:], grid.shape, self._patch or grid.shape, centres)

    def decided(self, told: Told) -> Decided:
        """What the dice say of an example; they say the same in every process."""
        case = self._cases[told.case]
        rng = None
        if self._augment or self._task.varies:
            rng = generator(told.seed, told.epoch, self._numbers[told.case], told.draw)
        row = told.row if told.row >= 0 else self._choose_row(told.case, told.place[0])
        prepared = self._store.prepared(case.key)
        parts = []
        for number, grid in enumerate(prepared.grids):
            shape, first = grid.shape, (0,) * len(grid.shape)
            if self._patch is not None:
                shape, first = self._patch, self._place(told, row, prepared, grid)
            prepared.fetch_ahead(grid, first, shape)
            spatial: Spatial | None = None
            intensities: list[Intensity] = []
            if self._augment and rng is not None:
                seen = self._seen(case, prepared, number, shape, first)
                spatial, intensities = draw(self._augment, rng, seen, shape)
            parts.append(Part(grid, shape, first, spatial, intensities))
        return Decided(row, rng, prepared, parts)

    def places(self, told: Told, decided: Decided) -> Mapping[tuple[str, str], Tensor]:
        """An example's points and boxes, moved with it."""
        if not self._most:
            return {}
        part = decided.parts[0]
        known = None if self._cases[told.case].key in self._hidden else decided.prepared
        return moved_places(known, self._most, part.first, part.spatial, part.shape)

    def sources(self, decided: Decided, part: Part) -> tuple[list[Image], list[float]]:
        """The whole images and masks of a grid, views first, and what each holds outside itself."""
        names = decided.prepared.names_of(part.grid)
        return [decided.prepared.kept(name) for name in names], self._fills(names)

    def finished(
        self,
        told: Told,
        decided: Decided,
        read: Sequence[Sequence[Tensor]],
        slots: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> Example:
        """An example, from what its patch shows.

        Args:
            told: Which.
            decided: What the dice say of it.
            read: Of each grid its views' patches and then its masks', moved but not changed.
            slots: Where its parts shall lie, where that is known; a part that is not written there lies elsewhere.
        """
        hidden = self._cases[told.case].key in self._hidden
        images: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for part, patches in zip(decided.parts, read, strict=True):
            marks = dict(zip(part.grid.masks, patches[len(part.grid.views) :], strict=True))
            if part.spatial is not None and part.spatial.relabel:
                marks = {name: _swapped(mask, part.spatial.relabel.get(name, {})) for name, mask in marks.items()}
            masks |= marks
            if part.intensities and hidden:
                marks = {name: tensor for name, tensor in marks.items() if name != self._task.mask}
            for view, tensor in zip(part.grid.views, patches, strict=False):
                for applied in part.intensities:
                    tensor = applied.on(view, tensor, marks)
                images[view] = tensor
        return self._finish(told.case, decided, images, masks, slots)

    def _example(self, told: Told, slots: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> Example:
        """Make an example.

        Args:
            told: Which.
            slots: Where its parts shall lie, where that is known.
            arrays: The same memory, ``(channel, *space)``.
        """
        decided = self.decided(told)
        read = [self._read(decided, part, slots, arrays) for part in decided.parts]
        return self.finished(told, decided, read, slots)._replace(places=self.places(told, decided))

    def _fills(self, names: Sequence[str]) -> list[float]:
        return [float(UNLABELLED) if name == f"mask:{self._task.mask}" else 0.0 for name in names]

    def _read(
        self, decided: Decided, part: Part, slots: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]
    ) -> list[Tensor]:
        """The patch of every view and mask of a grid."""
        prepared, names = decided.prepared, decided.prepared.names_of(part.grid)
        if part.spatial is None and all(name in slots for name in names):
            flat = [prepared.flat(name) for name in names]
            copy_patch(flat, self._fills(names), part.first, [arrays[name] for name in names])
            return [slots[name] for name in names]
        return read_patch(*self.sources(decided, part), part.shape, part.first, part.spatial)

    def _seen(
        self, case: Case, prepared: PreparedCase, number: int, shape: tuple[int, ...], first: tuple[int, ...]
    ) -> Sample:
        """What transforms see; made once for as long as the case is open where they do not look at pixels."""
        is_hidden = case.key in self._hidden
        known = (number, shape, is_hidden)
        if not self._reads_pixels and known in prepared.shown:
            return prepared.shown[known]
        whole = self._store.sample(case.key, as_kept=True)
        if is_hidden:
            whole = replace(whole, labels={}, points={}, boxes={})
        part = _part(whole, prepared.grids[number])
        if self._reads_pixels:
            return full_patch(part, shape, first)
        prepared.shown[known] = empty_patch(part, shape)
        return prepared.shown[known]

    def _choose_row(self, case: int, number: float) -> int:
        steps = self._up_to[case]
        return self._first_row[case] + min(bisect(steps, number * steps[-1]), len(steps) - 1)

    def _finish(
        self,
        number: int,
        decided: Decided,
        images: dict[str, Tensor],
        masks: dict[str, Tensor],
        slots: Mapping[str, Tensor],
    ) -> Example:
        """Add what the case lacks, its targets, and what the task makes of both."""
        rng, device = decided.rng, next(iter(images.values())).device
        hidden = self._cases[number].key in self._hidden
        present = set(images)
        targets = dict(self._targets[number])
        dense = self._task.mask
        if dense is not None:
            known = masks.pop(dense, None)
            if known is None or hidden:
                space = self._space(images) if known is None else known.shape[1:]
                targets[self._task.question.target] = torch.full(space, UNLABELLED, dtype=torch.int8, device=device)
            else:
                targets[self._task.question.target] = _placed(known, slots.get(f"mask:{dense}"))[0]
        if self._task.varies and rng is not None:
            targets = {name: target.clone() for name, target in targets.items()}  # those of the case are kept
            images, targets = self._task(images, targets, rng)
            present = set(images)
        else:
            for view in self._views:
                if view not in images:
                    images[view] = torch.zeros(self._missing_shape(view), device=device)
            images = {view: _placed(images[view], slots.get(f"image:{view}")) for view in self._views}
        return Example(images, present, targets, self._further(masks, hidden, device), decided.row)

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

    def _further(self, masks: Mapping[str, Tensor], hidden: bool, device: torch.device) -> dict[str, Tensor]:
        """Masks that are not the task's truth: ``(*space)``; 1 for weights and -1 for marks where a case has none."""
        out = {}
        for name, shape in self._marks.items():
            mask = masks.get(name)
            if mask is None or hidden:
                nothing = 1.0 if name == _WEIGHT else -1.0
                out[name] = torch.full(self._patch or shape, nothing, device=device)
            else:
                out[name] = (mask[0] if len(mask) == 1 else mask).float()
        return out


def _part(sample: Sample, grid: Grid) -> Sample:
    if len(grid.views) == len(sample.images) and len(grid.masks) == len(sample.masks):
        return sample
    return replace(
        sample,
        images={view: sample.images[view] for view in grid.views},
        masks={name: sample.masks[name] for name in grid.masks},
    )


def _placed(tensor: Tensor, slot: Tensor | None) -> Tensor:
    """The same values where they shall lie."""
    if slot is None or tensor is slot or tensor.shape != slot.shape or tensor.dtype != slot.dtype:
        return tensor
    return slot.copy_(tensor)


def _columns(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _swapped(mask: Tensor, relabel: Mapping[int, int]) -> Tensor:
    if not relabel:
        return mask
    out = mask.clone()
    for old, new in relabel.items():
        out[mask == old] = new
    return out
