"""Tissue and tiles of whole slides: sizes in microns, overlap, tissue shares, and a memory that stays flat."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from preceptor.core.errors import PrepareError, RecipeError
from preceptor.intake.slides.slide import open_slide
from preceptor.intake.slides.tiles import Tiling, plan_tiles, read_tile, stream_tiles
from preceptor.intake.slides.tissue import SlideTissue, find_tissue, tissue
from tests.intake.slides.made import pyramid, write_dicom, write_huge, write_tiff


def _section(rows=640, columns=800):
    """A disc of tissue on glass, and which pixels it covers."""
    down, along = np.ogrid[:rows, :columns]
    inside = (down - 300) ** 2 + (along - 400) ** 2 < 220**2
    array = np.full((rows, columns, 3), 244, np.uint8)
    array[inside] = (186, 92, 150)
    return array, inside


@pytest.fixture
def slide(tmp_path):
    array, inside = _section()
    write_dicom(tmp_path / "slide", pyramid(array, 4), microns=0.5, tile=128)
    with open_slide(tmp_path / "slide") as opened:
        yield opened, array, inside


def test_tissue_is_found_at_a_coarse_level_where_it_is(slide):
    opened, _, inside = slide
    found = find_tissue(opened)
    assert found.block == pytest.approx((16, 16))
    blocks = inside.reshape(40, 16, 50, 16).mean(axis=(1, 3))
    assert (found.mask[blocks == 1]).all() and not found.mask[blocks == 0].any()
    assert found.share == pytest.approx(inside.mean(), abs=0.02)


def test_tissue_of_a_slide_is_that_of_its_picture(tmp_path):
    """One level and blocks of its pixels: read in parts, and whole, it is the same."""
    rng = np.random.default_rng(3)
    array, inside = _section(1500, 1300)
    array = np.clip(array + rng.normal(0, 12, array.shape), 0, 255).astype(np.uint8)
    write_dicom(tmp_path / "slide", [array], microns=1.0, tile=256)
    with open_slide(tmp_path / "slide") as opened:
        found = find_tissue(opened)
    whole = tissue(array.astype(np.float32), block=8)
    assert (np.repeat(np.repeat(found.mask, 8, 0), 8, 1)[:1500, :1300] == whole.mask).all()
    assert found.threshold == pytest.approx(whole.threshold, abs=1e-4)


def test_the_share_of_tissue_is_exact_inside_blocks_and_none_outside():
    rng = np.random.default_rng(0)
    mask = rng.random((20, 30)) < 0.4
    found = SlideTissue(mask, (4.0, 4.0), 0.5)
    fine = np.pad(np.repeat(np.repeat(mask, 4, 0), 4, 1), 40)
    corners = rng.integers(-30, 110, (200, 2))
    shares = found.share_of(corners, (17, 26))
    assert shares == pytest.approx([fine[r + 40 : r + 57, c + 40 : c + 66].sum() / (17 * 26) for r, c in corners])


def test_a_slide_of_glass_alone_is_refused(tmp_path):
    write_dicom(tmp_path / "slide", [np.full((128, 128, 3), 245, np.uint8)])
    with open_slide(tmp_path / "slide") as opened, pytest.raises(PrepareError, match="0.00% of the slide is tissue"):
        plan_tiles(opened, Tiling(16, 0.5))


def test_tiles_cover_the_slide_in_microns_and_hold_enough_tissue(slide):
    opened, _, inside = slide
    for overlap, step in ((0.0, 64), (0.5, 32), (0.25, 48)):
        plan = plan_tiles(opened, Tiling(tile_um=32, microns_per_pixel=0.5, overlap=overlap, least_tissue=0.6))
        assert set(np.diff(np.unique(plan.corners[:, 1]))) == {step}
        share = [inside[r : r + 64, c : c + 64].sum() / 64**2 for r, c in plan.corners]
        assert plan.tissue == pytest.approx(share, abs=0.2) and plan.tissue.min() >= 0.6
        rows = 1 + -(-(640 - 64) // step)
        assert plan.cells == rows * (1 + -(-(800 - 64) // step))
    everything = plan_tiles(opened, Tiling(tile_um=32, microns_per_pixel=0.5, least_tissue=0.0))
    assert len(everything) < everything.cells  # glass alone is no tile, whatever the limit


def test_a_tile_is_as_large_in_microns_whatever_the_level(slide):
    opened, array, _ = slide
    corner = 160, 320
    fine = read_tile(opened, corner, Tiling(64, 0.5))
    assert (fine == array[160:288, 320:448]).all()
    for microns, side in ((1.0, 64), (2.0, 32), (0.8, 80), (3.2, 20)):
        tile = read_tile(opened, corner, Tiling(64, microns))
        assert tile.shape == (side, side, 3)
        assert tile.mean() == pytest.approx(fine.mean(), abs=1.5)
    with pytest.raises(PrepareError, match="finest pixels are of 0.5 um, and 0.25 um") as caught:
        read_tile(opened, corner, Tiling(64, 0.25))
    assert caught.value.problem.code == "slide_too_coarse"


def test_the_middle_of_a_tile_stays_in_the_middle(tmp_path):
    """A bright square in a tile that is resampled by a factor that is no whole number."""
    array = np.zeros((300, 300, 3), np.uint8)
    array[140:160, 140:160] = 250
    write_dicom(tmp_path / "slide", [array], microns=0.44)
    with open_slide(tmp_path / "slide") as opened:
        tile = read_tile(opened, (50, 50), Tiling(88, 1.0))[..., 0].astype(float)
    place = (np.arange(88) + 0.5) @ tile.sum(1) / tile.sum(), (np.arange(88) + 0.5) @ tile.sum(0) / tile.sum()
    assert place == pytest.approx((44, 44), abs=0.05)


def test_a_tile_that_ends_inside_a_pixel_is_no_wider_for_it(tmp_path):
    """A ramp of 10 a pixel: read to the next whole pixel and shrunk with it, the far pixels would show two more."""
    array = np.repeat(np.minimum(10 * np.arange(40), 250).astype(np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    write_dicom(tmp_path / "slide", [array], microns=0.44)
    with open_slide(tmp_path / "slide") as opened:
        along = read_tile(opened, (0, 0), Tiling(10, 1.0))[5, :, 0].astype(float)
    expected = 10 * ((np.arange(10) + 0.5) / 0.44 - 0.5)
    assert along[2:8] == pytest.approx(expected[2:8], abs=0.8)


def test_a_part_of_a_coarse_level_begins_in_the_pixel_that_holds_its_corner(slide):
    opened, array, _ = slide
    coarse = pyramid(array, 3)[2]
    for row, column in ((280, 216), (281, 217), (282, 218), (283, 219)):
        assert (opened.read((row, column), (50, 60), 2) == coarse[70:120, 54:114]).all()


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    pytest.importorskip("tiffslide")
    array, _ = _section()
    write_tiff(tmp_path / "a.tif", [array[:, ::2]])
    with open_slide(tmp_path / "a.tif", microns_per_pixel=(0.5, 1.0)) as opened:
        tile = read_tile(opened, (172, 136), Tiling(128, 1.0))
    inside = tile[..., 1] < 160
    assert tile.shape == (128, 128, 3) and abs(int(inside.sum(0).max()) - int(inside.sum(1).max())) <= 1


def test_numbers_that_make_no_tiles_are_refused():
    for wrong in ({"tile_um": 0}, {"overlap": 1.0}, {"microns_per_pixel": 300.0, "tile_um": 100}, {"least_tissue": 2}):
        with pytest.raises(RecipeError):
            Tiling(**({"tile_um": 64, "microns_per_pixel": 0.5} | wrong))


_WALK = """
import json, sys, time
from pathlib import Path
from preceptor.intake.slides.slide import _CHILD, open_slide
from preceptor.intake.slides.tiles import Tiling, plan_tiles, stream_tiles
started, count, total = time.perf_counter(), 0, 0
with open_slide(sys.argv[1]) as slide:
    plan = plan_tiles(slide, Tiling(tile_um=128, microns_per_pixel=0.25, overlap=0.25, least_tissue=0.5))
    for tile in stream_tiles(slide, plan):
        count, total = count + 1, total + int(tile.pixels[::64, ::64].sum())
    rows, columns = slide.size
