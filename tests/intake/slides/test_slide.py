"""Whole slides: levels, microns per pixel, parts of any level, and refusals that cost nothing."""

from __future__ import annotations

import os
import struct
import time

import numpy as np
import pytest

from preceptor.core.errors import MissingExtra, PrepareError
from preceptor.intake.slides import slide as module
from preceptor.intake.slides.slide import open_slide
from tests.intake.slides.made import picture, pyramid, write_dicom, write_tiff


def _code(path, **given):
    with pytest.raises(PrepareError) as caught, open_slide(path, **given) as slide:
        slide.read((0, 0), (8, 8))
        _ = slide.microns_per_pixel
    assert "Doe" not in str(caught.value)
    return caught.value.problem.code


@pytest.fixture(params=["tiff", "tiff not compressed", "dicom", "dicom sparse"])
def made(request, tmp_path):
    """A slide in each way of storing it, and its levels."""
    if request.param.startswith("tiff"):
        pytest.importorskip("tiffslide")
    levels = pyramid(picture(250, 410), 3)
    if request.param == "dicom":
        write_dicom(tmp_path / "slide", levels)
        return tmp_path / "slide", levels
    if request.param == "dicom sparse":
        return write_dicom(tmp_path / "slide", levels, sparse=True)[0], levels
    path = tmp_path / "slide.tif"
    write_tiff(path, levels, **({"compression": None} if "not" in request.param else {}))
    return path, levels


def test_every_level_is_read_as_it_was_written(made):
    path, levels = made
    with open_slide(path) as slide:
        assert [each.size for each in slide.levels] == [each.shape[:2] for each in levels]
        assert slide.microns_per_pixel == pytest.approx((0.5, 0.5), rel=1e-4)
        for number, level in enumerate(levels):
            assert (slide.read((0, 0), level.shape[:2], number) == level).all()


def test_a_part_lies_where_its_corner_says_and_is_white_outside(made):
    path, levels = made
    with open_slide(path) as slide:
        assert (slide.read((96, 131), (70, 90), 0) == levels[0][96:166, 131:221]).all()
        assert (slide.read((96, 132), (20, 30), 1) == levels[1][48:68, 66:96]).all()
        over = slide.read((-10, 400), (30, 30), 0)
        assert (over[:10] == 255).all() and (over[:, 10:] == 255).all()
        assert (over[10:, :10] == levels[0][:20, 400:410]).all()
        assert (slide.read((5000, 5000), (4, 4)) == 255).all()


def test_the_level_for_a_size_of_pixels_is_the_coarsest_that_is_fine_enough(made):
    with open_slide(made[0]) as slide:
        wanted = {0.1: 0, 0.5: 0, 0.99: 1, 1.0: 1, 1.9: 1, 2.02: 2, 50.0: 2}
        assert {each: slide.level_for(each) for each in wanted} == wanted


def test_what_the_library_for_vendors_formats_reads_is_the_same(shared_data):
    openslide = pytest.importorskip("openslide")
    pytest.importorskip("tiffslide")
    for name in ("CMU-1-Small-Region.svs", "openslide_boxes.tiff"):
        path = shared_data("wsi_small") / name
        with open_slide(path) as slide, openslide.OpenSlide(path) as peer:
            assert set(slide.associated) == set(peer.associated_images)
            assert [each.size[::-1] for each in slide.levels] == list(peer.level_dimensions)
            for number, level in enumerate(slide.levels):
                size = min(level.rows, 500), min(level.columns, 500)
                ours = slide.read((0, 0), size, number)
                assert np.abs(ours - np.asarray(peer.read_region((0, 0), number, size[::-1]))[..., :3]).max() == 0


def test_aperio_tells_microns_and_its_label(shared_data):
    pytest.importorskip("tiffslide")
    with open_slide(shared_data("wsi_small") / "CMU-1-Small-Region.svs") as slide:
        assert slide.vendor == "aperio"
        assert slide.microns_per_pixel == (0.499, 0.499)
        assert slide.read_associated("label").shape == (463, 387, 3)
        with pytest.raises(PrepareError, match="no picture"):
            slide.read_associated("overview")


def test_microns_that_a_program_wrote_without_knowing_are_flagged(shared_data):
    pytest.importorskip("tiffslide")
    path = shared_data("wsi_small") / "openslide_boxes.tiff"
    assert _code(path) == "microns_implausible"
    with open_slide(path, microns_per_pixel=0.25) as slide:
        assert slide.microns_per_pixel == (0.25, 0.25) and not slide.microns_plausible
        assert slide.microns_found[0] == pytest.approx(352.78, abs=0.01)


def test_unknown_microns_are_refused_unless_given(tmp_path):
    pytest.importorskip("tiffslide")
    write_tiff(tmp_path / "Doe_Jane.tif", [picture(100, 100)], microns=None)
    assert _code(tmp_path / "Doe_Jane.tif") == "microns_unknown"
    assert _code(tmp_path / "Doe_Jane.tif", microns_per_pixel=0.001) == "microns_implausible"
    with open_slide(tmp_path / "Doe_Jane.tif", microns_per_pixel=(0.5, 0.25)) as slide:
        assert slide.microns_per_pixel == (0.5, 0.25)


