"""`preceptor clean-pixels`: a folder in, a cleaned folder and a sheet out."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from preceptor.cli import main
from preceptor.intake.burned_in import pixel_cleaning
from preceptor.intake.burned_in.picture_cleaning import clean_image
from preceptor.intake.burned_in.text_detection import FoundText, TextBox
from preceptor.intake.raster import read_picture

BOX = TextBox(np.array([[8, 4], [30, 4], [30, 12], [8, 12]], float), 0.9)
DOUBT = TextBox(np.array([[20, 20], [28, 20], [28, 28], [20, 28]], float), 0.6)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture, a colour JPEG and a volume in a folder; the detector finds one box in each picture and doubts another."""
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText((BOX,), (DOUBT,)))
    rng = np.random.default_rng(0)
    source = tmp_path / "in"
    (source / "ARDEN ADA").mkdir(parents=True)
    Image.fromarray(rng.integers(20, 200, (40, 48), np.uint8)).save(source / "ARDEN ADA" / "ARDEN.png")
    Image.fromarray(rng.integers(20, 200, (40, 48, 3), np.uint8)).save(source / "film.jpg")
    volume = rng.integers(20, 200, (48, 40, 5)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1, 2, 1])), source / "scan.nii.gz")
    (source / "ARDEN.txt").write_text("not an image")
    return source


def test_a_folder_is_cleaned_into_another(folder, tmp_path, capsys):
    out, sheet = tmp_path / "out", tmp_path / "sheet.html"
    assert main(["clean-pixels", str(folder), str(out), "--review", str(sheet), "--json"]) == 0
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert len(said["files"]) == 4 and [bool(each.get("left_out")) for each in said["files"]].count(True) == 1
    assert "ARDEN" not in json.dumps(said["files"]) + shown.err + sheet.read_text(), "no file's name is told"
    before = np.asarray(Image.open(folder / "ARDEN ADA" / "ARDEN.png"))
    after = np.asarray(Image.open(out / "ARDEN ADA" / "ARDEN.png"))
    covered = np.zeros((40, 48), bool)
    covered[4:13, 8:31] = True
    assert (after[covered] == before.min()).all() and (after[~covered] == before[~covered]).all()
    colours = np.asarray(Image.open(out / "film.jpg.png"))
    assert (colours[~covered] == np.asarray(Image.open(folder / "film.jpg"))[~covered]).all()
    volume, scan = nibabel.load(folder / "scan.nii.gz"), nibabel.load(out / "scan.nii.gz")
    assert np.allclose(volume.affine, scan.affine)
    slices = (np.moveaxis(np.asarray(each.dataobj), (2, 1, 0), (0, 1, 2))[:, ::-1] for each in (volume, scan))
    first, second = slices
    assert (second[:, covered] == first.min()).all() and (second[:, ~covered] == first[:, ~covered]).all()
    page = sheet.read_text()
    assert page.count("<article") == 3 and page.count("data:image/png;base64,") == 6 and "http" not in page


def test_copies_among_the_originals_are_refused(folder, capsys):
    assert main(["clean-pixels", str(folder), str(folder / "out")]) == 2
    assert main(["clean-pixels", str(folder / "nothing"), str(folder)]) == 2
    assert "ARDEN" not in capsys.readouterr().err


def test_colours_and_time_come_back_in_their_order(folder):
    image = read_picture(folder / "film.jpg")
    clip = image.with_array(np.stack([image.array[0], image.array[1]])[None])
    clip = type(clip)(clip.array, clip.affine_mm, has_time=True, meta=clip.meta)
    cleaned, findings = clean_image(clip, fill="local")
    kept = ~findings.mask.T
    assert cleaned.array.shape == clip.array.shape and findings.frames == 2
    assert (cleaned.array[0, :, kept] == clip.array[0, :, kept]).all()
    assert (cleaned.array[0, :, ~kept] != clip.array[0, :, ~kept]).mean() > 0.9
