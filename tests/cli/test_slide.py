"""``preceptor slide``: what a slide holds, its tiles, and what is told where it can't be used."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from preceptor.cli import main
from tests.intake.slides.made import pyramid, stained, write_dicom, write_tiff


@pytest.fixture
def slide(tmp_path):
    """A slide in DICOM, which needs no extra."""
    write_dicom(tmp_path / "Doe", pyramid(stained(256, 320, "dots"), 3))
    return tmp_path / "Doe"


def _told(capsys, *command) -> dict:
    assert main([*map(str, command), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_tells_levels_in_microns_and_no_name(slide, capsys):
    told = _told(capsys, "slide", "info", slide)
    assert [each["microns_per_pixel"] for each in told["levels"]] == [[0.5, 0.5], [1.0, 1.0], [2.0, 2.0]]
    assert told["vendor"] == "dicom" and told["problem"] == ""
    assert main(["slide", "info", str(slide)]) == 0
    shown = capsys.readouterr().out
    assert "level 2:      64 x 80" in shown and "Doe" not in shown


def test_info_tells_what_is_wrong_with_the_microns_and_takes_those_given(tmp_path, capsys):
    pytest.importorskip("tiffslide")
    write_tiff(tmp_path / "a.tif", [stained(64, 64, "dots")], microns=None)
    assert "does not say how large its pixels are" in _told(capsys, "slide", "info", tmp_path / "a.tif")["problem"]
    given = _told(capsys, "slide", "info", tmp_path / "a.tif", "--slide-microns", "0.25")
    assert given["microns_per_pixel"] == [0.25, 0.25] and given["microns_found"] is None


def test_tiles_are_a_table_a_picture_and_files_where_asked(slide, tmp_path, capsys):
    out = tmp_path / "tiles"
    told = _told(capsys, "slide", "tile", slide, "--out", out, "--tile-um", "32", "--overlap", "0.5", "--pictures")
    rows = list(csv.DictReader((out / "tiles.csv").open()))
    assert len(rows) == told["tiles"] and {int(row["column"]) % 32 for row in rows} == {0}
    assert all(float(row["tissue"]) >= 0.5 for row in rows)
    whole = stained(256, 320, "dots")
    assert len(list((out / "tiles").iterdir())) == len(rows)
    for row in rows[::7]:
        top, left = int(row["row"]), int(row["column"])
        tile = np.asarray(Image.open(out / "tiles" / f"r{top}c{left}.png"))
        inside = whole[top : top + 64, left : left + 64]
        assert (tile[: inside.shape[0], : inside.shape[1]] == inside).all()
    assert Image.open(out / "overview.png").width > 400


def test_what_is_no_slide_ends_with_the_code_for_data(tmp_path, capsys):
    pytest.importorskip("tiffslide")
    (tmp_path / "Doe.svs").write_text("none")
    assert main(["slide", "info", str(tmp_path / "Doe.svs")]) == 3
    assert "no whole slide" in (told := capsys.readouterr().err) and "Doe" not in told


def test_sizes_that_make_no_tiles_end_with_the_code_for_usage(slide, tmp_path, capsys):
    assert main(["slide", "tile", str(slide), "--out", str(tmp_path / "o"), "--overlap", "1"]) == 2
    assert "can't be cut" in capsys.readouterr().err


def test_without_the_extra_it_is_named_and_the_code_is_its_own(tmp_path, capsys, monkeypatch):
    (tmp_path / "Doe.svs").write_bytes(b"II*\0")
    monkeypatch.setattr("preceptor.intake.slides.slide.find_spec", lambda name: None)
    assert main(["slide", "info", str(tmp_path / "Doe.svs")]) == 5
    assert "pip install 'preceptor[pathology]'" in capsys.readouterr().err
