"""Small files that claim, or unfold to, more than a machine holds; and files that lead elsewhere or without end."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from preceptor.intake.video.gif import after_blocks, table_bytes

MIB = 2**20


def _deep_json() -> bytes:
    return b"[" * 200_000 + b"]" * 200_000


def _deep_geojson() -> bytes:
    inner = b'{"type": "GeometryCollection", "geometries": [' * 900 + b"]}" * 900
    return (
        b'{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": '
        + inner
        + b"}]}"
    )


def _coco(size: list[int], segmentation: object) -> bytes:
    found = {"id": 1, "image_id": 7, "category_id": 3, "area": 4, "bbox": [0, 0, 1, 1], "iscrowd": 1}
    return json.dumps(
        {
            "images": [{"id": 7, "file_name": "a.png", "width": size[1], "height": size[0]}],
            "annotations": [found | {"segmentation": segmentation}],
            "categories": [{"id": 3, "name": "nodule"}],
        }
    ).encode()


def _mask_larger_than_memory() -> bytes:
    side = 40_000
    return _coco([side, side], {"size": [side, side], "counts": [3, 5, side * side - 8]})


def _polygon_larger_than_memory() -> bytes:
    side = 40_000
    return _coco([side, side], [[0, 0, side, 0, side, side]])


def _mdai_polygon_larger_than_memory() -> bytes:
    side = 40_000
    label = {"id": "L", "name": "a", "annotationMode": "mask"}
    rings = {"foreground": [[[0, 0], [side, 0], [side, side]]], "background": [[[1, 1], [9, 1], [9, 9]]]}
    said = {
        "labelId": "L",
        "StudyInstanceUID": "1.2",
        "SOPInstanceUID": "1.3",
        "width": side,
        "height": side,
        "data": rings,
    }
    return json.dumps(
        {
            "labelGroups": [{"id": "G", "name": "g", "labels": [label]}],
            "datasets": [{"id": "D", "name": "d", "studies": [], "annotations": [said]}],
        }
    ).encode()


def _yaml_deep() -> bytes:
    return b"study: " + b"[" * 50_000


def _yaml_deep_by_indent() -> bytes:
    return b"".join(b" " * number + b"a:\n" for number in range(1000))


def _yaml_laughs() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    return "\n".join(lines).encode()


def _yaml_wide() -> bytes:
    return b"study: [" + b"1," * 400_000 + b"]"


def _parquet_of_one_value() -> bytes:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    ones = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(2**21, "i4")), ["k"])
    table = pyarrow.table({"key": ones})
    with pyarrow.parquet.ParquetWriter(stream, table.schema, compression="zstd") as file:
        for _ in range(120):
            file.write_table(table)
    return stream.getvalue()


def _png_with(name: bytes, content: bytes) -> bytes:
    def chunk(label: bytes, inner: bytes) -> bytes:
        return struct.pack(">I", len(inner)) + label + inner + struct.pack(">I", zlib.crc32(label + inner))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(name, content)
        + chunk(b"IDAT", zlib.compress(bytes(20)))
        + chunk(b"IEND", b"")
    )


def _png_text() -> bytes:
    return _png_with(b"zTXt", b"a\0\0" + zlib.compress(bytes(300 * MIB), 9))


def _png_profile() -> bytes:
    return _png_with(b"iCCP", b"a\0\0" + zlib.compress(bytes(300 * MIB), 9))


def _jpeg_of_all_sizes() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "JPEG")
    content = stream.getvalue()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", 65500, 65500) + content[at + 4 :]


def _bmp_of_all_sizes() -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 60, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(6)
    )


def _tiff(tags: list[tuple[int, int, int, int]], after: int = 0) -> bytes:
    """A TIFF of one directory at byte 8."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", after) + bytes(64)


_PAGE = [
    (258, 3, 1, 8),
    (259, 3, 1, 1),
    (262, 3, 1, 1),
    (273, 4, 1, 8),
    (277, 3, 1, 1),
    (278, 4, 1, 4),
    (279, 4, 1, 16),
]


def _tiff_of_all_sizes() -> bytes:
    return _tiff([(256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), *_PAGE])


def _tiff_that_goes_round() -> bytes:
    return _tiff([(256, 4, 1, 4), (257, 4, 1, 4), *_PAGE], after=8)


