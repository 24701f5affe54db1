"""P2.6 and P2.7: cells that can be counted, and two sites whose confounding is dialled in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from preceptor.core.drawn import Turn
from preceptor.intake.phantoms.cells import Cells
from preceptor.intake.phantoms.sites import Sites
from preceptor.maths.phantom_cells import cell_density, cell_numbers, place_cells
from preceptor.maths.phantom_sites import expected_aurocs

SIZE, NUMBER, RADIUS, MARGIN = (256, 256), 100, 5.0, 6.0
EIGHT = np.ones((3, 3), int)


def _components(seed: int, apart: float) -> tuple[int, np.ndarray]:
    centres = place_cells(np.random.default_rng(seed), NUMBER, SIZE, MARGIN, apart)
    return label(cell_numbers(centres, SIZE, RADIUS) > 0, EIGHT)[1], centres


@pytest.mark.answer("P2.6")
def test_spaced_cells_are_as_many_components_and_free_ones_are_fewer():
    for seed in range(10):
        spaced, centres = _components(seed, 13.0)
        assert spaced == NUMBER
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1e9 * np.eye(NUMBER)
        assert gaps.min() >= 13.0
        free, centres = _components(seed, 0.0)
        # The answer's ten draws gave 68 to 77; ours are other draws of the same law.
        assert 62 <= free <= 83 and len(centres) == NUMBER
    assert np.mean([_components(seed, 0.0)[0] for seed in range(30)]) == pytest.approx(72.5, abs=2.5)


@pytest.mark.answer("P2.6")
@pytest.mark.parametrize("apart", [0.0, 13.0])
def test_a_density_map_sums_to_the_count(apart):
    for seed in range(10):
        _, centres = _components(seed, apart)
        assert 99.9 <= cell_density(centres, SIZE, 2.5).sum() <= 100.001


@pytest.mark.answer("P2.6")
def test_a_drawn_picture_says_and_shows_its_count():
    kind = Cells(number=(40, 100))
    for index in range(3):
        drawn = kind.draw(Turn(0, index, 3))
        truth, grey = drawn.masks["cells"].array[0], drawn.images["image"].array[0]
        assert label(truth > 0, EIGHT)[1] == drawn.labels["count"] == truth.max()
        assert label(grey > 0.3, EIGHT)[1] == drawn.labels["count"]
    free = Cells(number=(100, 100), placing="free").draw(Turn(0, 0, 1))
    assert free.labels == {"count": 100}
    assert label(free.masks["cells"].array[0] > 0, EIGHT)[1] < 90, "a counter of components fails on these"


# ------------------------------------------------------------------ P2.7

KNOWN = {
    (0, 2, 0.8): (0.5, 0.752810238),
    (1, 2, 0.8): (0.760249939, 0.882023630),
    (1, 2, 0.5): (0.760249939, 0.685825628),
    (1, 0, 0.8): (0.760249939, 0.760249939),
}


@pytest.mark.answer("P2.7")
@pytest.mark.parametrize("dials", KNOWN)
def test_the_areas_within_and_pooled(dials):
    assert expected_aurocs(*dials) == pytest.approx(KNOWN[dials], abs=1e-9)


def _area(score: np.ndarray, positive: np.ndarray) -> float:
    order = np.argsort(np.argsort(score)) + 1.0
    number = positive.sum()
    return float((order[positive].sum() - number * (number + 1) / 2) / (number * (~positive).sum()))


@pytest.mark.answer("P2.7")
@pytest.mark.parametrize("dials", KNOWN)
def test_drawn_pictures_have_these_areas(dials):
    """The score is read from the pixels: 1,500 pictures, three standard errors."""
    effect, shift, confounding = dials
    kind, number = Sites(size=[12, 12], effect=effect, site_shift=shift, confounding=confounding), 1500
    disc = Sites(size=[12, 12], noise=0.0).draw(Turn(0, 0, 2)).images["image"].array[0] != np.float32(0.15)
    drawn = [kind.draw(Turn(1, index, number)) for index in range(number)]
    score = np.array([(case.images["image"].array[0][disc].mean() - 0.5) / 0.04 for case in drawn])
    assert np.allclose(score, [case.fields["score"] for case in drawn], atol=1e-4)
    positive = np.array([case.labels["label"] == "positive" for case in drawn])
    at_b = np.array([case.fields["site"] == "B" for case in drawn])
    assert at_b.sum() == number / 2
    assert positive[at_b].mean() == pytest.approx(confounding, abs=0.05)
    assert positive[~at_b].mean() == pytest.approx(1 - confounding, abs=0.05)
    within, pooled = expected_aurocs(*dials)
    found = np.mean([_area(score[site], positive[site]) for site in (at_b, ~at_b)])
    assert found == pytest.approx(within, abs=3 * 0.016)
    assert _area(score, positive) == pytest.approx(pooled, abs=3 * 0.014)


@pytest.mark.answer("P2.7")
def test_a_report_gives_both_and_the_one_within_holds_a_half(tmp_path):
    """Where the label does nothing: pooled far above a half, within the sites an interval that contains it."""
    import pandas

    from preceptor.core.cohort import Case, Cohort
    from preceptor.core.evidence import Predictions, Question
    from preceptor.core.slots import build

    kind, number = Sites(size=[8, 8], effect=0.0, site_shift=2.0, confounding=0.8), 400
    drawn = [kind.draw(Turn(2, index, number)) for index in range(number)]
    positive = 1 / (1 + np.exp(-np.array([case.fields["score"] - 1 for case in drawn])))
    classes = ("negative", "positive")
    table = pandas.DataFrame(
        {
            "key": [f"c{k}" for k in range(number)],
            "patient": [f"p{k}" for k in range(number)],
            "cluster": [f"p{k}" for k in range(number)],
            "role": "test",
            "fit": "0",
            "output": "label",
            "truth": [case.labels["label"] for case in drawn],
            "answer": [classes[int(each > 0.5)] for each in positive],
            "probability_negative": 1 - positive,
            "probability_positive": positive,
            "site": [case.fields["site"] for case in drawn],
        }
    )
    predictions = Predictions(table, Question("classification", "label", classes), tmp_path)
    cases = [Case(f"c{k}", {}, f"p{k}", fields=case.fields, role="test") for k, case in enumerate(drawn)]
    cohort = Cohort(tuple(cases), tmp_path)
    pooled = build("evaluators", {"roc": {"resamples": 200}})(predictions, cohort)
    within = build("evaluators", {"roc_within": {"field": "site"}})(predictions, cohort)
    assert pooled.interval[0] > 0.65
    assert within.interval[0] < 0.5 < within.interval[1] and within.value < 0.6
