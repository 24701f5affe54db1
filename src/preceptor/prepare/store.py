"""The store: every case prepared once, kept under a hash of what it was made from, read from the disk as far as needed.

A case's file is named by a hash of its input's bytes, of the steps with their fitted state, and of how the task reads
its mask. So a second call finds what the first has made, a killed one goes on where it stopped, two recipes share what
they prepare alike, and a changed input is prepared anew.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import get_worker_info

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import PreceptorError, PrepareError
from preceptor.core.plugins import State, Task, Transform
from preceptor.core.slots import parameters
from preceptor.core.state import read_state, take_apart, write_state
from preceptor.intake.case import open_case

from .compose import naming, prepare_sample
from .prepared import PreparedCase, Storage, write_prepared
from .segmenter import Segmenter, hand_on, handed_in

__all__ = ["Store", "prepare", "prepare_sample"]

#: Changes whenever preparation gives other bytes for the same steps.
_VERSION = 3
#: Memory that preparing a case may take: a volume of 512 x 512 x 300 takes about so much.
_MB_TO_PREPARE = 2048
#: Mapped files a process keeps open: each costs a file handle, of which it may have about a thousand.
_MOST_OPEN = 256


class Store:
    """The prepared cases of a cohort.

    Args:
        folder: Where the prepared files lie.
        cases: ``{key: case}``.
        files: ``{key: file name}``.
        steps: With their states.
        states: What each step was fitted to; None where nothing is fitted.
        task: Reads the masks.
        memory_mb: How much of the files a process keeps mapped: what was read last is read again without asking the disk.
            The system takes the memory back when something else needs it. None for half of the machine's memory.
            All processes together hold up to half as much again in memory of their own: of large cases that were read
            as often as they are large.
    """

    def __init__(
        self,
        folder: Path,
        cases: dict[str, Case],
        files: dict[str, str],
        steps: Sequence[Transform],
        states: Sequence[State | None],
        task: Task,
        memory_mb: float | None = None,
    ) -> None:
        self.memory_mb = _half_of_the_memory_mb() if memory_mb is None else memory_mb
        self.folder = folder
        self.steps = tuple(steps)
        self.states = tuple(states)
        self._cases = cases
        self._files = files
        self._task = task
        self._open: OrderedDict[str, PreparedCase] = OrderedDict()
        self._mapped = 0
        self._held = 0

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._cases)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict(), "_mapped": 0, "_held": 0}  # a worker maps the files for itself

    def prepared(self, key: str) -> PreparedCase:
        """The case as it lies on the disk.

        Raises:
            KeyError: There is no such case.
            PrepareError: Its file is damaged.
        """
        name = self._files[key]
        case = self._open.get(name)
        if case is None:
            case = self._open[name] = PreparedCase(self.folder / name)
            self._mapped += case.nbytes
            while len(self._open) > _MOST_OPEN or (len(self._open) > 1 and self._mapped > self.memory_mb * 2**20):
                self._let_go(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(name)
        if case.is_worn and not case.is_held and self._held + case.nbytes <= self._most_held():
            case.hold()
            self._held += case.nbytes
        return case

    def _let_go(self, case: PreparedCase) -> None:
        self._mapped -= case.nbytes
        self._held -= case.nbytes if case.is_held else 0

    def _most_held(self) -> float:
        worker = get_worker_info()
        return self.memory_mb * 2**19 / (1 if worker is None else worker.num_workers)

    def close(self) -> None:
        """Let go of every mapped file; what is read next is mapped again."""
        self._open.clear()
        self._mapped = self._held = 0

    def sample(self, key: str, as_kept: bool = False) -> Sample:
        """A prepared case. Its arrays are mapped: what is not looked at is not read.

        Args:
            key: The case's key.
            as_kept: Leave images that are kept in 16 bits as `Levels`.

        Returns:
            The task's mask holds class indices (int8, -1 unlabelled), and `mask_values` says what they mean.
        """
        prepared, case = self.prepared(key), self._cases[key]
        return Sample(
            key=key,
            images={
                view: prepared.kept(f"image:{view}") if as_kept else prepared.image(view) for view in prepared.views
            },
            masks={name: prepared.mask(name) for name in prepared.masks},
            labels=case.labels,
            fields=case.fields,
            mask_values=self.mask_values,
            points=prepared.points,
            boxes=prepared.boxes,
        )

    @property
    def mask_values(self) -> dict[str, dict[int, str]]:
        """What the values of the task's prepared mask mean."""
        return {self._task.mask: dict(enumerate(self._task.question.classes))} if self._task.mask else {}