def _tiff_of_many_strips() -> bytes:
    page = [each for each in _PAGE if each[0] not in (273, 279)]
    return _tiff([(256, 4, 1, 4), (257, 4, 1, 4), *page, (273, 4, 2**31 - 1, 8), (279, 4, 2**31 - 1, 8)])


def _tiff_whose_strip_inflates() -> bytes:
    squeeze = zlib.compressobj(9)
    strip = (
        squeeze.compress(bytes(64)) + b"".join(squeeze.compress(bytes(8 * MIB)) for _ in range(25)) + squeeze.flush()
    )
    tags = [(256, 4, 1, 8), (257, 4, 1, 8), *_PAGE]
    changed = {259: 8, 273: 8 + 2 + 12 * len(tags) + 4, 278: 8, 279: len(strip)}
    head = _tiff([(tag, kind, count, changed.get(tag, value)) for tag, kind, count, value in tags])
    return head[:-64] + strip


def _tiff_of_a_large_tile() -> bytes:
    page = [each for each in _PAGE if each[0] not in (273, 278, 279)]
    tiles = [(322, 4, 1, 2**20), (323, 4, 1, 2**20), (324, 4, 1, 8), (325, 4, 1, 64)]
    return _tiff([(256, 4, 1, 16), (257, 4, 1, 16), *[(t, k, c, 8 if t == 259 else v) for t, k, c, v in page], *tiles])


def _tiff_of_a_long_strip() -> bytes:
    page = [each for each in _PAGE if each[0] != 279]
    return _tiff([(256, 4, 1, 4), (257, 4, 1, 4), *page, (279, 4, 1, 2**32 - 1)])


def _gif_of_still_frames() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (6000, 6000)).save(stream, "GIF", duration=40)
    content = stream.getvalue()
    first = start = 13 + table_bytes(content[10])
    while content[start] != ord(","):
        start = after_blocks(content, start + 2)
    end = after_blocks(content, start + 11 + table_bytes(content[start + 9]))
    return content[:first] + content[first:end] * 18 + b";"


def _nifti(shape: tuple[int, ...]) -> bytes:
    import nibabel

    header = nibabel.Nifti2Header()
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header["datatype"], header["bitpix"], header["magic"], header["vox_offset"] = 4, 16, b"n+2\0\r\n\x1a\n", 544
    header["pixdim"][1:4] = 1
    return header.binaryblock + bytes(4)


def _gzip_of_gzips() -> bytes:
    return gzip.compress(_nifti((2**20, 2**10, 1)) + bytes(8 * MIB), 9)


def _npz_of_many() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (300, MIB)})
        archive.writestr("images.npy", head.getvalue() + bytes(300 * MIB))
    return stream.getvalue()


