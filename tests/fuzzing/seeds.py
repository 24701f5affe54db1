"""Small whole files of every kind that is read, made here: what is damaged must have been right."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

SEALED = Path(__file__).with_name("sealed.bundle")
RECIPES = Path(__file__).parents[2] / "recipes"


def write_seeds(folder: Path, kinds: Iterable[str] | None = None) -> None:
    """Write every seed as ``kind/number.suffix``.

    Args:
        folder: That exists and is empty.
        kinds: Some of `KINDS`; all where it is None.
    """
    for kind in KINDS if kinds is None else kinds:
        for number, (suffix, content) in enumerate(_MAKERS[kind](np.random.default_rng(0))):
            (folder / kind).mkdir(exist_ok=True)
            (folder / kind / f"{number}{suffix}").write_bytes(content)


Made = Iterator[tuple[str, bytes]]


def _nifti(rng: np.random.Generator, suffix: str) -> Made:
    import nibabel

    affine = np.diag([-1.0, 1.5, 2, 1])
    for kind, shape in (("i2", (7, 6, 5)), ("f4", (5, 4, 3, 2)), ("u1", (9, 8, 1)), ("f8", (4, 4))):
        array = rng.integers(0, 100, shape).astype(kind)
        for version in (nibabel.Nifti1Image, nibabel.Nifti2Image):
            image = version(array, affine)
            image.header.set_xyzt_units("mm", "sec")
            with tempfile.TemporaryDirectory() as name:
                nibabel.save(image, Path(name) / f"a{suffix}")
                yield suffix, (Path(name) / f"a{suffix}").read_bytes()


def _pictures(rng: np.random.Generator, form: str) -> Made:
    from PIL import Image

    grey = rng.integers(0, 256, (21, 17), dtype=np.uint8)
    colour = rng.integers(0, 256, (21, 17, 3), dtype=np.uint8)
    pictures = [Image.fromarray(grey), Image.fromarray(colour)]
    if form == "PNG":
        pictures += [Image.fromarray(grey.astype(np.uint16) * 257), Image.fromarray(colour).convert("P")]
        pictures += [Image.fromarray(grey > 99), Image.fromarray(np.dstack([colour, np.full_like(grey, 255)]))]
    for picture in pictures:
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(stream, form, **({"exif": exif, "quality": 70} if form == "JPEG" else {}))
        yield f".{form.lower()}", stream.getvalue()
    if form == "JPEG":
        stream = io.BytesIO()
        pictures[1].save(stream, form, progressive=True)
        yield ".jpeg", stream.getvalue()
    if form == "PNG":
        import SimpleITK

        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "a.png"
            deep = SimpleITK.GetImageFromArray(colour.astype(np.uint16) * 200, isVector=True)
            SimpleITK.WriteImage(deep, str(path))
            yield ".png", path.read_bytes()


def _tiff(rng: np.random.Generator) -> Made:
    import tifffile
    from PIL import Image

    grey = rng.integers(0, 256, (40, 33), dtype=np.uint8)
    for options in (
        {},
        {"compression": "zlib"},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"photometric": "miniswhite"},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"rowsperstrip": 4, "description": "about"},
    ):
        stream = io.BytesIO()
        tifffile.imwrite(stream, grey, **options)
        yield ".tif", stream.getvalue()
    stack = rng.integers(0, 4000, (3, 12, 10), dtype=np.uint16)
    for options in ({"ome": True, "metadata": {"axes": "ZYX"}}, {"imagej": True, "metadata": {"axes": "TYX"}}):
        stream = io.BytesIO()
        tifffile.imwrite(stream, stack, **options)
        yield ".tif", stream.getvalue()
    for compression in ("tiff_lzw", "packbits", "jpeg", "group4"):
        stream = io.BytesIO()
        Image.fromarray(grey > 99 if compression == "group4" else grey).save(stream, "TIFF", compression=compression)
        yield ".tif", stream.getvalue()


def _arrays(rng: np.random.Generator, suffix: str) -> Made:
    axes = ((6, 5), (4, 6, 5), (6, 5, 3)) if suffix == ".npy" else ((4, 6, 5), (3, 7, 5, 3))
    for shape in axes:
        array = rng.integers(0, 255, shape).astype(rng.choice(["u1", "<i8", ">f4", "f8"]))
        stream = io.BytesIO()
        if suffix == ".npy":
            np.save(stream, array)
        else:
            np.savez_compressed(stream, images=array, labels=np.arange(6))
        yield suffix, stream.getvalue()


def _clip(rng: np.random.Generator) -> Made:
    stream = io.BytesIO()
    frames = rng.integers(0, 255, (4, 8, 7), dtype=np.uint8)
    np.savez(stream, frames=frames, affine_mm=np.eye(4), known=np.array(False), frame_times_s=np.arange(4) / 25)
    yield ".npz", stream.getvalue()


def _film(rng: np.random.Generator, suffix: str, codec: str, pixels: str) -> Made:
    import av

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"a{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        yield suffix, path.read_bytes()


def _gif(rng: np.random.Generator) -> Made:
    from PIL import Image

    frames = [Image.fromarray(rng.integers(0, 256, (20, 24), dtype=np.uint8)) for _ in range(4)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=[40, 50, 60, 70])
    yield ".gif", stream.getvalue()


def _dicom(rng: np.random.Generator) -> Made:
    from pydicom import dcmread
    from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

    from preceptor.intake.synthesis.phantom_planes import write_enhanced, write_planes

    stored = rng.integers(0, 4000, (40, 48, 2)).astype(np.uint16)
    affine = np.diag([-1.0, -1, 2, 1])
    with tempfile.TemporaryDirectory() as name:
        (plane, *_) = write_planes(Path(name) / "planes", stored, affine)
        yield ".dcm", plane.read_bytes()
        for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
            dataset = dcmread(plane)
            dataset.compress(syntax)
            dataset.save_as(Path(name) / "packed", enforce_file_format=True)
            yield ".dcm", (Path(name) / "packed").read_bytes()
        write_enhanced(Path(name) / "enhanced", stored, affine)
        yield ".dcm", (Path(name) / "enhanced").read_bytes()


def _annotations(make: Callable[[], object]) -> Callable[[np.random.Generator], Made]:
    return lambda rng: iter([(".json", json.dumps(make(), indent=1).encode())])


def _metaimage(rng: np.random.Generator) -> Made:
    import SimpleITK

    for packed in (False, True):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "a.mha"
            image = SimpleITK.GetImageFromArray(rng.integers(0, 99, (5, 6, 7)).astype(np.int16))
            SimpleITK.WriteImage(image, str(path), packed)
            yield ".mha", path.read_bytes()


def _asap(rng: np.random.Generator) -> Made:
    from preceptor.intake.annotations.asap import write_asap
    from preceptor.intake.annotations.files import read_annotations
    from tests.intake.test_changed_annotations import geojson

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.json").write_text(json.dumps(geojson()))
        write_asap(Path(name) / "a.xml", read_annotations(Path(name) / "a.json"))
        yield ".xml", (Path(name) / "a.xml").read_bytes()


def _bundles(rng: np.random.Generator) -> Made:
    yield ".preceptor", SEALED.read_bytes()


def _zip(rng: np.random.Generator) -> Made:
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", how) as archive:
            for number, (_, content) in enumerate(_dicom(rng)):
                archive.writestr(f"a/{number}", content)
            archive.writestr("b/notes.txt", "words " * 30)
        yield ".zip", stream.getvalue()


def _recipes(rng: np.random.Generator) -> Made:
    for path in sorted(RECIPES.glob("*.yaml")):
        yield ".yaml", path.read_bytes()


def _tables(rng: np.random.Generator) -> Made:
    rows = ["key,patient,image:a,label:grade,age,points"] + [f"k{n},{n:03},a{n}.png,{n % 2},{n}.5,é" for n in range(9)]
    yield ".csv", "\n".join(rows).encode()
    yield ".tsv", "\n".join(row.replace(",", "\t") for row in rows).encode()


def _predictions(rng: np.random.Generator) -> Made:
    import pandas

    ills = [
        {"key": f"k{n}", "patient": f"p{n}", "truth": "ab"[n % 2], "probability_a": n / 9, "probability_b": 1 - n / 9}
        for n in range(9)
    ]
    times = [{"key": f"k{n}", "truth_time": n + 1.5, "truth_event": n % 2, "answer": -n} for n in range(9)]
    several = [
        {"key": f"k{n}", "truth": '{"a": 1, "b": null}', "probability_a": 0.5, "probability_b": n / 9} for n in range(9)
    ]
    for rows in (ills, times, several):
        stream = io.BytesIO()
        pandas.DataFrame(rows).to_csv(stream, index=False)
        yield ".csv", stream.getvalue()
    stream = io.BytesIO()
    pandas.DataFrame(ills).to_parquet(stream)
    yield ".parquet", stream.getvalue()


def _reader_answers(rng: np.random.Generator) -> Made:
    rows = ["reader,key,session,score,finding,seconds,date"]
    rows += [f"r{n % 2},k{n},1,{n / 9:.2f},yes,{n + 3},2026-01-0{n % 9 + 1}" for n in range(9)]
    yield ".csv", "\n".join(rows).encode()


def _cohorts(rng: np.random.Generator) -> Made:
    from preceptor.core.cohort import Case, Cohort

    cases = tuple(
        Case(f"k{n}", patient=f"p{n}", images={"a": f"{n}.png"}, labels={"grade": n % 2}, points={"tip": [[1, 2]]})
        for n in range(6)
    )
    with tempfile.TemporaryDirectory() as name:
        for suffix in (".csv", ".parquet"):
            Cohort(cases, Path(name)).write(Path(name) / f"a{suffix}")
            yield suffix, (Path(name) / f"a{suffix}").read_bytes()


def _annotation_tables(rng: np.random.Generator) -> Made:
    from preceptor.intake.annotations.files import read_annotations
    from tests.intake.test_changed_annotations import coco

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.json").write_text(json.dumps(coco()))
        table = read_annotations(Path(name) / "a.json").table()
        yield ".csv", table.to_csv(index=False).encode()
        table.to_parquet(Path(name) / "a.parquet")
        yield ".parquet", (Path(name) / "a.parquet").read_bytes()


def _tensors(rng: np.random.Generator) -> Made:
    import torch
    from safetensors.torch import save

    tensors = {"a.weight": torch.arange(12.0).reshape(3, 4), "b": torch.zeros(2, dtype=torch.int64)}
    yield ".safetensors", save(tensors, {"preceptor": "{}"})


def _prepared(rng: np.random.Generator) -> Made:
    from preceptor.core.cohort import Sample
    from preceptor.core.image import Image
    from preceptor.prepare.prepared import write_prepared

    image = Image(rng.random((1, 6, 5, 4), dtype=np.float32), np.eye(4))
    with tempfile.TemporaryDirectory() as name:
        write_prepared(Path(name) / "a.safetensors", Sample("a", {"view": image}), None)
        yield ".safetensors", (Path(name) / "a.safetensors").read_bytes()


def _makers() -> dict[str, Callable[[np.random.Generator], Made]]:
    from importlib.util import find_spec

    from tests.intake import test_changed_annotations as changed

    makers: dict[str, Callable[[np.random.Generator], Made]] = {
        "nifti": lambda rng: _nifti(rng, ".nii"),
        "nifti_gz": lambda rng: _nifti(rng, ".nii.gz"),
        "png": lambda rng: _pictures(rng, "PNG"),
        "jpeg": lambda rng: _pictures(rng, "JPEG"),
        "bmp": lambda rng: _pictures(rng, "BMP"),
        "tiff": _tiff,
        "npy": lambda rng: _arrays(rng, ".npy"),
        "npz": lambda rng: _arrays(rng, ".npz"),
        "clip": _clip,
        "metaimage": _metaimage,
        "dicom": _dicom,
        "mdai": _annotations(changed.mdai),
        "coco": _annotations(changed.coco),
        "geojson": _annotations(changed.geojson),
        "asap": _asap,
        "annotation_table": _annotation_tables,
        "table": _tables,
        "cohort": _cohorts,
        "predictions": _predictions,
        "reader_answers": _reader_answers,
        "recipe": _recipes,
        "zip": _zip,
        "bundle": _bundles,
        "tensors": _tensors,
        "prepared": _prepared,
    }
    if find_spec("av") is not None:
        makers |= {
            "gif": _gif,
            "mp4": lambda rng: _film(rng, ".mp4", "mpeg4", "yuv420p"),
            "avi": lambda rng: _film(rng, ".avi", "mjpeg", "yuvj420p"),
        }
    return makers


_MAKERS = _makers()
KINDS = tuple(_MAKERS)
