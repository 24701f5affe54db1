"""PNG, JPEG, BMP and TIFF: x is the column as shown; palettes, bits, alpha and turns are handled and recorded."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image
from preceptor.intake.write import write_image, write_map

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # 3 rows, 4 columns
COLOUR = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)


def saved(tmp_path, picture, name="a.png", **options):
    picture.save(tmp_path / name, **options)
    return name


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_x_is_the_column(name, tmp_path):
    image = read_image(tmp_path, saved(tmp_path, Pillow.fromarray(GREY), name))
    assert image.array.shape == (1, 4, 3) and image.array.dtype == np.uint8
    assert image.array[0, 3, 1] == GREY[1, 3]
    np.testing.assert_array_equal(image.array[0].T, GREY)
    assert not image.has_known_geometry
    colour = read_image(tmp_path, saved(tmp_path, Pillow.fromarray(COLOUR), name))
    np.testing.assert_array_equal(colour.array, COLOUR.transpose(2, 1, 0))


def test_the_content_decides_and_not_the_suffix(tmp_path):
    Pillow.fromarray(GREY).save(tmp_path / "a.jpg", format="PNG")
    assert read_image(tmp_path, "a.jpg").meta["source_format"] == "png"


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_stay_sixteen(name, tmp_path):
    deep = (GREY.astype(np.uint16) * 257) + 3
    image = read_image(tmp_path, saved(tmp_path, Pillow.fromarray(deep), name))
    np.testing.assert_array_equal(image.array[0].T, deep)
    assert image.array.dtype == np.uint16


def test_colours_of_sixteen_bits_stay_sixteen(tmp_path):
    import SimpleITK

    deep = COLOUR.astype(np.uint16) * 257 + 3
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(deep, isVector=True), str(tmp_path / "a.png"))
    image = read_image(tmp_path, "a.png")
    assert image.array.dtype == np.uint16
    np.testing.assert_array_equal(image.array, deep.transpose(2, 1, 0))
    tifffile.imwrite(tmp_path / "a.tif", deep)
    np.testing.assert_array_equal(read_image(tmp_path, "a.tif").array, deep.transpose(2, 1, 0))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_palette_is_looked_up_for_a_picture_and_is_the_code_of_a_label_map(name, tmp_path):
    codes = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    picture = Pillow.fromarray(codes)
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    options = {"compression": "tiff_deflate"} if name.endswith("tif") else {}
    saved(tmp_path, picture, name, **options)
    image = read_image(tmp_path, name)
    assert image.array.shape == (3, 3, 2) and image.meta["palette"] == "looked up"
    assert image.array[:, 1, 0].astype(int).argmax() == 1
    label = read_image(tmp_path, name, is_label=True)
    np.testing.assert_array_equal(label.array[0].T, codes)


def test_bits_become_zero_and_one(tmp_path):
    bits = GREY > 100
    image = read_image(tmp_path, saved(tmp_path, Pillow.fromarray(bits)))
    assert image.array.dtype == np.uint8
    np.testing.assert_array_equal(image.array[0].T, bits)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_alpha_is_dropped_where_opaque_and_refused_where_not(mode, name, tmp_path):
    picture = Pillow.fromarray(GREY if mode == "LA" else COLOUR).convert(mode)
    image = read_image(tmp_path, saved(tmp_path, picture, name))
    assert image.channels == len(mode) - 1 and "opaque" in image.meta["alpha"]
    picture.putpixel((0, 0), (0,) * len(mode))
    with pytest.raises(PrepareError, match="transparent"):
        read_image(tmp_path, saved(tmp_path, picture, name))


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_exif_turn_is_applied_and_recorded(turn, tmp_path):
    """The picture as a viewer shows it: the dark corner of what was stored, moved as the standard's table says."""
    stored = np.full((16, 32), 250, np.uint8)
    stored[:8, :8] = 5  # first rows, first columns
    exif = Pillow.Exif()
    exif[0x0112] = turn
    image = read_image(tmp_path, saved(tmp_path, Pillow.fromarray(stored), "a.jpg", exif=exif, quality=95))
    assert image.shape == ((32, 16) if turn < 5 else (16, 32))
    corners = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}  # right, bottom
    x, y = (-1 if side else 0 for side in corners[turn])
    assert image.array[0, x, y] < 60
    assert sum(image.array[0, i, j] < 60 for i in (0, -1) for j in (0, -1)) == 1
    assert image.meta.get("exif_orientation", 1) == turn


def test_colours_that_are_not_rgb_are_refused(tmp_path):
    with pytest.raises(PrepareError, match="CMYK"):
        read_image(tmp_path, saved(tmp_path, Pillow.fromarray(COLOUR).convert("CMYK"), "a.jpg"))


def test_label_maps_of_equal_channels_are_codes_and_coloured_ones_are_refused(tmp_path):
    grey = Pillow.fromarray(GREY).convert("RGB")
    for name in ("a.png", "a.tif"):
        label = read_image(tmp_path, saved(tmp_path, grey, name), is_label=True)
        np.testing.assert_array_equal(label.array[0].T, GREY)
        with pytest.raises(PrepareError, match="in colours"):
            read_image(tmp_path, saved(tmp_path, Pillow.fromarray(COLOUR), name), is_label=True)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
