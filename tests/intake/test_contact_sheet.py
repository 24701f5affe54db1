"""The sheet of phantoms: a tile for every view of the first cases, the truth outlined."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from preceptor.cli import main
from preceptor.intake.synthesis.contact_sheet import write_contact_sheet
from preceptor.intake.synthesis.drawn_study import Order


def test_a_sheet_shows_the_cases_and_their_truth(tmp_path):
    path = write_contact_sheet(
        Order({"lesions": {"size": [40, 40, 8], "most": 2}}, 7, seed=1), tmp_path / "a.png", side=80
    )
    sheet = np.asarray(Image.open(path))
    assert sheet.shape[1] == 6 * 88 + 8, "six tiles side by side, one below"
    outline = (sheet == (255, 176, 0)).all(axis=2)
    assert outline.any() and outline.mean() < 0.05
    again = write_contact_sheet(
        Order({"lesions": {"size": [40, 40, 8], "most": 2}}, 7, seed=1), tmp_path / "b.png", side=80
    )
    assert path.read_bytes() == again.read_bytes()


def test_the_command_writes_a_sheet_and_no_study(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    command = ["synthesise", "contrasts", "--show", str(path), "--cases", "2", "--set", "size=[32, 32]", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == {"sheet": str(path)}
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]
    assert np.asarray(Image.open(path)).shape[1] == 4 * 228 + 8, "two views of two cases"
