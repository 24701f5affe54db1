"""Slides that were damaged, or made to do harm: refused by name within seconds, and the next slide is read."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.slides.from_tiff import TiledTiff
from preceptor.intake.slides.from_vendor import VendorSlide, over_white
from preceptor.intake.slides.slide import open_slide
from tests.intake.slides.made import picture, pyramid, write_dicom, write_tiff

pytest.importorskip("tiffslide")


def _walk(path) -> None:
    with open_slide(path, 0.5) as slide:
        for number, level in enumerate(slide.levels):
            slide.read((0, 0), (min(300, level.rows), min(300, level.columns)), number)
        for name in slide.associated:
            slide.read_associated(name)


@pytest.mark.parametrize("kind", ["zlib", "jpeg", "dicom"])
def test_changed_slides_are_read_or_refused(tmp_path, kind):
    pytest.importorskip("imagecodecs")
    levels = pyramid(picture(200, 200), 2)
    if kind == "dicom":
        path = write_dicom(tmp_path / "s", levels[:1], sparse=True)[0]
    else:
        path = tmp_path / "s.tif"
        write_tiff(path, levels, compression=kind)
    whole, rng, refused = path.read_bytes(), np.random.default_rng(7), 0
    started = time.perf_counter()
    for number in range(40):
        content = bytearray(whole)
        if number % 3 == 0:
            content = content[: rng.integers(len(content))]
        else:  # headers stand at either end
            reach = min(len(content) - 4, 1500)
            for _ in range(rng.integers(1, 8)):
                place = int(rng.integers(reach)) if number % 3 == 1 else len(content) - 4 - int(rng.integers(reach))
                content[place : place + 4] = int(rng.choice([0, 1, 65535, 2**31, 2**32 - 1])).to_bytes(4, "little")
        path.write_bytes(bytes(content))
        try:
            _walk(path)
        except PrepareError as error:
            assert error.problem.code.startswith("slide_")
            refused += 1
    assert refused > 5 and time.perf_counter() - started < 30
    path.write_bytes(whole)
    _walk(path)


_OPEN = """
import sys
from pathlib import Path
from preceptor.core.errors import PrepareError
from preceptor.intake.slides.slide import _CHILD, open_slide
try:
    open_slide(sys.argv[1]).read((0, 0), (64, 64))
except PrepareError as error:
    lines = Path(f"/proc/{_CHILD._process.pid}/status").read_text().splitlines()
    print(error.problem.code, next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in other units")
def test_a_tile_that_unpacks_without_end_takes_no_memory(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "bomb.tif"
    write_tiff(path, [picture(64, 64)])
    deflate = zlib.compressobj(9)
    bomb = b"".join(deflate.compress(bytes(1 << 24)) for _ in range(24)) + deflate.flush()  # 400 MB of nothing
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(bomb)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["TileOffsets"].overwrite([size])
        file.pages[0].tags["TileByteCounts"].overwrite([len(bomb)])
    done = subprocess.run([sys.executable, "-c", _OPEN, str(path)], capture_output=True, text=True, check=True)
    code, memory_kb = done.stdout.split()
    assert code == "slide_damaged" and int(memory_kb) < 200 * 1024


def test_both_libraries_read_the_same_of_one_slide(shared_data):
    """The backend for vendors' formats, on a file that the other one reads too."""
    pytest.importorskip("openslide")
    for name in ("CMU-1-Small-Region.svs", "openslide_boxes.tiff"):
        path = shared_data("wsi_small") / name
        one, other = TiledTiff(path), VendorSlide(path)
        assert one.levels == other.levels and one.associated == other.associated
        assert one.microns == pytest.approx(other.microns)
        for number, (rows, columns) in enumerate(one.levels):
            corner, size = (rows // 3, columns // 4), (rows // 3, columns // 3)
            assert (one.read(number, corner, size) == other.read(number, corner, size)).all()
        for label in one.associated:
            assert (one.read_associated(label) == other.read_associated(label)).all()


def test_what_is_transparent_is_seen_over_white():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 255, 127]]], np.uint8)
    assert over_white(pixels).tolist() == [[[10, 20, 30], [255, 255, 255], [128, 178, 255]]]
