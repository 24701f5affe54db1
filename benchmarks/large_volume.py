"""Patches of 96 x 96 x 96 out of volumes of 512 x 512 x 300, warm (in the system's file cache) and cold (not).

    python -m benchmarks.large_volume [--rounds 5]

Against copying from memory, a mapped ``.npy``, blosc2 and zarr in chunks, and a compressed NIfTI. Every way reads the same
patches in turn; cold, the file cache forgets the files before each patch. Images alone, no augmentation: `preceptor` gives
finished batches of one through its loader, the others an array.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch

SHAPE, PATCH = (512, 512, 300), 96


def body() -> np.ndarray:
    """A body of soft tissue with bones and lungs, in Hounsfield units with the noise of a scanner."""
    rng = np.random.default_rng(0)
    out = np.empty(SHAPE, dtype=np.int16)
    y, z = np.linspace(-1, 1, SHAPE[1])[:, None], np.linspace(-1, 1, SHAPE[2])[None]
    for row, x in enumerate(np.linspace(-1, 1, SHAPE[0])):
        inside = x**2 / 0.8 + y**2 / 0.5 < 1
        lung = ((abs(x) - 0.4) ** 2 / 0.07 + y**2 / 0.1 + z**2 / 0.5 < 1) & inside
        bone = (x**2 + (y + 0.5) ** 2 < 0.01) & inside
        slab = np.where(inside, 40.0, -1000.0) - 850.0 * lung + 600.0 * bone
        out[row] = np.rint(slab + 15 * rng.standard_normal(slab.shape, dtype=np.float32))
    return out


def starts(seed: int) -> Iterator[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    while True:
        yield tuple(int(rng.integers(size - PATCH + 1)) for size in SHAPE)


def cut(start: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(first, first + PATCH) for first in start)


class Ways:
    """Each way of keeping the normalised volume, in a folder of its own."""

    def __init__(self, folder: Path, volume: np.ndarray) -> None:
        import blosc2
        import nibabel
        import zarr

        self.folder, self.array = folder, ((volume - volume.mean()) / volume.std()).astype(np.float32)
        np.save(folder / "mapped.npy", self.array)
        chunks = {"chunks": (64, 64, 64), "blocks": (32, 32, 32)}
        codec = {"codec": blosc2.Codec.LZ4, "clevel": 5, "nthreads": 1}
        blosc2.asarray(self.array, urlpath=str(folder / "blosc2.b2nd"), cparams=codec, **chunks)
        zarr.create_array(str(folder / "zarr"), data=self.array, chunks=(64, 64, 64))
        nibabel.save(nibabel.Nifti1Image(self.array[..., :150], np.eye(4)), folder / "compressed.nii.gz")
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / "scan.nii")
        self.loaders = {storage: self._loader(storage) for storage in ("plain", "levels")}
        self.batches: dict[str, Iterator[Any]] = {}

    def _loader(self, storage: str) -> Any:
        from preceptor.core.cohort import Case, Cohort
        from preceptor.core.slots import build
        from preceptor.prepare.loader import Loader
        from preceptor.prepare.store import prepare

        cohort = Cohort((Case("scan", {"ct": "scan.nii"}, role="train"),), self.folder)
        task = build("tasks", {"classification": {"classes": ["no", "yes"]}})
        began = time.perf_counter()
        folder = self.folder / storage
        store = prepare(cohort, [build("transforms", "zscore")], task, folder, fit_on=cohort.cases, storage=storage)
        print(f"prepared ({storage}) in {time.perf_counter() - began:.1f} s")
        return Loader(
            store,
            cohort.cases,
            task,
            views=("ct",),
            batch_size=1,
            seed=0,
            patch=(PATCH,) * 3,
            patches_per_case=1000,
        )

    def memory(self, start: tuple[int, ...]) -> np.ndarray:
        return np.ascontiguousarray(self.array[cut(start)])

    def mapped(self, start: tuple[int, ...]) -> np.ndarray:
        return np.ascontiguousarray(np.load(self.folder / "mapped.npy", mmap_mode="r")[cut(start)])

    def blosc2(self, start: tuple[int, ...]) -> np.ndarray:
        import blosc2

        return blosc2.open(str(self.folder / "blosc2.b2nd"), mode="r", dparams={"nthreads": 1})[cut(start)]

    def zarr(self, start: tuple[int, ...]) -> np.ndarray:
        import zarr

        return zarr.open_array(str(self.folder / "zarr"), mode="r")[cut(start)]

    def compressed(self, start: tuple[int, ...]) -> np.ndarray:
        import nibabel

        first = (*start[:2], min(start[2], 150 - PATCH))
        return np.asarray(nibabel.load(self.folder / "compressed.nii.gz").dataobj[cut(first)])

    def preceptor(self, start: tuple[int, ...]) -> torch.Tensor:
        return self._next("plain")

    def levels(self, start: tuple[int, ...]) -> torch.Tensor:
        return self._next("levels")

    def _next(self, storage: str) -> torch.Tensor:
        batch = next(self.batches.setdefault(storage, iter(())), None)
        if batch is None:
            self.batches[storage] = self.loaders[storage].epoch(0)
            batch = next(self.batches[storage])
        return batch.images["ct"]

    def forget(self) -> None:
        """Close what is mapped and drop the files from the system's cache; written pages must be on the disk first."""
        for loader in self.loaders.values():
            loader._examples._store.close()
        for path in self.folder.rglob("*"):
            if path.is_file():
                handle = os.open(path, os.O_RDONLY)
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(handle)