def prepare(
    cohort: Cohort,
    steps: Sequence[Transform],
    task: Task,
    folder: Path,
    *,
    fit_on: Sequence[Case],
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    memory_mb: float | None = None,
    storage: Storage = "plain",
    start_method: str | None = None,
) -> Store:
    """Prepare every case of a cohort, or find it prepared.

    Args:
        cohort: Whose cases.
        steps: Transforms in order. Those that have `fit` are fitted on `fit_on`, each after the steps before it.
        task: Reads the masks: `encode_mask` gives the class indices that are stored.
        folder: Where to keep the prepared files.
        fit_on: Cases that fitted steps may see: those of the role `train`.
        workers: Processes that prepare side by side; 0 prepares in this one.
        progress: Called with how many cases are done, and how many there are.
        memory_mb: How much of the files a process keeps mapped; None for half of the machine's memory.
        storage: ``levels`` keeps images in 16 bits where nothing is lost by it; see `preceptor.prepare.levels`.
        start_method: How those processes are started (``fork``, ``spawn``, ``forkserver``); None for fork where there is
            one.

    Returns:
        The store.

    Raises:
        PrepareError: A case can't be read or prepared; it is named.
        OSError: The disk is full or not writable.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fitted, states = _fit(cohort.root, steps, task, folder, fit_on)
    made_by = _digest(
        _VERSION, [_written(step) for step in fitted], [_hashed(state) for state in states], _written(task)
    )
    made_by += "" if storage == "plain" else storage
    files = {case.key: f"{_digest(made_by, _sources(cohort.root, case))}.safetensors" for case in cohort}
    todo: dict[str, Case] = {}
    for case in cohort:
        if files[case.key] not in todo and not PreparedCase.is_whole(folder / files[case.key]):
            todo[files[case.key]] = case
    done = len(cohort) - len(todo)
    for _ in _each(todo, (cohort.root, fitted, task, folder, storage), workers, start_method):
        done += 1
        if progress:
            progress(done, len(cohort))
    return Store(folder, {case.key: case for case in cohort}, files, fitted, states, task, memory_mb)


def _half_of_the_memory_mb() -> float:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**21
    return 4096.0  # Windows does not say


#: What is the same for every case: root, steps, task, folder, storage.
_Same = tuple[Path, Sequence[Transform], Task, Path, Storage]


def _each(todo: dict[str, Case], same: _Same, workers: int, start_method: str | None) -> Iterator[None]:
    if not workers or len(todo) < 2:
        for name, case in todo.items():
            _prepare_case(name, case, same)
            yield
        return
    # What is the same for all is handed over once; forked processes inherit it, so it need not be written and read.
    kinds = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(start_method or ("fork" if "fork" in kinds else None))
    given = same, handed_in()
    with ProcessPoolExecutor(min(workers, len(todo)), context, initializer=_begin, initargs=given) as pool:
        tasks: list[Future[None]] = [pool.submit(_prepare_one, name, case) for name, case in todo.items()]
        try:
            for each in as_completed(tasks):
                yield each.result()
        finally:
            for each in tasks:
                each.cancel()


_given: _Same


def _begin(same: _Same, opener: Callable[[Path], Segmenter] | None) -> None:
    import torch

    global _given
    _given = same
    hand_on(opener)
    torch.set_num_threads(1)  # there are as many processes as cores


def _prepare_one(name: str, case: Case) -> None:
    _prepare_case(name, case, _given)


def side_by_side() -> int:
    """How many processes may prepare: one a core, each with 2 GB of memory; 0 where they can't be forked (Windows, macOS)."""
    if sys.platform != "linux":
        return 0
    cores = len(os.sched_getaffinity(0))
    most = min(cores, int(2 * _half_of_the_memory_mb() / _MB_TO_PREPARE))
    return most if most > 1 else 0