def test_tiles_that_were_never_scanned_are_white(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("tiffslide")
    path = tmp_path / "Doe_Jane.tif"
    array = picture(128, 192)
    array[64:, 64:128] = 0
    write_tiff(path, [array])
    with tifffile.TiffFile(path, mode="r+b") as file:
        counts = list(file.pages[0].databytecounts)
        counts[4] = 0  # the second tile of the second row
        file.pages[0].tags["TileByteCounts"].overwrite(counts)
    array[64:, 64:128] = 255
    with open_slide(path) as slide:
        assert (slide.read((0, 0), (128, 192)) == array).all()


def test_sixteen_bits_are_not_squeezed_into_eight(shared_data):
    pytest.importorskip("tiffslide")
    assert _code(shared_data("wsi_small") / "smalltif.tif") == "slide_not_colour"


def _claims(path, rows, columns, tile=256):
    """A small TIFF whose header claims this size."""
    entries = [
        (256, 4, columns), (257, 4, rows), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1),
        (322, 4, tile), (323, 4, tile), (324, 4, 400), (325, 4, 100),
    ]  # fmt: skip
    body = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, kind, value in entries:
        body += struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value)
    path.write_bytes(body + bytes(600))


def test_absurd_claims_are_refused_before_memory_is_spent(tmp_path):
    pytest.importorskip("tiffslide")
    path = tmp_path / "Doe_Jane.tif"
    started = time.perf_counter()
    _claims(path, 2_000_000_000, 2_000_000_000)
    assert _code(path) == "slide_too_large"
    _claims(path, 3_000_000, 3_000_000, tile=16)
    assert _code(path) == "slide_too_large"
    _claims(path, 1_000_000, 1_000_000, tile=1_000_000)
    assert _code(path) == "slide_tile_too_large"
    assert time.perf_counter() - started < 10


