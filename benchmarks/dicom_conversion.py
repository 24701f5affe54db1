"""DICOM converted to volumes by preceptor, dcm2niix and SimpleITK: the same voxels at the same places?

python -m benchmarks.dicom_conversion FOLDER_OF_DICOM [MARKDOWN]

Converted are every series that `preceptor scan` takes below the folder, and phantoms: 48 orientations, oblique planes,
a tilted gantry, enhanced files, a scale for each slice, signed values. Two volumes agree where one grid is the other
with its axes exchanged or turned round, corners within 1e-4 mm, and every voxel is equal after that.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.files import write_aside
from preceptor.intake.dicom.scanning import part_files, scan
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_planes import write_enhanced, write_planes

CORNER_MM = 1e-4
PEERS = ("dcm2niix", "SimpleITK")


@dataclass
class Volume:
    """``(x, y, z[, rest])`` values and where they lie, RAS+ millimetres; no affine where the file places it nowhere."""

    values: np.ndarray
    affine_mm: np.ndarray | None


@dataclass
class Compared:
    """One image and what each peer made of it."""

    name: str
    kind: str
    outcomes: dict[str, str] = field(default_factory=dict)
    corner_mm: dict[str, float] = field(default_factory=dict)


def phantoms(folder: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """Name, kind and files of every phantom, written below a folder."""
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 4000, (7, 6, 5)).astype(np.uint16)
    spacing = np.diag([0.7, 0.9, 2.5])
    for number, (order, signs) in enumerate(
        itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
    ):
        affine = _placed(np.eye(3)[:, list(order)] * signs @ spacing)
        yield f"orientation {number + 1}", "48 orientations", write_planes(folder / f"o{number}", grey, affine)
    for number in range(4):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        yield f"oblique {number + 1}", "oblique", write_planes(folder / f"b{number}", grey, _placed(turn @ spacing))
    axial = np.diag([-1.0, -1, 1]) @ spacing
    for modality in ("CT", "MR"):
        path = folder / f"enhanced-{modality}"
        path.mkdir()
        write_enhanced(path / "a.dcm", grey, _placed(axial), modality=modality, order=[3, 1, 4, 0, 2])
        yield f"enhanced {modality}", "enhanced", [path / "a.dcm"]
    scales = [(1 + k / 4, -8.0 * k) for k in range(5)]
    yield "scales", "a scale for each slice", write_planes(folder / "scales", grey, _placed(axial), scales=scales)
    path = folder / "enhanced-scales"
    path.mkdir()
    write_enhanced(path / "a.dcm", grey, _placed(axial), scales=scales)
    yield "enhanced scales", "a scale for each slice", [path / "a.dcm"]
    signed = grey.astype(np.int16) - 2000
    yield "signed", "signed values", write_planes(folder / "signed", signed, _placed(axial))
    for degrees in (5, 20):
        tilted = axial.copy()
        tilted[1, 2] = 2.5 * np.tan(np.radians(degrees))
        yield f"tilted {degrees} degrees", "tilted gantry", write_planes(folder / f"t{degrees}", grey, _placed(tilted))


def _placed(axes: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, (11.5, -23.25, 40)
    return affine


def series(folder: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """Key, kind and files of every image that is taken below a folder."""
    for row in scan(folder).taken:
        place, _, part = row.source.partition("::")
        path = folder / place
        files = part_files(path, part) if part else [path] if path.is_file() else sorted(path.iterdir())
        yield f"{row.series} {row.part}".strip(), "real series", files


def compare(name: str, kind: str, files: Sequence[Path], pool: Pool) -> Compared:
    """Convert the files of one image by everything there is."""
    compared = Compared(name, kind)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        for number, path in enumerate(files):
            shutil.copy(path, folder / f"{number:05}.dcm")
        try:
            image = read_image(folder, "00000.dcm" if len(files) == 1 else ".")
        except PreceptorError as error:
            compared.outcomes["preceptor"] = f"refused: {error.problem.code}"
            ours = None
        else:
            compared.outcomes["preceptor"] = "read"
            ours = Volume(
                _space_first(image.array, image.has_time), image.affine_mm if image.has_known_geometry else None
            )
        for peer, made in (("dcm2niix", _dcm2niix(folder, Path(place) / "out")), ("SimpleITK", pool.read(folder))):
            if isinstance(made, str):
                compared.outcomes[peer] = made
            elif ours is None:
                compared.outcomes[peer] = "read"
            else:
                compared.outcomes[peer], compared.corner_mm[peer] = agreement(ours, made)
    return compared


def agreement(ours: Volume, other: Volume) -> tuple[str, float]:
    """Whether two volumes are one, and how far apart their corners lie in millimetres (NaN where nothing is placed)."""
    corner_mm = float("nan")
    if ours.affine_mm is not None and other.affine_mm is not None:
        links = np.linalg.solve(_padded(other.affine_mm), _padded(ours.affine_mm))[:3, :3]
        order = np.abs(links).argmax(axis=0)
        if sorted(order) != [0, 1, 2]:
            return "other axes", corner_mm
        turned = [axis for axis in range(3) if links[order[axis], axis] < 0]
        moved, affine = _reordered(other, order, turned)
        if moved.shape[:3] != ours.values.shape[:3]:
            return f"other size: {moved.shape} for {ours.values.shape}", corner_mm
        corners = np.array([*itertools.product(*[(0, size - 1) for size in moved.shape[:3]])])
        ends = np.column_stack([corners, np.ones(8)])
        # The third axis of a single plane has no length of its own.
        corner_mm = float(np.abs((ends @ ours.affine_mm.T - ends @ affine.T)[:, :3]).max())
    else:  # a picture: rows may run either way, and nothing says where it lies
        candidates = [other.values, other.values[:, ::-1]]
        moved = next((each for each in candidates if _same(ours.values, each)), other.values)
    if not _same(ours.values, moved):
        return _difference(ours.values, moved), corner_mm
    return ("equal" if not corner_mm > CORNER_MM else "equal voxels, elsewhere"), corner_mm


def _reordered(other: Volume, order: np.ndarray, turned: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    assert other.affine_mm is not None
    values = other.values.transpose(*order, *range(3, other.values.ndim))
    affine = other.affine_mm.copy()
    affine[:, :3] = other.affine_mm[:, :3][:, order]
    for axis in turned:
        values = np.flip(values, axis)
        affine[:, 3] += affine[:, axis] * (values.shape[axis] - 1)
        affine[:, axis] *= -1
    return values, affine


def _padded(affine: np.ndarray) -> np.ndarray:
    return affine / np.array([*np.linalg.norm(affine[:3, :3], axis=0), 1])


def _same(ours: np.ndarray, other: np.ndarray) -> bool:
    if np.squeeze(ours).shape != np.squeeze(other).shape:
        return False
    return bool(np.allclose(np.squeeze(ours).astype(float), np.squeeze(other).astype(float), rtol=1e-6, atol=1e-3))


def _difference(ours: np.ndarray, other: np.ndarray) -> str:
    ours, other = np.squeeze(ours).astype(float), np.squeeze(other).astype(float)
    if ours.shape != other.shape:
        return f"other size: {other.shape} for {ours.shape}"
    if np.allclose(ours + other, (ours + other).flat[0]):
        return "values inverted"
    return f"values differ by up to {np.abs(ours - other).max():.6g}"


def _space_first(array: np.ndarray, has_time: bool) -> np.ndarray:
    """``(channel[, time], x, y[, z])`` as ``(x, y, z[, time][, channel])``."""
    array = np.moveaxis(array, 0, -1)
    if has_time:
        array = np.moveaxis(array, 0, -2)
    flat = array.ndim - 1 - int(has_time) == 2
    return array[:, :, None] if flat else array


def _dcm2niix(folder: Path, out: Path) -> Volume | str:
    import nibabel

    out.mkdir()
    done = subprocess.run(
        ["dcm2niix", "-z", "n", "-b", "n", "-f", "%s_%r", "-o", str(out), str(folder)], capture_output=True, timeout=120
    )
    found = sorted(out.glob("*.nii"))
    if done.returncode < 0:
        return "ended by a signal"
    if len(found) != 1:
        return f"{len(found)} files written" if found else "refused"
    image: Any = nibabel.load(found[0])
    raw = np.asanyarray(image.dataobj)
    values = np.stack([raw[name] for name in raw.dtype.names], -1) if raw.dtype.names else raw
    return Volume(values.astype(float)[(..., None) * (values.ndim == 2)] if values.ndim == 2 else values, image.affine)


class Pool:
    """A process for SimpleITK, whose decoder may end it; then there is another."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def read(self, folder: Path) -> Volume | str:
        try:
            return self._pool.submit(_simpleitk, folder).result(timeout=120)
        except BrokenProcessPool:
            self._pool = ProcessPoolExecutor(1)
            return "ended by a signal"
        except Exception as error:  # whatever a peer raises is its answer
            return f"refused ({type(error).__name__})"


