"""A line of text is followed where a detector saw it in part, and only as long as its own grey value goes on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from preceptor.intake.burned_in.text_continuing import continued
from preceptor.intake.burned_in.text_detection import FoundText, find_text
from tests.golden.planted_names import font


def written(text="GRAUBNER HUGO 48213077", place=(60, 90), grey=40, seed=0):
    """Dark letters on noise that is now bright, now dark, and the columns and rows of their ink."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:200, :320]
    picture = 150 + 60 * np.sin(columns / 17) * np.cos(rows / 11) + rng.normal(0, 12, (200, 320))
    canvas = Image.new("L", (320, 200))
    ImageDraw.Draw(canvas).text(place, text, fill=255, font=font(14))
    share = np.asarray(canvas, float) / 255
    ink = np.nonzero(share > 0.5)
    return np.clip(picture * (1 - share) + grey * share, 0, 255).astype(np.uint8), ink


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def test_the_ends_that_were_missed_are_found_and_no_more():
    picture, (rows, columns) = written()
    first, last, height = columns.min(), columns.max(), 1.6 * np.ptp(rows)
    middle = (rows.min() + rows.max()) / 2
    seen = box(first + 35, middle - height / 2, last - 40, middle + height / 2)
    found = continued(seen, picture)
    assert found[0, 0] <= first + 2 and found[1, 0] >= last - 2
    assert found[0, 0] >= first - 1.3 * height and found[1, 0] <= last + 1.3 * height
    assert np.allclose(found[:, 1], seen[:, 1]), "the line's height is the detector's"


def test_a_line_that_runs_down_or_whose_corners_begin_elsewhere_is_followed_alike():
    picture, (rows, columns) = written()
    middle, height = (rows.min() + rows.max()) / 2, 1.6 * np.ptp(rows)
    seen = box(columns.min() + 35, middle - height / 2, columns.max() - 40, middle + height / 2)
    across = continued(seen, picture)
    down = continued(seen[:, ::-1], picture.T)
    assert np.allclose(down[:, ::-1], across)
    assert np.allclose(continued(np.roll(seen, 1, axis=0), picture), np.roll(across, 1, axis=0))


def test_what_has_no_grey_value_of_its_own_stays_as_it_is():
    rng = np.random.default_rng(1)
    seen = box(100, 80, 180, 100)
    for speckle in (
        rng.integers(0, 256, (200, 320)),
        120 + 90 * np.sin(np.arange(320) / 17) + rng.normal(0, 12, (200, 320)),
    ):
        assert np.array_equal(continued(seen, np.clip(speckle, 0, 255).astype(np.uint8)), seen)
    rows = np.arange(200)[:, None] * np.ones(320)
    edge = np.where((rows > 84) & (rows < 96), 200, 60).astype(
        np.uint8
    )  # a bone along the box: one value, but no strokes
    assert np.array_equal(continued(seen, edge), seen)
    flat = np.full((200, 320), 90, np.uint8)
    assert np.array_equal(continued(seen, flat), seen)


def test_letters_at_the_border_and_outside_of_it():
    picture, (rows, columns) = written(place=(2, 0))
    seen = box(40, rows.min() - 4, 120, rows.max() + 4)
    found = continued(seen, picture)
    assert found[0, 0] <= columns.min() + 2
    assert np.isfinite(found).all()
    assert np.array_equal(continued(box(-50, -40, -10, -30), picture), box(-50, -40, -10, -30))


@pytest.mark.parametrize(("shape", "searched"), [((4, 400), False), ((15, 15), False), ((28, 28), True)])
def test_a_picture_too_small_for_letters_is_not_searched(shape, searched, monkeypatch):
    passes = []
    monkeypatch.setattr(
        "preceptor.intake.burned_in.text_detection._searched",
        lambda piece, place, scale: passes.append((piece.shape, scale)) or [],
    )
    assert find_text(np.zeros(shape, np.uint8)) == FoundText()
    assert bool(passes) == searched
    assert all(max(piece[:2]) * scale <= 400 for piece, scale in passes), "small pictures are not blown up"
