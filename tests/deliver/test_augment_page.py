"""The check page of augmentation: real cases before and after, what was drawn in words, and a place to sign."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from preceptor import api
from preceptor.cli import main
from preceptor.core.errors import RecipeError
from preceptor.deliver.augment_page import words

from ..prepare.cases import volumes

RECIPE = """\
study: tiny
name: Two balls <b>in</b> a box
seed: 5
cohort: {folder: {folder: data, image: "image*.nii", label: "label*.nii", keep_names: true}}
split: {by: image, train: 0.5, tune: 0.25, test: 0.25}
prepare: [zscore]
augment:
  - {flip: {axes: [left-right], chance: 0.5}}
  - {rotate: {degrees: 20}}
  - {elastic: {spacing_mm: 6, sigma_mm: 1, chance: 0.5}}
  - {noise: {sigma: 0.1}}
task: {segmentation: {labels: {small: 1, large: 2}}}
network: {unet: {channels: [4, 8]}}
objective: [dice]
train: {epochs: 1, batch_size: 2, patch: [12, 12, 12]}
evaluate: [dice]
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    volumes(folder / "data", ((24, 28, 20),) * 8)
    (folder / "tiny.yaml").write_text(RECIPE)
    told = api.show_augment(folder / "tiny.yaml", folder / "page.html", cases=2, variations=3, stream=None)
    return folder, told, (folder / "page.html").read_text(encoding="utf-8")


def _pictures(section: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', section)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB"), dtype=float) for each in found]


def test_every_case_is_shown_before_and_after_and_each_picture_differs(shown):
    _, told, text = shown
    assert len(told["cases"]) == 2
    for key in told["cases"]:
        section = text.split(f"Case {key}</h2>")[1].split("</section>")[0]
        pictures = _pictures(section)
        assert len(pictures) == 1 + 3 and len({each.shape for each in pictures}) == 1
        assert all(np.abs(one - two).mean() > 1 for n, one in enumerate(pictures) for two in pictures[:n])
        coloured = [(np.ptp(each, axis=2) > 60).any() for each in pictures]
        assert all(coloured), "the outline of the truth is drawn on each"
        for many in told["drawn"][key]:
            for drawn in many:
                assert words(drawn["name"], drawn["parameters"]) in section


def test_each_transform_is_shown_by_itself_and_can_be_judged(shown):
    _, _, text = shown
    alone = text.split("Each transform by itself</h2>")[1].split("</section>")[0]
    assert "flip: one draw" in alone and "rotate: weakest" in alone and "noise: strongest" in alone
    weakest, strongest = (float(re.search(rf"noise: {which}</strong><span>noise: sigma ([0-9.]+)", alone)[1])
                          for which in ("weakest", "strongest"))  # fmt: skip
    assert weakest < strongest
    signed = text.split("Signed off</h2>")[1]
    assert signed.count("too strong") == 4 and "Signature" in signed and "sigma: 0.1" in signed


def test_the_page_stays_offline_escapes_names_and_is_the_same_again(shown, tmp_path):
    folder, told, text = shown
    assert "Two balls &lt;b&gt;in&lt;/b&gt; a box" in text and "<b>in</b>" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    again = api.show_augment(folder / "tiny.yaml", tmp_path / "again.html", cases=2, variations=3, stream=None)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text and again["drawn"] == told["drawn"]


def test_what_was_drawn_in_words():
    assert words("rotate", {"degrees": [3.14159, -8.0, 0.0]}) == "rotate: 3.14°, −8°, 0°"
    assert words("affine", {"degrees": [1.0], "scale": 1.05, "shift_mm": [-0.0, 0.0]}) == "affine: 1°, scale 1.05"
    assert words("shift", {"shift_mm": [4.0, 0.0]}) == "shift: 4 mm, 0 mm"
    assert words("shift", {"shift_mm": [4.0, 0.0]}, known_geometry=False) == "shift: 4 pixels, 0 pixels"
    assert words("flip", {"flip": ["left-right"]}) == "flip: left-right"
    assert (
        words("perspective", {"corner_shift_pixels": [[1.0, -9.5], [2.0, 3.0]]})
        == "perspective: corner shift up to 9.5 pixels"
    )
    assert words("blur", {}) == "blur"
    policy = {"drawn": [{"rotate": {"degrees": [2.0]}}, {"blur": {}}]}
    assert words("rand_augment", policy) == "rand_augment: rotate: 2° + blur"


def test_the_verb(shown, tmp_path, capsys):
    folder, _, _ = shown
    page = tmp_path / "check.html"
    assert main(["show", "augment", str(folder / "tiny.yaml"), "-o", str(page), "--cases", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["page"] == str(page) and page.exists() and len(said["cases"]) == 1
    assert main(["show", "augment"]) == 2
    assert main(["show", "flip"]) == 0, "a plug-in's page as before"


def test_a_recipe_without_augmentation_is_refused(shown, tmp_path):
    folder, _, _ = shown
    copied = shutil.copy(folder / "tiny.yaml", folder / "plain.yaml")
    with pytest.raises(RecipeError, match="nothing"):
        api.show_augment(copied, tmp_path / "page.html", set=["augment=[]"], stream=None)
