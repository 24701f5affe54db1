"""A cohort of 150 people, each with a volume, its label map and a film, and forty faults that can be planted in it.

Everything is drawn from one generator, so the clean cohort and its faulty twin differ in the faults alone. The clean one
is made as real ones are: people differ in size and texture, both hospitals show every class, and the order of the files
tells nothing.
"""

from __future__ import annotations

import csv
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image as Pillow

PEOPLE = 150
TRAINED = 90
SHAPE = (26, 30, 22)
FILM = 96

TABLE = {
    "file": "cases.csv",
    "image": {"mri": "mri", "film": "film"},
    "masks": {"label": "mask"},
    "patient": "patient",
    "role": "role",
    "labels": ["finding", "effusion", "nodule", "grade", "referred", "treated", "reader", "months", "event"],
    "fields": ["site", "examined", "case_id", "person_hash", "height_cm"],
    "keep_names": True,
}
TASK = {"segmentation": {"labels": {"anterior": 2, "posterior": 4, "cyst": 6, "clip": 8}}}


@dataclass(frozen=True)
class Fault:
    """What must be told of it.

    Args:
        code: Of the problem.
        severity: R is an ``error``, W a ``warning``; F is an error whose remedy names what the recipe may say.
        cases: Keys that the problem must name; none where the fault is a column's.
        says: What the problem must mention besides.
    """

    code: str
    severity: str
    cases: tuple[str, ...] = ()
    says: str = ""


@dataclass
class Planted:
    """A cohort on disk.

    Args:
        folder: Where ``cases.csv`` lies.
        faults: ``{number: what must be told}``; one number may have several.
    """

    folder: Path
    faults: dict[int, list[Fault]] = field(default_factory=dict)


def smooth(rng: np.random.Generator, shape: tuple[int, ...], cells: int) -> np.ndarray:
    """Random texture of mean 0 and deviation 1 whose grains are a `cells`-th of the picture."""
    from scipy.ndimage import zoom

    grid = rng.normal(size=[cells] * len(shape))
    made = zoom(grid, [size / cells for size in shape], order=1, mode="nearest", grid_mode=True)
    return np.asarray((made - made.mean()) / made.std())


def film_of(rng: np.random.Generator) -> np.ndarray:
    """A chest as a film shows it: lungs dark, the heart to one side, the shoulders above; texture of its own."""
    y, x = np.meshgrid(np.linspace(-1, 1, FILM), np.linspace(-1, 1, FILM), indexing="ij")
    wide, high, low = rng.normal(1, 0.05, 3)
    grey = 150 - 40 * y + np.zeros((FILM, FILM))
    for side in (-1, 1):
        lung = ((x - side * 0.42 * wide) / (0.3 * wide)) ** 2 + ((y + 0.05) / (0.6 * high)) ** 2
        grey -= 85 * (1 / (1 + np.exp(12 * (lung - 1))))
    heart = ((x - 0.18) / 0.3) ** 2 + ((y - 0.35 * low) / 0.3) ** 2
    grey += 70 * (1 / (1 + np.exp(8 * (heart - 1))))
    grey += 45 * (y > 0.75) - 50 * ((np.abs(x) > 0.75) & (y < -0.7))
    grey += 13 * smooth(rng, grey.shape, 6) + 10 * smooth(rng, grey.shape, 14) + 8 * smooth(rng, grey.shape, 40)
    return np.asarray((grey + rng.normal(0, 2, grey.shape)).clip(3, 252), dtype=np.uint8)