def _simpleitk(folder: Path) -> Volume:
    import SimpleITK

    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = SimpleITK.ReadImage(names if len(names) > 1 else str(next(folder.iterdir())))
    values = SimpleITK.GetArrayFromImage(image)
    space = image.GetDimension()
    values = values.transpose(*range(space - 1, -1, -1), *range(space, values.ndim))
    affine = np.eye(4)
    turn = np.array(image.GetDirection()).reshape(space, space)[:3, :3] * np.array(image.GetSpacing())[:3]
    affine[: len(turn), : len(turn)], affine[: len(turn), 3] = turn, image.GetOrigin()[:3]
    return Volume(values[:, :, None] if space == 2 else values, np.diag([-1.0, -1, 1, 1]) @ affine)


def table(compared: Sequence[Compared]) -> str:
    """Outcomes counted by kind, as Markdown."""
    lines = ["| kind | images | preceptor | dcm2niix | SimpleITK | furthest corner (mm) |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(each.kind for each in compared):
        rows = [each for each in compared if each.kind == kind]
        cells = []
        for who in ("preceptor", *PEERS):
            counts = Counter(each.outcomes[who].partition(" by up to")[0].partition(":")[0] for each in rows)
            cells.append(", ".join(f"{number} {outcome}" for outcome, number in counts.most_common()))
        corners = [
            c for each in rows for who, c in each.corner_mm.items() if np.isfinite(c) and each.outcomes[who] == "equal"
        ]
        lines.append(f"| {kind} | {len(rows)} | {' | '.join(cells)} | {max(corners, default=float('nan')):.1g} |")
    return "\n".join(lines)


def main(folder: Path, out: Path | None) -> None:
    with tempfile.TemporaryDirectory() as place, Pool() as pool:
        everything = itertools.chain(phantoms(Path(place)), series(folder))
        compared = [compare(name, kind, files, pool) for name, kind, files in everything]
    differing = [
        f"- {each.name} ({each.kind}): {'; '.join(f'{who}: {text}' for who, text in each.outcomes.items())}"
        for each in compared
        if any(each.outcomes[who] != "equal" for who in PEERS)
    ]
    text = table(compared) + "\n\n" + "\n".join(differing) + "\n"
    print(text)
    if out is not None:
        with write_aside(out) as aside:
            aside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