def _npy_header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def _zip_of_shared_bytes() -> bytes:
    """Every entry of the directory is the same megabytes of zeros."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(40 * MIB))
        one = archive.infolist()[0]
        for number in range(200):
            other = zipfile.ZipInfo(f"{number}")
            for name in ("compress_type", "file_size", "compress_size", "CRC", "header_offset"):
                setattr(other, name, getattr(one, name))
            archive.filelist.append(other)
    return stream.getvalue()


def _dicom(change: Callable, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    import tempfile
    from pathlib import Path

    from pydicom import dcmread

    from preceptor.intake.synthesis.phantom_planes import write_planes

    with tempfile.TemporaryDirectory() as name:
        (path,) = write_planes(Path(name) / "planes", np.zeros((16, 16, 1), np.uint16), np.eye(4))
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)
        return path.read_bytes()


def _encapsulated(content: bytes, **attributes: object) -> Callable:
    def change(dataset) -> None:
        from pydicom.encaps import encapsulate

        for name, value in attributes.items():
            setattr(dataset, name, value)
        dataset.PixelData = encapsulate([content])
        dataset["PixelData"].is_undefined_length = True

    return change


def _dicom_of_many_frames() -> bytes:
    return _dicom(lambda dataset: setattr(dataset, "NumberOfFrames", 2**31 - 1))


def _dicom_run_lengths() -> bytes:
    rows = b"\x81\0" * 5000  # 128 zeros from two bytes, and more of them than the picture has
    content = struct.pack("<16I", 2, 64, 64 + len(rows), *[0] * 13) + rows * 2
    return _dicom(_encapsulated(content, Rows=65535, Columns=32767), "1.2.840.10008.1.2.5")


def _dicom_around_a_larger_picture() -> bytes:
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    return _dicom(_encapsulated(_jpeg_of_all_sizes(), **bits), "1.2.840.10008.1.2.4.50")


def _deflated_annotations() -> bytes:
    from tests.golden.test_intake import deflated_dicom

    return deflated_dicom()


#: ``{name: (kind, suffix, content)}``: the kind says by which reader, see `tests.fuzzing.readers`.
BOMBS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "JSON nested 200,000 deep": ("coco", ".json", _deep_json),
    "GeoJSON of collections in collections": ("geojson", ".json", _deep_geojson),
    "40,000 x 40,000 pixels in three run lengths": ("coco", ".json", _mask_larger_than_memory),
    "a polygon over 40,000 x 40,000 pixels": ("coco", ".json", _polygon_larger_than_memory),
    "rings over 40,000 x 40,000 pixels": ("mdai", ".json", _mdai_polygon_larger_than_memory),
    "eight million empty objects": ("coco", ".json", lambda: b"[" + b"{}," * (8 * MIB) + b"{}]"),
    "sixteen million empty lists": ("geojson", ".json", lambda: b"[" + b"[]," * (16 * MIB) + b"[]]"),
    "YAML of 50,000 open brackets": ("recipe", ".yaml", _yaml_deep),
    "YAML indented a thousand times": ("recipe", ".yaml", _yaml_deep_by_indent),
    "YAML whose aliases unfold to 9^20": ("recipe", ".yaml", _yaml_laughs),
    "YAML of 400,000 values": ("recipe", ".yaml", _yaml_wide),
    "Parquet of 250 million equal keys": ("cohort", ".parquet", _parquet_of_one_value),
    "PNG with 300 MiB of text": ("png", ".png", _png_text),
    "PNG with a colour profile of 300 MiB": ("png", ".png", _png_profile),
    "JPEG of 65,500 x 65,500": ("jpeg", ".jpg", _jpeg_of_all_sizes),
    "BMP of 2^30 x 2^30": ("bmp", ".bmp", _bmp_of_all_sizes),
    "TIFF of 2^31 x 2^31": ("tiff", ".tif", _tiff_of_all_sizes),
    "TIFF whose directory follows itself": ("tiff", ".tif", _tiff_that_goes_round),
    "TIFF of 2^31 strips": ("tiff", ".tif", _tiff_of_many_strips),
    "TIFF of 8 x 8 whose strip inflates to 200 MiB": ("tiff", ".tif", _tiff_whose_strip_inflates),
    "TIFF of 16 x 16 in a tile of 2^20 x 2^20": ("tiff", ".tif", _tiff_of_a_large_tile),
    "TIFF of 4 x 4 whose strip takes 4 GiB": ("tiff", ".tif", _tiff_of_a_long_strip),
    "GIF of 18 plain frames of 6,000 x 6,000": ("gif", ".gif", _gif_of_still_frames),
    "NIfTI-2 of 2^62 voxels": ("nifti", ".nii", lambda: _nifti((2**31, 2**31, 1))),
    "NIfTI in gzip, its voxels missing": ("nifti_gz", ".nii.gz", _gzip_of_gzips),
    "NPZ of 300 MiB of zeros": ("npz", ".npz", _npz_of_many),
    "NPY whose header nests": ("npy", ".npy", lambda: _npy_header(b"(" * 5000)),
    "NPY whose header is a sum": ("npy", ".npy", lambda: _npy_header(b"+".join([b"1"] * 9000))),
    "zip of 200 entries that share 40 MiB of zeros": ("zip", ".zip", _zip_of_shared_bytes),
    "DICOM of 2^31 frames": ("dicom", ".dcm", _dicom_of_many_frames),
    "DICOM of 65,535 x 32,767 in run lengths": ("dicom", ".dcm", _dicom_run_lengths),
    "DICOM of annotations that inflates to 600 MiB": ("coco", ".dcm", _deflated_annotations),
    "DICOM around a JPEG of 65,500 x 65,500": ("dicom", ".dcm", _dicom_around_a_larger_picture),
}