def test_damage_and_what_is_no_slide_are_refused_by_name(tmp_path):
    pytest.importorskip("tiffslide")
    whole = tmp_path / "Doe_Jane.tif"
    write_tiff(whole, [picture(100, 100)])
    content = whole.read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(content[: len(content) // 3])
    text = tmp_path / "text.svs"
    text.write_text("no slide")
    assert _code(cut) == "slide_damaged"
    assert _code(text) == "slide_no_slide"
    assert _code(tmp_path / "gone.svs") == "slide_absent"


def test_a_closed_slide_is_not_read(tmp_path):
    write_dicom(tmp_path / "s", [picture(64, 64)])
    with open_slide(tmp_path / "s") as slide:
        with pytest.raises(PrepareError, match="no level 3"):
            slide.read((0, 0), (4, 4), 3)
        with pytest.raises(PrepareError, match="at most"):
            slide.read((0, 0), (100_000, 100_000))
    with pytest.raises(PrepareError, match="closed"):
        slide.read((0, 0), (4, 4))


def test_a_slide_is_read_on_after_its_process_has_died(tmp_path):
    array = picture(64, 64)
    write_dicom(tmp_path / "s", [array])
    with open_slide(tmp_path / "s") as slide:
        module._CHILD.stop()
        assert (slide.read((0, 0), (64, 64)) == array).all()


def test_two_slides_in_one_folder_are_not_mixed(tmp_path):
    first = write_dicom(tmp_path / "s", [picture(64, 64)])[0].rename(tmp_path / "s" / "first.dcm")
    write_dicom(tmp_path / "s", [picture(96, 96, seed=1)])
    assert _code(tmp_path / "s") == "slide_several_series"
    with open_slide(first) as slide:
        assert slide.size == (64, 64)


def test_dicom_that_is_cut_short_is_refused(tmp_path):
    path = write_dicom(tmp_path / "s", [picture(128, 128)])[0]
    path.write_bytes(path.read_bytes()[:-5000])
    assert _code(path) == "slide_damaged"


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    write_dicom(tmp_path / "s", [picture(64, 64)])
    (tmp_path / "Doe_Jane.tif").write_bytes(b"II*\0")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with open_slide(tmp_path / "s") as slide:  # DICOM needs nothing more
        assert slide.size == (64, 64)
    with pytest.raises(MissingExtra, match="pathology") as caught:
        open_slide(tmp_path / "Doe_Jane.tif")
    assert caught.value.exit_code == 5


def test_a_label_in_dicom_is_no_level(tmp_path):
    label = picture(70, 50, seed=4)
    write_dicom(tmp_path / "s", pyramid(picture(130, 190), 2), label=label)
    with open_slide(tmp_path / "s") as slide:
        assert [each.size for each in slide.levels] == [(130, 190), (65, 95)]
        assert slide.associated == ("label",) and (slide.read_associated("label") == label).all()


@pytest.mark.parametrize("name", ["014_sm_image", "132_boxes_0", "133_boxes_1"])
def test_dicom_of_others_is_read_as_openslide_does(shared_data, name):
    openslide = pytest.importorskip("openslide")
    path = shared_data("dicom_zoo") / "files" / f"{name}.dcm"
    with open_slide(path) as slide, openslide.OpenSlide(path) as peer:
        assert slide.microns_per_pixel == pytest.approx(
            (float(peer.properties["openslide.mpp-y"]), float(peer.properties["openslide.mpp-x"]))
        )
        rows, columns = slide.size
        shown = np.asarray(peer.read_region((0, 0), 0, (columns, rows)))
        assert (slide.read((0, 0), (rows, columns))[shown[..., 3] == 255] == shown[shown[..., 3] == 255][:, :3]).all()


def test_compressed_dicom_is_what_it_was_before_with_an_offset_table_and_without(shared_data):
    folder = shared_data("dicom_zoo") / "files"
    seen = []
    for name in ("014_sm_image", "019_sm_image_jpegls", "020_sm_image_jpegls_nobot"):
        with open_slide(folder / f"{name}.dcm") as slide:
            seen.append(slide.read((0, 0), slide.size))
    assert (seen[0] == seen[1]).all() and (seen[0] == seen[2]).all()


def test_fluorescence_in_dicom_is_refused(shared_data):
    assert _code(shared_data("dicom_zoo") / "files" / "017_sm_image_grayscale.dcm") == "slide_not_colour"


def test_lossy_dicom_comes_back_in_its_colours(tmp_path):
    whole = np.repeat(np.repeat(picture(16, 16, seed=5), 16, 0), 16, 1)  # even areas, of which JPEG loses little
    write_dicom(tmp_path / "s", [whole], lossy=True)
    with open_slide(tmp_path / "s") as slide:
        apart = np.abs(slide.read((0, 0), whole.shape[:2]).astype(int) - whole)
    assert np.median(apart) <= 2 and apart.mean() < 4


@pytest.mark.parametrize(("unit", "size"), [("µm", 0.25), ("nm", 250.0), ("mm", 2.5e-4)])
def test_ome_tells_levels_and_microns_in_any_unit(tmp_path, unit, size):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("tiffslide")
    levels = pyramid(picture(200, 300), 2)
    sizes = {"PhysicalSizeX": size, "PhysicalSizeXUnit": unit, "PhysicalSizeY": size, "PhysicalSizeYUnit": unit}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        settings = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
        file.write(levels[0], subifds=1, metadata={"axes": "YXS", **sizes}, **settings)
        file.write(levels[1], subfiletype=1, **settings)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.microns_per_pixel == pytest.approx((0.25, 0.25))
        assert [each.size for each in slide.levels] == [(200, 300), (100, 150)]
        for number, level in enumerate(levels):
            assert (slide.read((0, 0), level.shape[:2], number) == level).all()


def test_a_folder_without_a_slide_is_none(tmp_path):
    (tmp_path / "s").mkdir()
    assert _code(tmp_path / "s") == "slide_no_slide"
    (tmp_path / "s/a.txt").write_text("no slide")
    assert _code(tmp_path / "s") == "slide_no_slide"


def test_frames_that_begin_anywhere_are_read_wherever_they_reach(tmp_path):
    """Places of sparse frames need not be whole tiles: a part meets those that begin in the cells before it too."""
    from pydicom import dcmread

    array = picture(160, 200)
    path = write_dicom(tmp_path / "s", [array], sparse=True)[0]
    data = dcmread(path)
    for group in data.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSlideSequence[0].RowPositionInTotalImagePixelMatrix += 20
        group.PlanePositionSlideSequence[0].ColumnPositionInTotalImagePixelMatrix += 30
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = 180, 230
    data.save_as(path)
    expected = np.full((180, 230, 3), 255, np.uint8)
    expected[20:, 30:] = array
    with open_slide(tmp_path / "s") as slide:
        for row, column, size in ((0, 0, (180, 230)), (64, 64, (10, 10)), (128, 192, (52, 38)), (70, 100, (30, 40))):
            there = expected[row : row + size[0], column : column + size[1]]
            assert (slide.read((row, column), size) == there).all()


def test_two_frames_in_one_place_are_two_planes(tmp_path):
    from pydicom import dcmread

    path = write_dicom(tmp_path / "s", [picture(160, 200)], sparse=True)[0]
    data = dcmread(path)
    first, second = (group.PlanePositionSlideSequence[0] for group in data.PerFrameFunctionalGroupsSequence[:2])
    for name in ("RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix"):
        setattr(second, name, getattr(first, name))
    data.save_as(path)
    assert _code(path) == "slide_several_planes"


def test_a_slide_that_was_written_anew_is_opened_anew(tmp_path):
    for seed in (0, 1):
        array = picture(64 + 32 * seed, 64, seed=seed)
        write_dicom(tmp_path / "s", [array])
        os.utime(tmp_path / "s/1.dcm", ns=(seed, seed))
        slide = open_slide(tmp_path / "s")  # left open, as the slides of tiles are
        assert slide.size == array.shape[:2] and (slide.read((0, 0), slide.size) == array).all()
    slide.close()
