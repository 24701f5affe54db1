"""Copies among 100,000 pictures: made thumbnails are indexed on disk and searched; time, memory and what was found.

    python -m benchmarks.near_duplicates [--pictures 100000]

Pictures are drawn as sums of smooth random fields over one common layout, so that different ones correlate as films of
different chests do (up to about 0.9). One in a thousand is a copy of an earlier one: turned, mirrored, inverted or with
noise added; every one must be found, and nothing else.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from preceptor.core.image import Image
from preceptor.intake.thumbnail_index import ThumbnailIndex

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


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pictures", type=int, default=100_000)
    number = arguments.parse_args().pictures
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    common = 1.5 * (x**2 - y) + np.cos(4 * y)
    copies = {place: int(rng.integers(place)) for place in range(1000, number, 1000)}
    kept = {}
    wanted = set(copies.values())
    with tempfile.TemporaryDirectory() as folder:
        index = ThumbnailIndex(Path(folder))
        begun = time.perf_counter()
        for place in range(number):
            if place in copies:
                picture = CHANGES[(place // 1000) % 4](kept[copies[place]], 0.01 * rng.normal(size=(32, 32)))
            else:
                picture = draw(rng, common)
            if place in wanted:
                kept[place] = picture
            index.add(str(place), Image(np.ascontiguousarray(picture, dtype=np.float32)[None], np.eye(4)))
        indexed = time.perf_counter()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def tell(done: int, total: int) -> None:
            sys.stderr.write(f"\r{done:,} of {total:,} after {time.perf_counter() - indexed:.0f} s ")

        pairs = index.pairs(progress=tell)
        searched = time.perf_counter()
    found = {(int(pair.first), int(pair.second)) for pair in pairs}
    meant = {(source, place) for place, source in copies.items()}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{number:,} pictures: indexed in {indexed - begun:.0f} s, searched in {searched - indexed:.0f} s, "
        f"{len(meant & found)} of {len(meant)} copies found, {len(found - meant)} others, "
        f"{resident:.0f} MiB before the search, {most:.0f} MiB at most\n"
    )


if __name__ == "__main__":
    main()
