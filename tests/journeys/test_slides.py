"""Whole slides from end to end: stained sections in, a classifier of tiles trained and sealed, a heat map and a score out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.cohort import Cohort
from tests.intake.slides.made import pyramid, stained, write_dicom, write_tiff

pytest.importorskip("tiffslide")

_RECIPE = """
study: textures
seed: 5
cohort:
  slides:
    of: {table: {file: slides.csv, image: slide, patient: patient, labels: [texture]}}
    tile_um: 32
    microns_per_pixel: 1
    most_tiles: 5
checks: [unreadable, implausible_spacing, leaked_patients]
split: {by: patient, stratify: texture, train: 0.5, tune: 0.25, test: 0.25}
prepare: [macenko, zscore]
task: {classification: {label: texture, classes: [stripes, dots]}}
network: {cnn: {channels: [8, 16]}}
objective: cross_entropy
train: {epochs: 3, batch_size: 8, optimizer: {adamw: {lr: 1e-2}}}
evaluate: [roc]
gates: [{at_least: {finding: roc, value: 0.9, bound: value}}]
"""


def _mixed(rows: int = 320, columns: int = 512) -> np.ndarray:
    """Dots on the left, stripes on the right."""
    array = stained(rows, columns, "stripes", 99)
    array[:, : columns // 2] = stained(rows, columns, "dots", 98)[:, : columns // 2]
    return array


def _study(folder: Path) -> Path:
    rows = ["slide,patient,texture"]
    for number in range(12):
        kind = ("dots", "stripes")[number % 2]
        array = stained(256, 320, kind, number, strength=1.3 if number % 3 == 0 else 1.0)  # of two laboratories
        name = f"slide{number:02d}" + ("" if number % 4 == 0 else ".tif")
        write = write_dicom if number % 4 == 0 else write_tiff
        write(folder / name, pyramid(array, 3))
        rows.append(f"{name},p{number},{kind}")
    (folder / "slides.csv").write_text("\n".join(rows) + "\n")
    (folder / "recipe.yaml").write_text(_RECIPE)
    write_tiff(folder / "new.tif", pyramid(_mixed(), 4))
    return folder / "recipe.yaml"


@pytest.mark.slow
def test_a_classifier_of_tiles_finds_the_half_that_is_of_its_class(tmp_path, capsys):
    recipe = _study(tmp_path)
    run = api.run(recipe, out=tmp_path / "run")
    roles: dict[str, set] = {}
    for case in Cohort.read(run.folder / "cohort.parquet"):
        roles.setdefault(str(case.patient), set()).add(case.role)
    assert len(roles) == 12 and all(len(each) == 1 for each in roles.values())
    sealed = tmp_path / "textures.preceptor"
    api.seal(run.folder, sealed)
    capsys.readouterr()
    out = tmp_path / "map"
    command = [
        "slide",
        "heatmap",
        str(sealed),
        str(tmp_path / "new.tif"),
        "--out",
        str(out),
        "--overlap",
        "0.5",
        "--json",
    ]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["class"] == "dots" and told["tiles"] > 40 and told["refused"] < 0.2 * told["tiles"]
    assert told["score"]["largest"] > 0.9 and 0.3 < told["score"]["mean"] < 0.7
    rows = list(csv.DictReader((out / "tiles.csv").open()))
    assert len(rows) == told["tiles"]
    for side, wanted in (("left", True), ("right", False)):
        inside = [
            row for row in rows if (int(row["column"]) + 64 <= 256 if side == "left" else int(row["column"]) >= 256)
        ]
        said = [float(row["probability_dots"]) > 0.5 for row in inside if row["probability_dots"]]
        assert np.mean(np.array(said) == wanted) > 0.9
    assert {each.name for each in out.iterdir()} == {"heat_map.tif", "overview.png", "tiles.csv", "slide.json"}
    assert "new.tif" not in (out / "slide.json").read_text()