def rate(way: Callable[[tuple[int, ...]], Any], seed: int, patches: int, forget: Callable[[], None] | None) -> float:
    """Patches a second."""
    seconds, places = 0.0, starts(seed)
    for _ in range(patches):
        if forget:
            forget()
        began = time.perf_counter()
        way(next(places))
        seconds += time.perf_counter() - began
    return patches / seconds


def resident_mb(kind: str = "RssAnon") -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ways = Ways(Path(folder), body())
        names = ("memory", "mapped", "blosc2", "zarr", "levels", "preceptor")
        warm: dict[str, list[float]] = {name: [] for name in names}
        cold: dict[str, list[float]] = {name: [] for name in names[1:]}
        before = resident_mb()
        for name in names:
            rate(getattr(ways, name), 0, 40, None)
        grown = resident_mb() - before
        for turn in range(given.rounds):
            for name, rates in warm.items():
                rates.append(
                    rate(
                        getattr(ways, name),
                        turn,
                        60 if name in ("memory", "mapped", "levels", "preceptor") else 15,
                        None,
                    )
                )
        for turn in range(given.rounds):
            for name, rates in cold.items():
                rates.append(rate(getattr(ways, name), turn, 6, ways.forget))
        compressed = rate(ways.compressed, 0, 2, None)
        sizes = {
            name: _megabytes(Path(folder) / name) for name in ("mapped.npy", "blosc2.b2nd", "zarr", "levels", "plain")
        }
    print(f"{given.rounds} rounds, medians, load {os.getloadavg()[0]:.1f}: patches/s warm / cold; size on disk")
    ours = {"warm": warm["preceptor"], "cold": cold["preceptor"]}
    for name, file in zip(names, ("", "mapped.npy", "blosc2.b2nd", "zarr", "levels", "plain"), strict=True):
        line = f"  {name:12} {statistics.median(warm[name]):7.0f}"
        line += f" / {statistics.median(cold[name]):6.1f}   {sizes[file]:.0f} MB" if name in cold else " /      –"
        if name != "preceptor":
            line += f"   preceptor is {_ratio(ours['warm'], warm[name]):.2f} x"
            line += f" / {_ratio(ours['cold'], cold[name]):.2f} x" if name in cold else ""
        print(line)
    print(f"  .nii.gz      {compressed:7.1f} (of half the volume)")
    print(f"memory that is not the file cache's grew by {grown:.0f} MB")


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 2**20


if __name__ == "__main__":
    main()