def test_damaged_pictures_are_refused(name, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    saved(tmp_path, Pillow.fromarray(noise), name)
    whole = (tmp_path / name).read_bytes()
    for size in (0, 3, 10, 30, len(whole) // 3, len(whole) - len(whole) // 10):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(PrepareError):
            read_image(tmp_path, "cut")


def test_single_changed_bytes_never_crash_the_readers(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif"):
        saved(tmp_path, Pillow.fromarray(COLOUR), name)
        whole = (tmp_path / name).read_bytes()
        for position in rng.integers(0, len(whole), 150):
            other = bytes(rng.integers(0, 256, 1, np.uint8))
            (tmp_path / "changed").write_bytes(whole[:position] + other + whole[position + 1 :])
            try:
                read_image(tmp_path, "changed")
            except PrepareError as error:
                assert error.problem.expected


@pytest.mark.parametrize("compression", ["raw", "tiff_deflate", "tiff_lzw", "packbits", "jpeg"])
def test_tiff_compressions(compression, tmp_path):
    smooth = np.full((32, 16), 100, np.uint8)
    for picture in (Pillow.fromarray(smooth), Pillow.fromarray(smooth).convert("RGB")):
        options = {} if compression == "raw" else {"compression": compression}
        image = read_image(tmp_path, saved(tmp_path, picture, "a.tif", **options))
        assert image.shape == (16, 32) and abs(image.array.astype(int) - 100).max() <= 1


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, bool])
def test_white_is_zero_is_turned_round_once(kind, compression, tmp_path):
    array = GREY.astype(kind) if kind is not bool else GREY > 100
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite", compression=compression)
    image = read_image(tmp_path, "a.tif")
    top = 1 if kind is bool else np.iinfo(kind).max
    np.testing.assert_array_equal(image.array[0].T, top - array.astype(np.int64))
    assert image.meta["inverted"]
    label = read_image(tmp_path, "a.tif", is_label=True)
    np.testing.assert_array_equal(label.array[0].T, array)


def test_white_is_zero_agrees_between_decoders(tmp_path):
    stream = io.BytesIO()
    bits = GREY > 100
    Pillow.fromarray(bits).save(stream, "TIFF", compression="group4")  # fax codes: Pillow decodes
    (tmp_path / "fax.tif").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read_image(tmp_path, "fax.tif").array[0].T, bits)


def test_stacks_need_named_axes(tmp_path):
    stack = np.arange(5 * 3 * 4, dtype=np.uint16).reshape(5, 3, 4)
    tifffile.imwrite(tmp_path / "plain.tif", stack, photometric="minisblack")
    with pytest.raises(PrepareError, match="5 pages"):
        read_image(tmp_path, "plain.tif")
    np.testing.assert_array_equal(read_image(tmp_path, "plain.tif::3").array[0].T, stack[3])
    with pytest.raises(PrepareError, match="no page"):
        read_image(tmp_path, "plain.tif::5")
    for axes, expected in (("ZYX", (1, 4, 3, 5)), ("CYX", (5, 4, 3)), ("TYX", (1, 5, 4, 3))):
        tifffile.imwrite(tmp_path / "named.ome.tif", stack, metadata={"axes": axes}, photometric="minisblack")
        image = read_image(tmp_path, "named.ome.tif")
        assert image.array.shape == expected and image.has_time == (axes[0] == "T")
    tifffile.imwrite(tmp_path / "imagej.tif", stack[:, None], imagej=True, metadata={"axes": "TCYX"})
    image = read_image(tmp_path, "imagej.tif")
    assert image.has_time
    np.testing.assert_array_equal(image.array[0, 4].T, stack[4])


def test_planar_colours_and_floats(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path, "a.tif").array, COLOUR.transpose(2, 1, 0))
    tifffile.imwrite(tmp_path / "b.tif", GREY.astype(np.float64) / 7)
    assert read_image(tmp_path, "b.tif").array.dtype == np.float32


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_pictures_go_out_as_they_came(kind, tmp_path):
    Pillow.fromarray(GREY.astype(kind)).save(tmp_path / "a.png")
    image = read_image(tmp_path, "a.png")
    write_image(tmp_path / "b.png", image)
    np.testing.assert_array_equal(read_image(tmp_path, "b.png").array, image.array)
    path = write_map(tmp_path / "map", (image.array[0] > 100).astype(np.int64), image)
    assert path.name == "map.png"
    np.testing.assert_array_equal(np.asarray(Pillow.open(path)), GREY > 100)


def test_real_pictures(shared_data):
    nuclei = shared_data("nuclei_dsb2018")
    names = sorted(path.name for path in (nuclei / "images").iterdir())[:20]
    for name in names:
        image = read_image(nuclei, f"images/{name}")
        label = read_image(nuclei, f"labels/{name}", is_label=True)
        assert image.shape == label.shape and image.channels in (1, 3) and label.array.max() > 0


@pytest.mark.parametrize("big", [False, True])
def test_a_circle_of_directories_is_refused_at_once(tmp_path, big):
    """Two pages, the second of which is followed by the first; the parser alone never comes to an end."""
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        for number in range(2):
            file.write(np.full((4, 5), number, np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as file:
        first, second = (page.offset for page in file.pages)
        entries = len(file.pages[1].tags)
    stored = bytearray(path.read_bytes())
    end = second + (8 + 20 * entries if big else 2 + 12 * entries)
    stored[end : end + (8 if big else 4)] = first.to_bytes(8 if big else 4, "little")
    path.write_bytes(stored)
    with pytest.raises(PrepareError) as met:
        read_image(tmp_path, "circle.tif::0")
    assert met.value.problem.code == "damaged"
