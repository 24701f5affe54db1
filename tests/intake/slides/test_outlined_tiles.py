"""Outlines of a slide as masks of its tiles: painted where the tissue that was outlined lies, at every level."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.core.slots import build
from preceptor.intake.annotations.asap import write_asap
from preceptor.intake.annotations.geojson import write_geojson
from preceptor.intake.annotations.record import Annotation, Annotations
from preceptor.intake.annotations.tile_masks import read_tile_mask, tile_mask_source
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.read import read_image
from preceptor.intake.slides.slide import open_slide
from preceptor.intake.slides.tile_source import tile_source
from preceptor.intake.slides.tiles import Tiling
from tests.intake.slides.made import pyramid, write_tiff

pytest.importorskip("tiffslide")

#: Edges of the dark squares, in pixels of level 0: left, top, right, bottom.
DARK = [(32, 48, 96, 112), (160, 16, 224, 80), (120, 136, 184, 200)]


def rows_of(slide):
    rings = [[(left, top), (right, top), (right, bottom), (left, bottom)] for left, top, right, bottom in DARK]
    rings = [[[x - 0.5, y - 0.5] for x, y in ring] for ring in rings]
    return Annotations(tuple(Annotation(slide, "_0", "polygon", [["add", ring]], image=slide) for ring in rings))


@pytest.fixture
def study(tmp_path):
    """Two slides of pink tissue with dark squares, one outlined in XML and one in GeoJSON; a third without outlines."""
    pixels = np.full((256, 320, 3), (220, 150, 190), np.uint8)
    for left, top, right, bottom in DARK:
        pixels[top:bottom, left:right] = 90, 40, 120
    pixels[:, 300:] = 245
    for name in ("a", "b", "c"):
        write_tiff(tmp_path / f"{name}.tif", pyramid(pixels, 3))
    write_asap(tmp_path / "a.xml", rows_of("a"))
    write_geojson(tmp_path / "b.geojson", rows_of("b"))
    (tmp_path / "slides.csv").write_text("slide,patient,annotation\na.tif,p1,a.xml\nb.tif,p2,b.geojson\nc.tif,p3,\n")
    return tmp_path


def _cohort(root, label, **settings):
    table = {"table": {"file": "slides.csv", "image": "slide", "patient": "patient", "fields": ["annotation"]}}
    more = {"tile_um": 32, "least_tissue": 0.1, "outlines": label, **settings}
    return build_cohort(build("datasets", {"slides": {"of": table, **more}}, root=root))


@pytest.mark.parametrize("microns", [0.5, 1.0, 2.0])
def test_the_mask_lies_where_the_outlined_tissue_does(microns, study):
    seen = {}
    for patient, label in (("p1", "tumour"), ("p2", "_0")):
        cohort = _cohort(study, {label: 3}, microns_per_pixel=microns, overlap=0.3)
        for case in [case for case in cohort if case.patient == patient][:24]:
            opened = open_case(study, case)
            image, mask = opened.reference, opened.masks["label"]
            assert np.allclose(image.affine_mm, mask.affine_mm) and mask.shape == image.shape
            dark = image.array.mean(0) < 135
            wrong = (dark != (mask.array[0] == 3)).sum()
            # Where a pixel holds both, its middle decides and its mean may not.
            assert wrong == 0 if microns == 0.5 else wrong <= 4 * dark.shape[0]
            seen[patient] = seen.get(patient, 0) + int((mask.array == 3).sum())
            assert set(np.unique(mask.array)) <= {0, 3}
    assert seen["p1"] == seen["p2"] > 0


def test_a_mask_begins_in_the_pixel_that_its_tile_begins_in(study):
    """A corner inside a pixel of the coarse level moves neither the tile nor the mask."""
    tiling = Tiling(32, 2.0)
    tiles, masks = [], []
    with open_slide(study / "a.tif") as slide:
        for corner in ((0, 0), (3, 2)):
            tiles.append(read_image(study, tile_source("a.tif", corner, tiling)).array)
            name, _, member = tile_mask_source("a.xml", slide, corner, tiling, {"tumour": 1}).partition("::")
            masks.append(read_tile_mask(study / name, member).array)
    assert np.array_equal(*tiles) and np.array_equal(*masks) and masks[0].any()


def test_camelyon_as_published_becomes_tiles_with_masks(study, tmp_path):
    root = tmp_path / "CAMELYON16"
    for place, name in (
        ("images/tumor_001.tif", "a.tif"),
        ("images/normal_001.tif", "c.tif"),
        ("annotations/tumor_001.xml", "a.xml"),
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes((study / name).read_bytes())
    settings = {
        "of": {"camelyon16": {"folder": "CAMELYON16"}},
        "tile_um": 32,
        "least_tissue": 0.0,
        "outlines": {"tumour": 1},
    }
    cohort = build_cohort(build("datasets", {"slides": settings}, root=tmp_path))
    assert {(case.labels["metastasis"], bool(case.masks)) for case in cohort} == {(0, False), (1, True)}
    dark = np.zeros((256, 320), bool)
    for left, top, right, bottom in DARK:
        dark[top:bottom, left:right] = True
    tiles = [case for case in cohort if case.masks]
    assert len(tiles) > 8
    for case in tiles:
        row, column = case.fields["tile_row"], case.fields["tile_column"]
        mask = open_case(cohort.root, case).masks["label"].array[0]
        assert np.array_equal(mask.T == 1, dark[row : row + 64, column : column + 64])


def test_a_slide_without_outlines_has_no_mask_and_sources_that_are_none_are_refused(study):
    cohort = _cohort(study, {"tumour": 1})
    assert {case.patient for case in cohort if case.masks} == {"p1", "p2"}
    assert {case.patient for case in cohort} == {"p1", "p2", "p3"}
    assert not any(case.masks for case in _cohort(study, None))
    for member in (
        "tile=1,2",
        "tile=0,0,0,0,0.5,0.5,32,1e9;a=1",
        "tile=0,0,0,0,0.5,0.5,32,64;a=b",
        "tile=0,0,0,0,nan,1,1,1",
    ):
        with pytest.raises(PrepareError) as caught:
            read_image(study, f"a.xml::{member}", is_label=True)
        assert caught.value.problem.code == "no_member"
