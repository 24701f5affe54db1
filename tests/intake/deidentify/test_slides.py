"""Slides without their labels: pictures of the glass gone, words gone from every corner, every level bit for bit."""

from __future__ import annotations

import io
import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from preceptor.cli import main
from preceptor.core.errors import PrepareError
from preceptor.intake.deidentify import leak_audit
from preceptor.intake.deidentify.folder import deidentify_folder
from preceptor.intake.deidentify.leak_audit import audit_folder
from preceptor.intake.deidentify.profile import Settings
from preceptor.intake.deidentify.slides.cleaning import clean_slide, has_label
from preceptor.intake.deidentify.slides.description import scan_alone
from preceptor.intake.deidentify.slides.streams import (
    profile_without_words,
    words_behind_deflated,
    words_of_jpeg,
    words_of_jpeg_2000,
)

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

KNOWN = {
    "name": "Quillfeather",
    "user": "z.vanterpool",
    "barcode": "S21-7734019",
    "file": "Quillfeather_biopsy",
    "date": "12/29/09",
    "place": "Larkspur Infirmary",
    "scope": "CPAPERIOCS",
}
HIDDEN = " ".join(KNOWN.values()).encode()
TOLD = (
    "Aperio Image Library v11.2.1 \r\n512x384 [0,0 512x384] (128x128) JPEG/RGB Q=70|AppMag = 20|StripeWidth = 2040"
    f"|ScanScope ID = {KNOWN['scope']}|Filename = {KNOWN['file']}|Date = {KNOWN['date']}|Time = 09:59:15"
    f"|User = {KNOWN['user']}|Barcode = {KNOWN['barcode']}|Title = {KNOWN['name']}|MPP = 0.4990|Left = 25.691574"
    f"|AppMag = {KNOWN['name']}|ImageID = 1004486"
)


def tile(pixels, comment=b""):
    out = io.BytesIO()
    more = {"comment": comment} if comment else {}
    Pillow.fromarray(pixels).save(out, "JPEG", quality=90, exif=b"Exif\0\0" + comment if comment else b"", **more)
    return out.getvalue() + (b"\0after the end " + comment if comment else b"")