def _prepare_case(name: str, case: Case, same: _Same) -> None:
    root, steps, task, folder, storage = same
    sample = prepare_sample(open_case(root, case), steps)
    try:
        sample = encoded(sample, task)
    except PreceptorError as error:
        raise naming(error, case.key) from error
    write_prepared(folder / name, sample, task.mask, storage)


def encoded(sample: Sample, task: Task) -> Sample:
    """The task's mask as class indices: ``(1, *space)`` int8, -1 where unlabelled."""
    if task.mask is None or task.mask not in sample.masks:
        return sample
    mask = sample.masks[task.mask]
    index = task.encode_mask(mask.array[:1]).astype(np.int8, copy=False)
    return replace(sample, masks={**sample.masks, task.mask: mask.with_array(index)})


def _fit(
    root: Path, steps: Sequence[Transform], task: Task, folder: Path, fit_on: Sequence[Case]
) -> tuple[list[Transform], list[State | None]]:
    """The steps with their states; what was fitted once on the same cases and the same steps is read back."""
    fitted: list[Transform] = []
    states: list[State | None] = []
    for step in steps:
        state: State | None = None
        if hasattr(step, "fit"):
            before = [_written(each) for each in fitted], [_hashed(each) for each in states]
            cases = [_sources(root, case) for case in fit_on]
            path = folder / f"state-{_digest(_VERSION, before, _written(step), cases)}.safetensors"
            if path.exists():
                state, _ = read_state(path)
            else:
                if not fit_on:
                    raise PrepareError(
                        f"{type(step).__name__} is fitted on training cases, and there are none",
                        where="prepare",
                        remedy="give `split` a train share",
                        code="no_fit_cases",
                    )
                state = step.fit(prepare_sample(open_case(root, case), fitted) for case in fit_on)
                write_state(path, state)
            step = step.with_state(state)  # type: ignore[attr-defined]
        fitted.append(step)
        states.append(state)
    return fitted, states


def _sources(root: Path, case: Case) -> list[Any]:
    """What a case is made from: each source's bytes, and which part of the file."""
    parts: list[Any] = [["places", case.points, case.boxes]] if case.points or case.boxes else []
    for kind, sources in (("image", case.images), ("mask", case.masks)):
        for name, source in sources.items():
            file, _, member = source.partition("::")
            try:
                parts.append([kind, name, _bytes_of(Path(root) / file), member])
            except OSError as error:
                raise PrepareError(
                    f"the {kind} {name} can't be read: {error.strerror or type(error).__name__}",
                    where=f"case {case.key}",
                    expected="a file the cohort's table names",
                    remedy="copy it back, or exclude the case",
                    code="file_absent",
                ) from error
    return parts


def _bytes_of(path: Path) -> str:
    """A hash of a file, or of every file of a folder, that is worked out once for as long as they are not touched."""
    if path.is_dir():
        return _digest(*((each.name, _bytes_of(each)) for each in sorted(path.iterdir()) if each.is_file()))
    stat = path.stat()
    return _hash_file(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _hash_file(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _written(plugin: Any) -> list[Any]:
    """A plug-in as a recipe would write it."""
    kind: Any = type(plugin)  # Any, since mypy sees no hash on a class
    return [kind.__qualname__, {name: getattr(plugin, name, None) for name in parameters(kind)}]


def _hashed(state: State | None) -> str | None:
    if state is None:
        return None
    tensors: dict[str, Any] = {}
    tree = take_apart(state, tensors)
    return _digest(
        tree, {name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for name, tensor in tensors.items()}
    )


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
