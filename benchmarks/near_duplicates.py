"""Copies among 100,000 pictures, as `preceptor cohort check` looks for them: time, memory and what was found.

    python -m benchmarks.near_duplicates [--pictures 100000] [--stop 0.5]

Pictures are drawn as sums of smooth random fields over one common layout, so that different ones correlate as films of
different chests do (up to about 0.9), and stored as arrays of 32 x 32. One in a thousand is a copy of an earlier one:
turned, mirrored, inverted or with noise added; every one must be found, and nothing else. The check is stopped at a share
of the pictures and started again. Reading, keeping what was seen, indexing and comparing are all in the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from preceptor.core.cohort import Case, Cohort
from preceptor.core.slots import build
from preceptor.intake.survey import survey

CHANGES = (
    lambda picture, noise: picture + noise,
    lambda picture, noise: np.rot90(picture) + noise,
    lambda picture, noise: picture[:, ::-1] + noise,
    lambda picture, noise: -picture + noise,
)


def draw(rng: np.random.Generator, common: np.ndarray) -> np.ndarray:
    """A 32 x 32 picture of the common layout, with coarse and fine structure of its own."""
    made = common.copy()
    for cells, share in ((4, 0.5), (8, 0.35), (16, 0.2), (32, 0.12)):
        grid = rng.normal(size=(cells, cells))
        made += share * np.kron(grid, np.ones((32 // cells, 32 // cells)))
    return made


def write(folder: Path, number: int) -> dict[int, int]:
    """Write the pictures, and say which is a copy of which: ``{copy: its source}``."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    common = 1.5 * (x**2 - y) + np.cos(4 * y)
    copies = {place: int(rng.integers(place)) for place in range(1000, number, 1000)}
    kept, wanted = {}, set(copies.values())
    for place in range(number):
        if place in copies:
            picture = CHANGES[(place // 1000) % 4](kept[copies[place]], 0.01 * rng.normal(size=(32, 32)))
        else:
            picture = draw(rng, common)
        if place in wanted:
            kept[place] = picture
        (folder / f"{place // 1000}").mkdir(exist_ok=True)
        np.save(folder / f"{place // 1000}" / f"{place}.npy", np.ascontiguousarray(picture, dtype=np.float32))
    return copies


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pictures", type=int, default=100_000)
    arguments.add_argument("--stop", type=float, default=0.5)
    settings = arguments.parse_args()
    number = settings.pictures
    with tempfile.TemporaryDirectory() as made:
        copies = write(Path(made), number)
        cases = (Case(str(place), {"image": f"{place // 1000}/{place}.npy"}) for place in range(number))
        cohort, keep = Cohort(tuple(cases), Path(made)), Path(made) / "kept"
        check = build("checks", "duplicates")
        begun, marks = time.perf_counter(), {}

        def looked(done: int, total: int) -> None:
            marks["seen"] = time.perf_counter()
            if done == round(settings.stop * number) and "stopped" not in marks:
                marks["stopped"], marks["peak"] = time.perf_counter(), peak_mib()
                raise KeyboardInterrupt

        def compared(done: int, total: int) -> None:
            sys.stderr.write(f"\r{done:,} of {total:,} compared after {time.perf_counter() - marks['seen']:.0f} s ")

        before = peak_mib()
        with suppress(KeyboardInterrupt):
            survey(cohort, [check], progress=looked, comparing=compared, keep=keep)
        found = survey(cohort, [check], progress=looked, comparing=compared, keep=keep)
        ended = time.perf_counter()
        disk = sum(path.stat().st_size for path in keep.rglob("*") if path.is_file()) / 2**20
    pairs = {(int(pair.first), int(pair.second)) for pair in found.pairs}
    meant = {(source, place) for place, source in copies.items()}
    spent = os.times().user + os.times().system
    sys.stdout.write(
        f"{number:,} pictures: looked at in {marks['seen'] - begun:.0f} s, indexed and compared in "
        f"{ended - marks['seen']:.0f} s; {len(meant & pairs)} of {len(meant)} copies found, {len(pairs - meant)} others; "
        f"{spent:.0f} s of one core with drawing them; "
        f"peak memory {before:.0f} MiB with the cohort alone, {marks.get('peak', before):.0f} when stopped, "
        f"{peak_mib():.0f} in the end; {disk:.0f} MiB on disk\n"
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
