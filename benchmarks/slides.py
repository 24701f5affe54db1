"""Tiles of a whole slide: read here in a process with limits, beside OpenSlide, tiffslide and bare decoding of the same bytes.

    python benchmarks/slides.py [--tiles 300]

A pyramid of 20,000 x 20,000 pixels in JPEG tiles of 256 is made of CMU-1-Small-Region (or of noise where that is not there).
The same tiles of 512 pixels, at random places, are read by each in turn, in blocks of 50, on one thread; ratios are of the sums.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "TIFFSLIDE_NUM_DECODE_THREADS", "TIFFFILE_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import openslide  # noqa: E402
import tifffile  # noqa: E402
import tiffslide  # noqa: E402

from preceptor.intake.slides.slide import open_slide  # noqa: E402

REAL = Path(__file__).parents[2] / "shared/data/wsi_small/CMU-1-Small-Region.svs"
SIDE, TILE, STORED, BLOCK = 20_000, 512, 256, 50


def make(path: Path) -> None:
    """Tiles of the real slide over and over, each encoded anew with a shift of its own."""
    if REAL.is_file():
        with tifffile.TiffFile(REAL) as file:
            section = file.pages[0].asarray()[400:2448, 600:2136]
    else:
        section = np.random.default_rng(0).integers(0, 255, (2048, 1536, 3), dtype=np.uint8)
    across = -(-SIDE // STORED)

    def tiles():
        for number in range(across**2):
            row, column = (number // across * 97) % 1792, (number % across * 61) % 1280
            yield section[row : row + STORED, column : column + STORED]

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(
            tiles(),
            shape=(SIDE, SIDE, 3),
            dtype=np.uint8,
            tile=(STORED, STORED),
            photometric="rgb",
            compression="jpeg",
            resolution=(4e4, 4e4),
            resolutionunit="CENTIMETER",
            metadata=None,
            maxworkers=1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=300)
    number = parser.parse_args().tiles
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        make(path)
        places = np.random.default_rng(1).integers(0, SIDE - TILE, (number, 2))
        file = tifffile.TiffFile(path)
        page = file.pages[0]
        across = -(-SIDE // STORED)

        def bare(row: int, column: int) -> np.ndarray:
            """What any reader must do: read the bytes of each stored tile, and decode them."""
            whole = np.empty((TILE + 2 * STORED, TILE + 2 * STORED, 3), np.uint8)
            top, left = row // STORED, column // STORED
            for down in range(top, (row + TILE - 1) // STORED + 1):
                for along in range(left, (column + TILE - 1) // STORED + 1):
                    index = down * across + along
                    file.filehandle.seek(page.dataoffsets[index])
                    stored = file.filehandle.read(page.databytecounts[index])
                    pixels = page.decode(stored, index, jpegtables=page.jpegtables)[0]
                    y, x = (down - top) * STORED, (along - left) * STORED
                    whole[y : y + STORED, x : x + STORED] = pixels[0]
            y, x = row - top * STORED, column - left * STORED
            return whole[y : y + TILE, x : x + TILE]

        ours, theirs, bound = open_slide(path), openslide.OpenSlide(path), tiffslide.TiffSlide(path)
        readers = {
            "bare decoding": bare,
            "preceptor": lambda row, column: ours.read((row, column), (TILE, TILE)),
            "tiffslide": lambda row, column: bound.read_region((column, row), 0, (TILE, TILE), as_array=True),
            "openslide": lambda row, column: np.asarray(theirs.read_region((column, row), 0, (TILE, TILE)))[..., :3],
        }
        first = {name: read(*map(int, places[0])) for name, read in readers.items()}
        for name, pixels in first.items():
            apart = int(np.abs(pixels.astype(int) - first["bare decoding"]).max())
            assert apart <= 3, f"{name} reads other pixels: {apart}"
        spent = dict.fromkeys(readers, 0.0)
        for start in range(0, number, BLOCK):
            for name, read in readers.items():
                begun = time.perf_counter()
                for row, column in places[start : start + BLOCK]:
                    read(int(row), int(column))
                spent[name] += time.perf_counter() - begun
        for name, seconds in spent.items():
            ratio = seconds / spent["bare decoding"]
            sys.stdout.write(f"{name:14} {number / seconds:7.0f} tiles/s  {ratio:5.2f} x bare decoding\n")
        ours.close()


if __name__ == "__main__":
    main()
