"""Tiles back to a map: where their values lie, how overlaps weigh, and what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.intake.slides.heat_map import HeatMap, write_heat_map
from preceptor.intake.slides.overview import thumbnail, write_overview
from preceptor.intake.slides.slide import open_slide
from preceptor.intake.slides.tiles import Tiling, plan_tiles
from preceptor.intake.slides.tissue import find_tissue
from tests.intake.slides.made import pyramid, stained, write_dicom


@pytest.fixture
def slide(tmp_path):
    write_dicom(tmp_path / "slide", pyramid(stained(500, 700, "dots"), 3))
    with open_slide(tmp_path / "slide") as opened:
        yield opened


def test_tiles_side_by_side_give_their_own_value_at_their_own_place(slide):
    gathered = HeatMap(slide, Tiling(32, 0.5))
    gathered.add((64, 128), 0.7)
    gathered.add((64, 192), 0.2)
    gathered.add((128, 128), float("nan"))
    values = gathered.values()
    assert values.shape == (32, 44) and gathered.microns_per_pixel == 8
    expected = np.full((32, 44), np.nan, np.float32)
    expected[4:8, 8:12], expected[4:8, 12:16] = 0.7, 0.2
    assert values == pytest.approx(expected, nan_ok=True)


def test_where_tiles_overlap_the_nearer_middle_weighs_more(slide):
    gathered = HeatMap(slide, Tiling(32, 0.5, overlap=0.5))
    gathered.add((64, 128), 1.0)
    gathered.add((64, 160), 0.0)
    # Of the shared 4 x 2 pixels those nearer the first tile's middle: tents of 3/4 and 1/4, then of 1/4 and 3/4.
    assert gathered.values()[4] == pytest.approx([np.nan] * 8 + [1, 1, 0.75, 0.25, 0, 0] + [np.nan] * 30, nan_ok=True)


def test_one_value_everywhere_stays_that_value_whatever_the_overlap(slide):
    for overlap in (0.0, 0.3, 0.5, 0.71):
        tiling = Tiling(29, 0.5, overlap=overlap, least_tissue=0.0)
        gathered = HeatMap(slide, tiling)
        plan = plan_tiles(slide, tiling)
        for corner in plan.corners:
            gathered.add(tuple(corner), 0.4)
        values = gathered.values()
        assert values[np.isfinite(values)] == pytest.approx(0.4)
        down, along = np.meshgrid(
            *[(np.arange(n) + 0.5) * c for n, c in zip(values.shape, gathered.cell, strict=True)], indexing="ij"
        )
        inside = ((down / 500 - 0.5) / 0.4) ** 2 + ((along / 700 - 0.5) / 0.4) ** 2 < 0.9
        assert np.isfinite(values[inside]).all()


def test_the_file_is_a_pyramid_with_its_resolution(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).random((501, 300)).astype(np.float32)
    values[:100] = np.nan
    path = write_heat_map(tmp_path / "map.tif", values, 32.0, {"class": "tumour"})
    with tifffile.TiffFile(path) as file:
        assert [level.shape for level in file.series[0].levels] == [(501, 300), (251, 150)]
        first, second = (level.asarray() for level in file.series[0].levels)
        assert first == pytest.approx(values, nan_ok=True)
        assert second[60:250] == pytest.approx(values[120:500].reshape(190, 2, 150, 2).mean(axis=(1, 3)), abs=1e-6)
        assert np.isnan(second[:50]).all() and second[250] == pytest.approx(
            values[500].reshape(150, 2).mean(1), abs=1e-6
        )
        assert json.loads(file.pages[0].description) == {"class": "tumour"}
    slides = pytest.importorskip("tiffslide")
    with slides.TiffSlide(path) as opened:
        assert opened.properties["tiffslide.mpp-x"] == pytest.approx(32, rel=1e-6)
        assert opened.level_dimensions == ((300, 501), (150, 251))


def test_the_section_in_small_is_the_mean_of_its_pixels(slide):
    small = thumbnail(slide, 70)
    whole = stained(500, 700, "dots").astype(float).reshape(50, 10, 70, 10, 3).mean(axis=(1, 3))
    assert small.shape == (50, 70, 3) and np.abs(small - whole).mean() < 3


def test_the_overview_shows_section_map_and_tissue(slide, tmp_path):
    from PIL import Image

    found, tiling = find_tissue(slide), Tiling(32, 0.5)
    gathered = HeatMap(slide, tiling)
    plan = plan_tiles(slide, tiling, found)
    for corner in plan.corners:
        gathered.add(tuple(corner), float(corner[1] > 350))
    over = write_overview(tmp_path / "a.png", slide, found, gathered.values(), gathered.cell, "tumour")
    plain = write_overview(tmp_path / "b.png", slide, found, corners=plan.corners, size=plan.size)
    shown = np.asarray(Image.open(over).convert("RGB")).astype(int)
    middle = shown[shown.shape[0] // 2]
    left, right = middle[200:330].mean(0), middle[400:530].mean(0)
    assert right[1] > left[1] + 30 and left[2] > right[2]  # viridis: violet for 0, yellow for 1
    assert np.asarray(Image.open(plain)).shape[2] == 4
