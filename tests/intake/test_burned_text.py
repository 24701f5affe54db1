"""Burned-in text: where the table says, as strong as it says, and nowhere else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import ImageFont

from preceptor.cli import main
from preceptor.core.cohort import Cohort
from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.intake.burned_in.planted_text import BurnedText
from preceptor.intake.case import open_case
from preceptor.intake.synthesis.drawn_study import Order, synthesise

KIND = {"lesions": {"size": [120, 100, 4], "noise": 0.0, "most": 1}}


@pytest.mark.parametrize(("kind", "form"), [(KIND, "dicom"), ({"trivial": {"size": [160, 128], "noise": 0.0}}, "png")])
def test_the_box_holds_all_of_the_text_and_nothing_else(kind, form, tmp_path):
    plain = synthesise(Order(kind, 12, form, 1), tmp_path / "plain")
    burned = synthesise(Order(kind, 12, form, 1, BurnedText(0.5, (8, 14), (0.3, 0.8))), tmp_path / "burned")
    texts = 0
    for one, two in zip(plain, burned, strict=True):
        assert one.labels == two.labels and one.patient == two.patient
        before, after = (
            open_case(c.root, case).images["image"].array[0].astype(float) for c, case in ((plain, one), (burned, two))
        )
        told = json.loads(two.fields["burned_text"])
        changed = before != after  # a series is read as displayed: columns to the left of the patient, rows to the back
        changed = changed.all(axis=2) | changed.any(axis=2) if changed.ndim == 3 else changed
        assert changed.any() == bool(told)
        if told:
            left, top, right, bottom = told[0]["box"]
            places = np.argwhere(changed)
            assert (places.min(axis=0) >= (left - 2, top - 2)).all() and (
                places.max(axis=0) <= (right + 2, bottom + 2)
            ).all()
            assert bottom - top + 1 <= told[0]["height_px"] * 1.3 and right - left > 3 * (bottom - top)
            unit = 255 if form == "png" else 1000
            assert np.abs(after - before).max() / unit <= told[0]["contrast"] + 0.01
            texts += 1
    assert 2 <= texts <= 10


def test_sizes_contrasts_and_places_vary_and_nothing_leaves_the_picture():
    drawn = Drawn(
        {
            "a": centred(np.full((64, 48), 0.2, np.float32), (1, 1)),
            "b": centred(np.full((64, 48), 0.9, np.float32), (1, 1)),
        }
    )
    told = []
    for index in range(40):
        burned = BurnedText(1.0).burn(drawn, Turn(0, index, 40))
        a, b = json.loads(burned.fields["burned_text"])
        assert a["text"] == b["text"] and a["box"] == b["box"]
        assert 0 <= a["box"][0] <= a["box"][2] < 64 and 0 <= a["box"][1] <= a["box"][3] < 48
        assert burned.images["a"].array.max() > 0.2 and burned.images["b"].array.min() < 0.9
        told.append(a)
    assert len({each["height_px"] for each in told}) > 6 and len({tuple(each["box"]) for each in told}) > 25
    assert drawn.images["a"].array.max() == np.float32(0.2), "the picture that came in is as it was"
    none = BurnedText(0.0).burn(drawn, Turn(0, 0, 1))
    assert json.loads(none.fields["burned_text"]) == []


@pytest.mark.parametrize("width", [14, 30, 60, 200])
def test_the_table_holds_the_text_that_is_seen(width):
    drawn = Drawn({"a": centred(np.full((width, 40), 0.2, np.float32), (1, 1))})
    lengths = set()
    for index in range(30):
        (told,) = json.loads(BurnedText(1.0, (8, 20)).burn(drawn, Turn(0, index, 30)).fields["burned_text"])
        _, _, right, bottom = ImageFont.load_default(size=told["height_px"]).getbbox(told["text"])
        left, _, last, _ = told["box"]
        assert 0 < last - left + 1 <= right + 1 <= width + 2, "no letter is cut off"
        assert last - left + 1 >= 0.8 * right - 2, "the whole text is there"
        lengths.add(len(told["text"]))
    assert max(lengths) > 15 if width == 200 else max(lengths) < 15


def test_the_command_line_burns(tmp_path):
    out = tmp_path / "s"
    command = [
        "synthesise",
        "shepp_logan",
        str(out),
        "--cases",
        "6",
        "--format",
        "png",
        "--burned-text",
        "1",
        "--text-height-px",
        "9",
        "9",
    ]
    assert main(command) == 0
    fields = [json.loads(case.fields["burned_text"])[0] for case in Cohort.read(out / "cohort.csv")]
    assert {each["height_px"] for each in fields} == {9} and all("^" in each["text"] for each in fields)