def volume_of(rng: np.random.Generator, shown: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """A body in air in Hounsfield units, and its label map: 2 lies in front of and below 4."""
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij"), -1).astype(float)
    middle = np.array(SHAPE) / 2 + rng.normal(0, 0.7, 3)
    radius = np.array([9.5, 12.0, 8.5]) * rng.normal(1, 0.05, 3)
    inside = (((grid - middle) / radius) ** 2).sum(-1) < 1
    tissue = 40 + 90 * smooth(rng, SHAPE, 4) + 80 * smooth(rng, SHAPE, 9)
    body = np.where(inside, tissue, -1000)
    mask = np.zeros(SHAPE, np.uint8)
    places = {2: (0, 5, -2.5), 4: (0, -5, 2), 6: (4.5, 0, 0), 8: (-4.5, 0, 0)}
    for value in sorted({2, 4} | shown):
        size = np.array([3, 3, 2.5] if value in (2, 4) else [1.8, 1.8, 1.8]) * rng.normal(1, 0.04, 3)
        part = (((grid - middle - places[value] - rng.normal(0, 0.3, 3)) / size) ** 2).sum(-1) < 1
        mask[part] = value
        body = body + 150 * part
    return np.asarray((body + rng.normal(0, 12, SHAPE)).clip(-1024, 3000), dtype=np.int16), mask


class Maker:
    """Writes the cohort, a case at a time, then the faults over it."""

    def __init__(self, folder: Path, seed: int = 5) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.rows: list[dict[str, Any]] = []
        self.planted = Planted(folder)
        self.masks: dict[int, np.ndarray] = {}
        self.volumes: dict[int, np.ndarray] = {}
        self.films: dict[int, np.ndarray] = {}
        for part in ("mri", "masks", "films"):
            (folder / part).mkdir(parents=True)

    @staticmethod
    def key(number: int) -> str:
        return f"mri-scan{number:03d}"

    def write(self, faulty: bool) -> Planted:
        """Make the folder."""
        names = self.rng.permutation(PEOPLE)
        for number in range(PEOPLE):
            role = "train" if number < TRAINED else "test"
            shown = {value for value in (6, 8) if self.rng.random() < 0.5}
            if faulty:  # 12 and 13: a class only where it is tested, and one only where it is learnt
                shown = {8} if role == "train" and 8 in shown else {6} if role == "test" and 6 in shown else set()
            self.volumes[number], self.masks[number] = volume_of(self.rng, shown)
            self.films[number] = film_of(self.rng)
            self.scan(number, self.volumes[number])
            self.mask(number, self.masks[number])
            self.film(number, self.films[number])
            self.rows.append(self.row(number, role, int(names[number])))
        if faulty:
            self.plant()
        with (self.folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(self.rows[0]))
            table.writeheader()
            table.writerows(self.rows)
        return self.planted

    def row(self, number: int, role: str, name: int) -> dict[str, Any]:
        chance = self.rng.random
        return {
            "mri": f"mri/scan{number:03d}.nii",
            "film": f"films/film{number:03d}.png",
            "mask": f"masks/map{number:03d}.nii",
            "patient": f"P{name + 100}",
            "role": role,
            "finding": "pneumonia" if chance() < 0.5 else "normal",
            "effusion": int(chance() < 0.4),
            "nodule": int(chance() < 0.4),
            "grade": int(self.rng.integers(1, 4)),
            "referred": int(chance() < 0.5),
            "treated": int(chance() < 0.5),
            "reader": int(chance() < 0.5),
            "months": round(float(self.rng.exponential(30)) + 0.5, 1),
            "event": int(chance() < 0.5),
            "site": "north" if chance() < 0.5 else "south",
            "examined": f"20{self.rng.integers(15, 22)}-{self.rng.integers(1, 13):02d}-{self.rng.integers(1, 28):02d}",
            "case_id": f"C{4000 + name}",
            "person_hash": f"{name * 7919 + 104729:08x}",
            "height_cm": round(float(self.rng.normal(172, 9)), 1),
        }

    # -------------------------------------------------------------- files

    def scan(self, number: int, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
        return self._nifti(f"mri/scan{number:03d}.nii", array, affine)

    def mask(self, number: int, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
        return self._nifti(f"masks/map{number:03d}.nii", array, affine)

    def _nifti(self, name: str, array: np.ndarray, affine: np.ndarray | None) -> Path:
        made = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
        made.header.set_xyzt_units("mm")
        made.set_sform(made.affine, 1)
        made.set_qform(made.affine, 1)
        made.to_filename(self.folder / name)
        return self.folder / name

    def film(self, number: int, array: np.ndarray) -> None:
        Pillow.fromarray(array).save(self.folder / f"films/film{number:03d}.png")

    # -------------------------------------------------------------- faults

    def told(self, fault: int, code: str, severity: str, *numbers: int, says: str = "") -> None:
        said = {"R": "error", "W": "warning", "F": "error"}[severity]
        keys = tuple(self.key(number) for number in numbers)
        self.planted.faults.setdefault(fault, []).append(Fault(code, said, keys, says))

    def plant(self) -> None:
        self.plant_identities()
        self.plant_labels()
        self.plant_masks()
        self.plant_images()

    def plant_identities(self) -> None:
        rows, films = self.rows, self.films
        rows[100]["film"] = rows[3]["film"]
        self.told(1, "duplicates_across_split", "R", 3, 100)
        Pillow.fromarray(films[4]).save(self.folder / "films/film101.jpg", quality=60)
        rows[101]["film"] = "films/film101.jpg"
        self.told(2, "duplicates_across_split", "R", 4, 101)
        self.film(6, np.ascontiguousarray(films[5][:, ::-1]))
        self.told(3, "duplicates_across_patients", "W", 5, 6, says="mirrored")
        self.film(8, films[7][3:-4, 2:-5])
        self.told(4, "duplicates_across_patients", "W", 7, 8, says="cropped")
        rows[102]["patient"] = rows[9]["patient"]
        self.told(5, "leaked_patients", "R", 9, 102)
        rows[103]["person_hash"] = rows[10]["person_hash"]
        self.told(6, "patient_aliased", "R", 10, 103)
        rows[12]["case_id"] = rows[11]["case_id"]
        self.told(7, "identifier_twice", "R", 11, 12)
        rows.append(self.row(900, "train", 900))
        self.told(8, "rows_without_image", "W", says="1 row")
        rows[13] |= {"finding": "", "mask": ""}
        self.told(9, "mask_absent", "W", 13)
        rows[14]["patient"], rows[104]["patient"] = "007", "7"
        self.told(10, "patient_ids_alike", "R", 14, 104)

    def plant_labels(self) -> None:
        rows = self.rows
        rows[15]["finding"] = "pnuemonia"
        self.told(11, "label_slip", "R", 15, says="pneumonia")
        self.told(12, "class_absent", "R", says="no train case shows cyst")
        self.told(13, "class_absent", "W", says="no test case shows clip")
        for number, row in enumerate(rows):
            row["grade"] = 2
            row["referred"] = int((row["site"] == "north") != (number % 25 == 0))
            row["treated"] = int((row["examined"] > "2018-06") != (number % 25 == 1))
            row["reader"] = int(number >= PEOPLE / 2)
            row["nodule"] = row["nodule"] or ""
        self.told(14, "label_constant", "R", says="grade")
        self.told(15, "label_confounded", "W", says="the field 'site' alone tells 'referred'")
        self.told(16, "label_confounded", "W", says="the field 'examined' alone tells 'treated'")
        self.told(16, "label_confounded", "W", says="the number in the file's name alone tells 'reader'")
        for number, value in zip((16, 17, 105), (-1, 99, "todo"), strict=True):
            rows[number]["effusion"] = value
        self.told(17, "label_placeholder", "R", 16, 17, 105)
        self.told(18, "label_positive_only", "R", says="nodule")
        rows[18]["months"], rows[19]["months"], rows[20]["event"] = 0, -3, 2
        self.told(19, "follow_up_value", "R", 18, 19, says="months")
        self.told(19, "follow_up_value", "R", 20, says="event")
        for number in (21, 22, 106, 107):
            rows[number]["height_cm"] = round(rows[number]["height_cm"] * 10, 1)
        self.told(20, "units_mixed", "W", 21, 22, 106, 107, says="height_cm")

    def plant_masks(self) -> None:
        masks = self.masks
        self.mask(30, np.zeros_like(masks[30]))
        self.told(21, "mask_empty", "W", 30)
        self.mask(31, np.where(masks[31] == 0, 2, masks[31]).astype(np.uint8))
        self.told(22, "mask_full", "R", 31)
        self.mask(32, masks[32][:, :-2])
        self.told(23, "label_shape", "R", 32)
        self.mask(33, masks[33], np.diag([1, 1, 1.4, 1.0]))
        self.told(24, "label_affine", "R", 33)
        shifted = np.eye(4)
        shifted[1, 3] = 0.7
        self.mask(34, masks[34], shifted)
        self.told(25, "label_affine", "R", 34)
        self.mask(35, np.ascontiguousarray(masks[35][:, ::-1]))
        self.mask(36, np.ascontiguousarray(masks[36][:, :, ::-1]))
        self.told(26, "label_arrangement", "R", 35, 36)
        path = self.mask(37, masks[37])
        sided = np.diag([-1.0, 1, 1, 1])
        sided[0, 3] = SHAPE[0] - 1
        flipped = nibabel.Nifti1Image(masks[37], sided)
        flipped.header.set_xyzt_units("mm")
        flipped.set_sform(sided, 1)
        flipped.set_qform(np.eye(4), 1)
        flipped.to_filename(path)
        self.told(27, "affines_contradict", "R", 37)
        exchanged = masks[38].copy()
        exchanged[masks[38] == 2], exchanged[masks[38] == 4] = 4, 2
        self.mask(38, exchanged)
        self.told(28, "label_arrangement", "R", 38)
        self.mask(39, np.where(masks[39] == 2, 255, 0).astype(np.uint8))
        self.told(29, "label_undeclared", "F", 39, says="task.segmentation.labels")
        self.mask(40, (masks[40] * 0.999).astype(np.float32))
        self.told(29, "label_not_whole", "F", 40, says="nearest neighbour")
        between = masks[41].copy()
        between[tuple(np.argwhere(masks[41] == 2)[0])] = 3
        self.mask(41, between)
        self.told(30, "label_undeclared", "R", 41, says="averaged")
        self.mask(42, masks[43])
        self.told(31, "mask_shared", "W", 42, 43)
        self.mask(44, np.ascontiguousarray(masks[44][::2, ::2, ::2]), np.diag([2.0, 2, 2, 1]))
        self.told(32, "label_shape", "R", 44)

    def plant_images(self) -> None:
        films = self.films
        self.film(50, np.full((FILM, FILM), 128, np.uint8) + (self.rng.random((FILM, FILM)) < 0.1).astype(np.uint8))
        self.told(33, "image_blank", "R", 50)
        self.film(51, 255 - films[51])
        self.told(34, "image_inverted", "W", 51)
        self.film(52, np.ascontiguousarray(np.rot90(films[52])))
        self.told(35, "image_turned", "W", 52)
        fan = np.hypot(*np.meshgrid(np.linspace(-1, 1, FILM), np.linspace(0, 2, FILM)))
        echo = np.where((fan < 1.9) & (fan > 0.3), 60 + 60 * np.abs(self.rng.normal(size=fan.shape)), 0)
        self.film(53, echo.clip(0, 255).astype(np.uint8))
        self.told(36, "image_outlying", "W", 53)
        for number, size in ((54, 0.0), (55, -1.0), (56, float("nan"))):
            path = self.folder / f"mri/scan{number:03d}.nii"
            content = bytearray(path.read_bytes())
            struct.pack_into("<f", content, 76 + 4 * 2, size)  # pixdim[2]
            path.write_bytes(content)
            self.told(37, "spacing", "R", number)
        for write, array in ((self.scan, self.volumes[57]), (self.mask, self.masks[57])):
            write(57, array, np.diag([2.0, 2, 2, 1]))
        self.told(38, "image_extent", "W", 57)
        path = self.folder / "mri/scan058.nii"
        path.write_bytes(path.read_bytes()[:-4000])
        self.told(39, "truncated", "R", 58)
        for number, value in ((59, np.nan), (60, np.inf)):
            hurt = self.volumes[number].astype(np.float32)
            hurt[4, 5, 6] = value
            self.scan(number, hurt)
            self.told(39, "not_finite", "R", number)
        for number in (61, 62):
            eight = ((self.volumes[number].clip(-160, 240) + 160) * (255 / 400)).astype(np.uint8)
            self.scan(number, eight)
        self.told(40, "values_depth", "W", 61, 62)
        for number in (63, 64):
            self.scan(number, (self.volumes[number] + 1024).astype(np.int16))
        self.told(40, "values_offset", "W", 63, 64)