def pyramid():
    rng = np.random.default_rng(3)
    whole = np.kron(rng.integers(0, 256, (24, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    return [whole, whole[::2, ::2], whole[::4, ::4]]


def write_slide(path, *, words=True, aperio=True, compression="jpeg", **more):
    """Three levels, a thumbnail, a label and a macro image as Aperio writes them, words in every corner."""
    levels = pyramid()
    hidden = HIDDEN if words else b""
    extra = [
        (700, 7, len(hidden), hidden, True),
        (315, 2, len(hidden) + 1, hidden.decode(), True),
        (65000, 2, len(hidden) + 1, hidden.decode(), True),
        (33432, 2, len(hidden) + 1, hidden.decode(), True),
        (37510, 7, len(hidden), hidden, True),
    ]
    told = {"datetime": "2009:12:29 09:59:15", "software": hidden.decode(), "metadata": None}
    told |= {
        "extratags": extra if words else (),
        "iccprofile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    shape = {"photometric": "rgb", "resolution": (20040, 20040), "resolutionunit": 3}
    with tifffile.TiffWriter(path, **more) as file:

        def level(pixels, number):
            description = (TOLD if words else TOLD.split("|ScanScope")[0]) if aperio else HIDDEN.decode()
            place = {"tile": (128, 128), "subfiletype": 0 if number == 0 else 1 if not aperio else 0}
            if compression != "jpeg":
                file.write(pixels, compression=compression, description=description, **place, **shape, **told)
                return
            rows, columns = -(-pixels.shape[0] // 128), -(-pixels.shape[1] // 128)
            padded = np.zeros((rows * 128, columns * 128, 3), np.uint8)
            padded[: pixels.shape[0], : pixels.shape[1]] = pixels
            parts = [
                tile(padded[r * 128 : r * 128 + 128, c * 128 : c * 128 + 128], hidden)
                for r in range(rows)
                for c in range(columns)
            ]
            look = shape | {"photometric": "ycbcr", "subsampling": (2, 2)}
            file.write(
                iter(parts),
                shape=pixels.shape,
                dtype=np.uint8,
                compression="jpeg",
                description=description,
                **place,
                **look,
                **told,
            )

        level(levels[0], 0)
        if aperio:
            file.write(levels[2][::2, ::2], description=f"Aperio Image Library v11.2.1 \n{TOLD[29:]}", **shape, **told)
        for number in (1, 2):
            level(levels[number], number)
        label = np.frombuffer((HIDDEN * 200)[: 60 * 70 * 3], np.uint8).reshape(70, 60, 3)
        file.write(
            label,
            description=f"Aperio Image Library v11.2.1 \nlabel 60x70 {KNOWN['barcode']}",
            subfiletype=1,
            metadata=None,
            photometric="rgb",
        )
        macro = np.frombuffer((HIDDEN * 200)[: 30 * 90 * 3], np.uint8).reshape(30, 90, 3)
        file.write(
            macro,
            description="Aperio Image Library v11.2.1 \nmacro 90x30",
            subfiletype=9,
            metadata=None,
            photometric="rgb",
        )
    with path.open("ab") as stream:
        stream.write(HIDDEN)


def pictures(path):
    with tifffile.TiffFile(path) as file:
        return [page.asarray() for page in file.pages]


KINDS = [
    {},
    {"bigtiff": True},
    {"byteorder": ">"},
    {"bigtiff": True, "byteorder": ">"},
    {"aperio": False},
    {"aperio": False, "compression": "deflate"},
    {"compression": "lzw"},
    {"compression": "jpeg2000"},
    {"compression": None, "aperio": False},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_words_and_pictures_of_the_glass_go_and_levels_stay_bit_for_bit(kind, tmp_path):
    before, after = tmp_path / "in.svs", tmp_path / "out.svs"
    write_slide(before, **kind)
    assert {hit.name for _, _, hit in audit_folder(before, KNOWN).leaks} == set(KNOWN)
    made = clean_slide(before, after)
    audit = audit_folder(after, KNOWN)
    assert audit.passed, [(hit.name, hit.how, hit.at) for _, _, hit in audit.leaks]
    with after.open("rb") as stream:
        assert b"1004486" not in stream.read()
    kept = pictures(after)
    expected = pictures(before)[:-2]
    assert len(kept) == len(expected) == (4 if kind.get("aperio", True) else 3)
    assert all(np.array_equal(one, other) for one, other in zip(kept, expected, strict=True))
    assert made.counts["pictures removed"] == 2 and made.suffix == (".svs" if kind.get("aperio", True) else ".tif")
    assert has_label(before) and not has_label(after)
    with tifffile.TiffFile(after) as file:
        assert file.is_bigtiff == kind.get("bigtiff", False) and file.byteorder == kind.get("byteorder", "<")
        told = file.pages[0].description
        assert ("MPP = 0.4990" in told and "AppMag = 20" in told) == kind.get("aperio", True)
        assert file.pages[0].tags[282].value == (20040, 1)
    again = tmp_path / "again.svs"
    clean_slide(after, again)
    assert again.read_bytes() == after.read_bytes()


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        ((192, 256), {"description": "Aperio Image Library v11.2.1 \nlabel 256x192"}),  # of the slide's own shape
        ((192, 256), {"description": "MACRO"}),
        ((192, 256), {"subfiletype": 9}),
        ((192, 192), {}),
        ((64, 300), {"subfiletype": 1}),
    ],
)
@pytest.mark.parametrize("is_tiled", [True, False])
def test_what_is_no_level_goes_however_it_is_stored(shape, more, is_tiled, tmp_path):
    levels = pyramid()
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for pixels in levels[:2]:
            file.write(pixels, tile=(64, 64), photometric="rgb", metadata=None)
        glass = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        file.write(glass, tile=(64, 64) if is_tiled else None, photometric="rgb", metadata=None, **more)
        file.write(levels[2], tile=(64, 64), photometric="rgb", metadata=None)
    assert has_label(tmp_path / "a.tif")
    clean_slide(tmp_path / "a.tif", tmp_path / "b.tif")
    kept = pictures(tmp_path / "b.tif")
    assert [each.shape for each in kept] == [each.shape for each in levels]
    assert all(np.array_equal(*each) for each in zip(kept, levels, strict=True))
    assert glass.tobytes()[:64] not in (tmp_path / "b.tif").read_bytes()


def test_a_label_in_the_thumbnails_place_and_shape_goes(tmp_path):
    """Aperio marks its label as a reduced picture and its thumbnail not; no word says which is which here."""
    levels = pyramid()
    for reduced in (0, 1):
        with tifffile.TiffWriter(tmp_path / "a.svs") as file:
            about = {"photometric": "rgb", "metadata": None, "description": "Aperio Image Library v11.2.1"}
            file.write(levels[0], tile=(64, 64), **about)
            file.write(levels[2], subfiletype=reduced, **about)
            file.write(levels[1], tile=(64, 64), **about)
        assert has_label(tmp_path / "a.svs") == bool(reduced)
        clean_slide(tmp_path / "a.svs", tmp_path / "b.svs")
        assert len(pictures(tmp_path / "b.svs")) == 3 - reduced


def test_words_in_the_room_of_numbers_go(tmp_path):
    """Behind a short value in its entry, and as a list of numbers where one is meant."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        words = tuple(np.frombuffer(b"Quillfeather at Larkspur Infirmary__", "<u2").tolist())
        file.write(
            pyramid()[2], tile=(64, 64), photometric="rgb", metadata=None, extratags=[(530, 3, len(words), words, True)]
        )
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<Q", data, 8)[0]
    for number in range(struct.unpack_from("<Q", data, first)[0]):
        at = first + 8 + 20 * number
        code, kind, count = struct.unpack_from("<HHQ", data, at)
        if kind == 3 and count == 1:
            data[at + 14 : at + 20] = b"Zebede"
    path.write_bytes(data)
    known = {"room": "Zebede", "list": "Quillfeather"}
    assert {hit.name for _, _, hit in audit_folder(path, known).leaks} == set(known)
    clean_slide(path, tmp_path / "b.tif")
    assert audit_folder(tmp_path / "b.tif", known).passed
    assert np.array_equal(pictures(tmp_path / "b.tif")[0], pyramid()[2])


def test_a_slide_without_words_keeps_every_byte_of_its_levels(tmp_path):
    write_slide(tmp_path / "in.svs", words=False)
    clean_slide(tmp_path / "in.svs", tmp_path / "out.svs")
    before, after = (tmp_path / name for name in ("in.svs", "out.svs"))
    with tifffile.TiffFile(before) as one, tifffile.TiffFile(after) as two:
        for page, same in zip(one.pages, two.pages, strict=False):
            assert page.dataoffsets == same.dataoffsets and page.databytecounts == same.databytecounts
            for at, length in zip(page.dataoffsets, page.databytecounts, strict=True):
                assert before.read_bytes()[at : at + length] == after.read_bytes()[at : at + length]
    assert len(two.pages) == 4


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "openslide_python_small.svs", "openslide_boxes.tiff"])
def test_real_slides(name, shared_data, tmp_path):
    source = shared_data("wsi_small") / name
    made = clean_slide(source, tmp_path / "out.tif")
    removed = made.counts["pictures removed"]
    assert removed == (2 if "CMU" in name else 0)
    before = pictures(source)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(before[: len(before) - removed], pictures(tmp_path / "out.tif"), strict=True)
    )
    known = {
        "user": "b414003d-95c6-48b0",
        "file": "CMU-1",
        "date": "12/29/09",
        "scope": "CPAPERIOCS",
        "image": "1004486",
    }
    if name.endswith(".svs"):
        assert len({hit.name for _, _, hit in audit_folder(source, known).leaks}) == 5
    assert audit_folder(tmp_path / "out.tif", known).passed
    openslide = pytest.importorskip("openslide")
    if name.endswith(".svs"):
        with openslide.OpenSlide(source) as one, openslide.OpenSlide(tmp_path / "out.tif") as two:
            assert two.properties["openslide.vendor"] == "aperio" and two.properties["openslide.mpp-x"] == "0.499"
            assert set(two.associated_images) == set(one.associated_images) - {"label", "macro"}
            assert two.level_dimensions == one.level_dimensions


def test_a_folder_with_a_slide_through_the_command(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    write_slide(tmp_path / "in" / f"{KNOWN['file']}.svs")
    (tmp_path / "in" / "a.mrxs").write_bytes(b"\xff\xd8 a front page")
    (tmp_path / "in" / "b.czi").write_bytes(b"ZISRAWFILE" + bytes(200))
    (tmp_path / "key.txt").write_bytes(b"a key of sufficient length\n")
    (tmp_path / "known.csv").write_text("what\n" + "\n".join(KNOWN.values()))
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "key.txt"), "--json"]
    assert main(command) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == {"cleaned": 1, "refused": 2}
    assert [each["code"] for each in told["refused"]] == ["slide_vendor", "slide_vendor"]
    assert "glass" in told["flagged"][0]["flags"][0]
    slide = next((tmp_path / "out").rglob("*.svs"))
    assert "Quillfeather" not in str(slide) and not list((tmp_path / "out").rglob("*.part"))
    assert main(["audit-phi", str(tmp_path / "out"), "--known", str(tmp_path / "known.csv")]) == 0
    assert main(["audit-phi", str(tmp_path / "in"), "--known", str(tmp_path / "known.csv")]) == 4
    capsys.readouterr()
    assert main(command[:-1]) == 3 and "done before" in capsys.readouterr().out


def test_a_slide_with_its_label_does_not_pass_the_audit_whatever_its_bytes_say(tmp_path):
    write_slide(tmp_path / "a.svs", words=False)
    audit = audit_folder(tmp_path / "a.svs", {"somebody": "Ottoline"})
    assert not audit.leaks and not audit.passed and "label" in audit.unsearched[0][2]
    (tmp_path / "b.tif").write_bytes(b"II*\0" + struct.pack("<I", 9999))
    assert "damaged" in audit_folder(tmp_path / "b.tif", {"somebody": "Ottoline"}).unsearched[0][2]


def test_a_large_slide_is_searched_in_parts_and_a_value_across_two_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(leak_audit, "_PART_BYTES", 4096)
    monkeypatch.setattr(leak_audit, "_SHARED_BYTES", 64)
    path = tmp_path / "a.tif"
    write_slide(path, words=False)
    clean_slide(path, tmp_path / "b.tif")
    data = bytearray((tmp_path / "b.tif").read_bytes())
    at = 4096 - 6
    data[at : at + 12] = b"Quillfeather"
    (tmp_path / "b.tif").write_bytes(data + bytes(20_000))
    hits = [hit for _, _, hit in audit_folder(tmp_path / "b.tif", KNOWN).leaks]
    assert [(hit.name, hit.at) for hit in hits] == [("name", at)]


@pytest.mark.parametrize(
    ("vendor", "tags"),
    [
        ("Hamamatsu", {"extratags": [(65420, 4, 1, 1, True)]}),
        ("Leica", {"description": '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"/>'}),
        ("Ventana", {"extratags": [(700, 7, 12, b"<iScan a='b'", True)]}),
        ("Philips", {"software": "Philips DP v1.0"}),
        ("OME-TIFF", {"description": "<?xml version='1.0'?><OME></OME>"}),
        ("Trestle", {"software": "MedScan"}),
    ],
)
def test_other_vendors_are_refused_by_name_with_a_way_out(vendor, tags, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((64, 64, 3), np.uint8), tile=(32, 32), photometric="rgb", metadata=None, **tags)
    with pytest.raises(PrepareError) as caught:
        clean_slide(tmp_path / "a.tif", tmp_path / "b.tif")
    assert caught.value.problem.code == "slide_vendor" and vendor in caught.value.problem.what
    assert "convert" in caught.value.problem.remedy and not (tmp_path / "b.tif").exists()


def test_places_beyond_four_gibibytes(tmp_path):
    """A BigTIFF whose directory and tile lie six gibibytes behind its header, in a file of holes."""
    far = 6 * 2**30
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    told = b"Aperio Image Library v1.0\r\n16x16 RAW|MPP = 0.25|User = Quillfeather\0"
    longs = {256: 16, 257: 16, 277: 3, 259: 1, 262: 2, 322: 16, 323: 16, 324: far + 4096, 325: pixels.nbytes}
    fields = [(code, 16, 1, struct.pack("<Q", value)) for code, value in longs.items()]
    fields += [(258, 3, 3, struct.pack("<4H", 8, 8, 8, 0)), (270, 2, len(told), struct.pack("<Q", far))]
    entries = b"".join(struct.pack("<HHQ", *each[:3]) + each[3] for each in sorted(fields))
    with (tmp_path / "a.tif").open("wb") as stream:
        stream.write(b"II" + struct.pack("<HHHQ", 43, 8, 0, far + 1024) + HIDDEN)
        for at, content in ((far, told), (far + 4096, pixels.tobytes() + HIDDEN)):
            stream.seek(at)
            stream.write(content)
        stream.seek(far + 1024)
        stream.write(struct.pack("<Q", len(fields)) + entries + bytes(8))
    clean_slide(tmp_path / "a.tif", tmp_path / "b.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), pixels)
    with (tmp_path / "b.tif").open("rb") as stream:
        start = stream.read(65536)
        stream.seek(far)
        assert b"Quill" not in start + stream.read()
    assert (tmp_path / "b.tif").stat().st_blocks * 512 < 2**20


def test_pictures_that_are_no_slides_and_damaged_ones_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((64, 64, 3), np.uint8), photometric="rgb", metadata=None)
    with pytest.raises(PrepareError) as caught:
        clean_slide(tmp_path / "a.tif", tmp_path / "b.tif")
    assert caught.value.problem.code == "kind_unknown"
    write_slide(tmp_path / "c.tif")
    whole = (tmp_path / "c.tif").read_bytes()
    rng = np.random.default_rng(0)
    codes = set()
    for number in range(300):
        data = bytearray(whole)
        if number % 3 == 0:
            data = data[: int(rng.integers(1, len(data)))]
        else:
            first = struct.unpack_from("<I", data, 4)[0]
            for _ in range(3):
                at = int(rng.integers(0, 600)) + (first if number % 3 == 1 else 0)
                data[at % len(data)] = int(rng.integers(0, 256))
        (tmp_path / "d.tif").write_bytes(data)
        try:
            clean_slide(tmp_path / "d.tif", tmp_path / "e.tif")
        except PrepareError as error:
            codes.add(error.problem.code)
    assert "slide_damaged" in codes and codes <= {"slide_damaged", "slide_vendor", "kind_unknown", "codec"}
    loop = bytearray(whole)
    first = struct.unpack_from("<I", loop, 4)[0]
    count = struct.unpack_from("<H", loop, first)[0]
    struct.pack_into("<I", loop, first + 2 + 12 * count, first)
    (tmp_path / "d.tif").write_bytes(loop)
    with pytest.raises(PrepareError):
        clean_slide(tmp_path / "d.tif", tmp_path / "e.tif")


def test_a_description_keeps_numbers_of_the_scan_alone():
    kept = scan_alone(TOLD)
    assert kept == (
        "Aperio Image Library v11.2.1\r\n512x384 [0,0 512x384] (128x128) JPEG/RGB Q=70|AppMag = 20|StripeWidth = 2040"
        "|MPP = 0.4990|Left = 25.691574"
    )
    assert scan_alone("Aperio Quillfeather v1\r\nZebedee|MPP = 0.25|Left = 19510423") == "Aperio|MPP = 0.25"
    assert scan_alone("Aperio Image Library v1.2\r\n7734019x32914 JPEG/RGB Q=30") == "Aperio Image Library v1.2"
    assert scan_alone("Hamamatsu|MPP = 0.25") is None


def test_words_of_compressed_pictures():
    plain = tile(pyramid()[2])
    assert words_of_jpeg(plain) == []
    told = tile(pyramid()[2], b"Quillfeather")
    cleaned = bytearray(told)
    found = words_of_jpeg(told)
    assert len(found) == 3  # a comment, EXIF, and what follows the end
    for at, length in found:
        cleaned[at : at + length] = bytes(length)
    assert b"Quillfeather" in told and b"Quillfeather" not in cleaned
    pixels = [np.asarray(Pillow.open(io.BytesIO(each))) for each in (told, bytes(cleaned), plain)]
    assert np.array_equal(pixels[0], pixels[1]) and np.array_equal(pixels[0], pixels[2])
    out = io.BytesIO()
    Pillow.fromarray(pyramid()[2]).save(out, "JPEG", progressive=True, comment=b"Quillfeather")
    assert len(words_of_jpeg(out.getvalue() + b"Zebedee")) == 2
    out = io.BytesIO()
    Pillow.fromarray(pyramid()[2]).save(out, "JPEG2000", no_jp2=True, comment="Quillfeather")
    stream = out.getvalue()
    (at, length), *more = words_of_jpeg_2000(stream)
    assert stream[at : at + length] == b"Quillfeather" and not more
    assert words_of_jpeg_2000(stream + b"Zebedee")[1] == (len(stream), 7)
    import zlib

    packed = zlib.compress(bytes(1000))
    assert words_behind_deflated(packed) == [] and words_behind_deflated(packed + b"Zebedee") == [(len(packed), 7)]
    for find in (words_of_jpeg, words_of_jpeg_2000, words_behind_deflated):
        with pytest.raises(ValueError):
            find(b"Quillfeather")


def test_a_colour_profile_keeps_its_colours_and_no_words():
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made = profile_without_words(bytes(profile))
    assert len(made) == len(profile) and made[24:36] == bytes(12)
    grey = Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8))
    lab = ImageCms.createProfile("LAB")
    seen = [
        np.asarray(ImageCms.profileToProfile(grey, ImageCms.ImageCmsProfile(io.BytesIO(each)), lab, outputMode="LAB"))
        for each in (bytes(profile), made)
    ]
    assert np.array_equal(*seen)
    assert b"sRGB" in bytes(profile).replace(b"\0", b"") and b"sRGB" not in made.replace(b"\0", b"")
    for damaged in (b"", made[:100], bytes(600)):
        with pytest.raises(ValueError):
            profile_without_words(damaged)


def test_pictures_of_the_glass_in_dicom_are_refused(tmp_path):
    from pydicom import Dataset, FileMetaDataset

    def instance(kind, labelled):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
        dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.ImageType, dataset.SpecimenLabelInImage, dataset.PatientID = kind, labelled, "MRN-7734019"
        dataset.Rows = dataset.Columns = 4
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation, dataset.PixelData = 7, 0, bytes(16)
        return dataset

    (tmp_path / "in").mkdir()
    for name, kind, labelled in (
        ("a", ["ORIGINAL", "PRIMARY", "LABEL", "NONE"], "YES"),
        ("b", ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"], "NO"),
        ("c", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "NO"),
        ("d", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "YES"),
    ):
        instance(kind, labelled).save_as(tmp_path / "in" / name, enforce_file_format=True)
    (tmp_path / "key.txt").write_bytes(b"a key of sufficient length\n")
    outcomes = []
    deidentify_folder(
        tmp_path / "in", tmp_path / "out", Settings(), tmp_path / "key.txt", workers=1, tell=outcomes.append
    )
    assert [each.code for each in outcomes] == ["slide_label", "slide_label", "", "slide_label"]
    shutil.rmtree(tmp_path / "out")
