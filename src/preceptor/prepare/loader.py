"""The loader: batches whose draws depend on (seed, epoch, case, draw) alone, never on who computes them.

What a batch holds is decided in the main process, number by number; workers are told "case 12, epoch 3, draw 1" and
keep nothing from one batch to the next. So any number of them gives the same batches, and an epoch can begin anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from preceptor.core.batch import Batch, Index
from preceptor.core.cohort import Case
from preceptor.core.errors import PreceptorError, RecipeError
from preceptor.core.plugins import Task, Transform
from preceptor.maths.keyed_uniform import keyed_uniform

from .decided import Told
from .examples import Examples
from .gathered import Gathered
from .on_device import OnDevice
from .parcel import Parcel, pack, unpack
from .segmenter import hand_on, handed_in
from .store import Store

#: One process's share of each optimizer step: its rank, how many processes there are, and batches each takes a step.
Share = tuple[int, int, int]


class Loader:
    """Batches of a store's cases, for training or as they are.

    Args:
        store: Prepared cases.
        cases: Which of them.
        task: Gives the targets.
        views: Every view a batch has, in order; a case without one has `present` false.
        batch_size: Examples in a batch.
        seed: Of every draw.
        augment: Transforms drawn anew for every example.
        patch: Voxels along each axis; None takes whole images.
        patches_per_case: Examples drawn from each case in an epoch.
        foreground_share: How often a patch is centred on a labelled structure, each of the case's structures as often.
        boundary_share: How often it is centred on a place where two classes meet.
        workers: Processes that compute batches; 0 computes them here.
        training: False takes every case once, whole and unvaried, in order; batches hold images of one shape.
        hide_labels: Keys of cases whose labels and masks nobody may see.
        start_method: How workers are started (``fork``, ``spawn``, ``forkserver``); None for the platform's way.
        augment_on: Device on which examples are varied, and batches then lie; None for the processor that loads them.

    Attributes:
        index: What an epoch can draw from.
        steps_per_epoch: Batches in an epoch.

    Raises:
        RecipeError: Cases lack a view that patches need to be cut from, or their shapes do not make a batch.
    """

    def __init__(
        self,
        store: Store,
        cases: Sequence[Case],
        task: Task,
        *,
        views: Sequence[str],
        batch_size: int,
        seed: int,
        augment: Sequence[Transform] = (),
        patch: Sequence[int] | None = None,
        patches_per_case: int = 1,
        foreground_share: float = 0.5,
        boundary_share: float = 0.0,
        workers: int = 0,
        training: bool = True,
        hide_labels: Sequence[str] = (),
        start_method: str | None = None,
        augment_on: torch.device | None = None,
    ) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self.training = training
        self._per_case = patches_per_case if training else 1
        self._examples = Examples(
            store,
            tuple(cases),
            task,
            views=tuple(views),
            augment=tuple(augment) if training else (),
            patch=tuple(patch) if patch is not None and training else None,
            foreground_share=foreground_share,
            boundary_share=boundary_share,
            hidden=frozenset(hide_labels),
        )
        self._on_device = None
        if augment_on is not None and self._examples.is_varied:
            self._on_device = OnDevice(self._examples, augment_on)
        self._plan: list[list[Told]] = []
        self._workers = workers
        self._pins = torch.cuda.is_available()
        self._batches = DataLoader(
            _Computed(self._examples, self._on_device),
            batch_size=None,
            sampler=_Sampler(self._plan),
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            multiprocessing_context=start_method if workers else None,
            worker_init_fn=partial(hand_on, handed_in()),
            pin_memory=self._pins,
            generator=torch.Generator(),
        )
        self._cuts = None if training else self._equal_shapes()
        if training and batch_size > 1 and patch is None:
            self._refuse_unequal_shapes()

    @property
    def index(self) -> Index:
        return self._examples.index

    @property
    def steps_per_epoch(self) -> int:
        if self._cuts is not None:
            return len(self._cuts)
        return math.ceil(len(self.index.keys) * self._per_case / self.batch_size)

    def epoch(
        self, number: int, start: int = 0, probability: Sequence[float] | None = None, share: Share = (0, 1, 1)
    ) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Which epoch, counted from 0.
            start: Batches to leave out at the beginning, without computing them; a multiple of what a step takes.
            probability: Of each row of the index; without it every case comes up `patches_per_case` times.
            share: Of several processes. Each takes its batches of every step; where too few are left at the end for one
                each, what is left is dealt out evenly, and not at all if it is fewer examples than processes.

        Yields:
            Batches on the CPU, or on the device that varies them.
        """
        rank, world, accumulate = share
        batches = self._draws(number, probability)[start:]
        per_step = world * accumulate
        mine = []
        for first in range(0, len(batches), per_step):
            step = batches[first : first + per_step]
            if len(step) < world:
                rows = [each for batch in step for each in batch]
                step = [rows[part::world] for part in range(world)] if len(rows) >= world else []
            mine += step[rank::world]
        self._plan[:] = mine
        if not self._workers:
            yield from self._made_here(mine)
            return
        for batch in self._batches:
            if isinstance(batch, PreceptorError):
                raise batch
            if self._on_device is not None:
                yield self._on_device.vary(batch)
            else:
                yield unpack(batch) if isinstance(batch, Parcel) else batch

    def _made_here(self, plan: Sequence[list[Told]]) -> Iterator[Batch]:
        for told in plan:
            if self._on_device is not None:
                gathered = self._on_device.gather(told, shared=False)
                yield self._on_device.vary(gathered.pin_memory() if self._pins else gathered)
            else:
                batch = self._examples.batch(told, self._examples.frames.of(len(told)))
                yield batch.pin_memory() if self._pins else batch

    def _draws(self, number: int, probability: Sequence[float] | None) -> list[list[Told]]:
        """What each batch is told of its examples."""
        cases = len(self.index.keys)
        if self._cuts is not None:
            return [[Told(self.seed, 0, case, 0) for case in batch] for batch in self._cuts]
        order = np.random.default_rng(np.random.SeedSequence([self.seed, number], spawn_key=(0,)))
        total = cases * self._per_case
        if probability is None:
            chosen = np.tile(np.arange(cases), self._per_case)
            rows = np.full(total, -1)
            draws = np.repeat(np.arange(self._per_case), cases)
            mixed = order.permutation(total)
            chosen, draws = chosen[mixed], draws[mixed]
        else:
            weights = np.asarray(probability, dtype=float)
            rows = order.choice(len(weights), size=total, p=weights / weights.sum())
            chosen = np.asarray(self.index.case)[rows]
            counted = np.zeros(cases, dtype=int)
            draws = np.empty(total, dtype=int)
            for position, case in enumerate(chosen):
                draws[position], counted[case] = counted[case], counted[case] + 1
        places = keyed_uniform([self.seed, number, self._examples.numbers[chosen], draws], 4)
        told = [
            Told(self.seed, number, case, drawn, row, tuple(place))
            for case, drawn, row, place in zip(
                chosen.tolist(), draws.tolist(), rows.tolist(), places.tolist(), strict=True
            )
        ]
        return [told[first : first + self.batch_size] for first in range(0, total, self.batch_size)]

    def _equal_shapes(self) -> list[list[int]]:
        """The cases in order, cut wherever a batch is full or the next image has another shape."""
        cuts: list[list[int]] = []
        for case, shapes in enumerate(self._examples.shapes):
            fits = cuts and len(cuts[-1]) < self.batch_size and self._examples.shapes[cuts[-1][0]] == shapes
            if fits:
                cuts[-1].append(case)
            else:
                cuts.append([case])
        return cuts

    def _refuse_unequal_shapes(self) -> None:
        found: dict[str, tuple[int, ...]] = {}
        for key, shapes in zip(self.index.keys, self._examples.shapes, strict=True):
            for view, shape in shapes.items():
                if found.setdefault(view, shape) != shape:
                    raise RecipeError(
                        f"whole images of different shapes do not make a batch: {view} has {_times(found[view])} voxels, "
                        f"and {_times(shape)} in case {key}",
                        where="train.batch_size",
                        expected="one shape for all, patches, or batches of 1",
                        remedy="end `prepare` with crop_pad or resample to a shape, or give train.patch",
                        code="shapes_differ",
                    )


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape[1:]))


class _Computed(Dataset):
    """Batches by what they are told."""

    def __init__(self, examples: Examples, on_device: OnDevice | None) -> None:
        self._examples, self._on_device = examples, on_device

    def __getitem__(self, told: list[Told]) -> Parcel | Gathered | PreceptorError:
        try:
            if self._on_device is not None:
                return self._on_device.gather(told, shared=True)
            frame = self._examples.frames.shared(len(told))
            return pack(self._examples.batch(told, frame), frame)
        except PreceptorError as error:
            return error  # torch would rebuild it in the main process out of its text alone


class _Sampler:
    """The plan of the epoch that is asked for, as it stands when it begins."""

    def __init__(self, plan: list[list[Told]]) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[list[Told]]:
        return iter(list(self._plan))

    def __len__(self) -> int:
        return len(self._plan)