def most_mb(process):  # of its own memory alone: the usage that a process is told of counts its parent's, too
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
memory = [most_mb("self"), most_mb(_CHILD._process.pid)]
print(json.dumps({"tiles": count, "cells": plan.cells, "size": [rows, columns], "memory_mb": memory,
                  "seconds": time.perf_counter() - started, "total": total, "torch": "torch" in sys.modules}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in other units")
def test_a_slide_of_ten_gigapixels_streams_in_flat_memory(tmp_path):
    """100,000 x 100,000 pixels under 50 MB on disk, 1 % of them tissue: under a minute, and memory of a few tiles."""
    pytest.importorskip("tiffslide")
    path = tmp_path / "huge.tif"
    write_huge(path, 100_000, share=0.01)
    assert path.stat().st_size < 50e6
    done = subprocess.run([sys.executable, "-c", _WALK, str(path)], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["size"] == [100_000, 100_000] and not told["torch"]
    assert 400 < told["tiles"] < 1000 and told["cells"] > 60_000
    assert told["seconds"] < 60
    assert max(told["memory_mb"]) < 400 and sum(told["memory_mb"]) < 600


def test_tiles_stream_one_at_a_time(slide):
    opened, array, _ = slide
    plan = plan_tiles(opened, Tiling(32, 0.5))
    walk = stream_tiles(opened, plan)
    first = next(walk)
    row, column = first.corner
    assert (first.pixels == array[row : row + 64, column : column + 64]).all()
    assert first.tissue == plan.tissue[0] and sum(1 for _ in walk) == len(plan) - 1
