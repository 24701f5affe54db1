"""Wells of a plate: the growth that the table says can be read from the pixels, and the edge's dial is what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.core.drawn import Turn
from preceptor.core.errors import RecipeError
from preceptor.intake.phantoms.well_plate import WellPlate
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.drawn_study import Order, synthesise
from preceptor.maths.phantom_plate import cell_places, cover, logistic_growth


def plate(kind: WellPlate, number: int = 24, seed: int = 1):
    return [kind.draw(Turn(seed, index, number)) for index in range(number)]


def test_growth_is_straight_in_log_odds():
    days = np.array([0.0, 0.5, 1.0, 3.0])
    numbers = logistic_growth(10.0, 140.0, 1.3, days)
    assert numbers[0] == pytest.approx(10.0)
    odds = np.log(numbers / (140.0 - numbers))
    assert np.diff(odds) / np.diff(days) == pytest.approx([1.3] * 3)


def test_cells_cover_exactly_their_number_and_never_overlap():
    places = cell_places(np.random.default_rng(0), (80, 90), 37.0, 2.4)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 100 * np.eye(len(places))
    assert apart.min() >= 2 * 2.4 and np.linalg.norm(places, axis=1).max() < 37.0 - 2.4
    numbers = [0.0, 0.3, 7.0, 12.65, float(len(places))]
    shares, index = cover(places, numbers, (80, 90), 2.4)
    assert shares.sum(axis=(1, 2)) == pytest.approx(np.pi * 2.4**2 * np.array(numbers), rel=1e-5, abs=1e-9)
    assert [len(np.unique(each)) - 1 for each in index][2:] == [7, 13, len(places)]


def test_the_rate_can_be_read_from_the_grey_values():
    kind = WellPlate(noise=0.0)
    empty = WellPlate(noise=0.0, rate_per_day=1e-9)
    for drawn, without in zip(plate(kind)[::5], plate(empty)[::5], strict=True):
        views = list(drawn.images)
        first = without.images[views[0]].array.astype(float)
        told = np.array(json.loads(drawn.fields["cells"]))
        area = np.pi * kind.cell_radius**2
        held = [told[0] + (drawn.images[view].array - first).sum() / 0.4 / area for view in views]
        assert held == pytest.approx(told, rel=2e-3)
        odds = np.log(np.array(held) / (drawn.fields["capacity"] - np.array(held)))
        slope = np.polyfit(np.array(kind.hours) / 24, odds, 1)[0]
        assert slope == pytest.approx(drawn.labels["growth_rate_per_day"], rel=5e-3)


def test_the_edge_slows_growth_by_what_its_dial_says_and_nothing_else():
    even, uneven = plate(WellPlate()), plate(WellPlate(edge_effect=0.3))
    for one, other in zip(even, uneven, strict=True):
        kept = other.labels["growth_rate_per_day"] / one.labels["growth_rate_per_day"]
        assert kept == pytest.approx(0.7 if one.fields["position"] == "edge" else 1.0, abs=1e-5)
    assert [case.fields["position"] for case in even].count("edge") == 16
    assert [even[place].fields["well"] for place in (0, 5, 6, 23)] == ["A1", "A6", "B1", "D6"]


def test_a_layout_by_edges_confounds_the_edge_with_the_treatment_and_a_shuffled_one_does_not():
    def apart(layout: str) -> float:
        kind = WellPlate(
            layout=layout,
            effect=0.0,
            edge_effect=0.3,
            spread=0.05,
            plate_spread=0.0,
            size=[24, 24],
            hours=[0, 1],
            cell_radius=1.0,
        )
        cases = [kind.draw(Turn(2, index, 96)) for index in range(96)]
        rate = {group: [] for group in ("treated", "control")}
        for case in cases:
            rate[case.labels["treatment"]].append(case.labels["growth_rate_per_day"])
        return np.mean(rate["treated"]) - np.mean(rate["control"])

    assert apart("edges") == pytest.approx(1.2 * 0.3, abs=0.04)
    assert abs(apart("shuffled")) < 0.1


def test_a_plate_is_one_patient_and_a_film_holds_all_hours(tmp_path):
    kind = {"well_plate": {"rows": 2, "columns": 2, "size": [24, 24], "cell_radius": 1.0, "show": "film"}}
    cohort = synthesise(Order(kind, 6), tmp_path / "plates")
    assert [case.patient for case in cohort] == ["plate000"] * 4 + ["plate001"] * 2
    film = read_image(cohort.root, next(iter(cohort)).images["film"])
    assert film.has_time and film.array.shape == (1, 5, 24, 24, 1) and film.meta["time_step_s"] == 12 * 3600


def test_uneven_films_and_crowded_wells_are_refused():
    with pytest.raises(RecipeError, match="not evenly spaced"):
        WellPlate(hours=[0, 5, 24], show="film")
    with pytest.raises(RecipeError, match="has room for"):
        WellPlate(size=[16, 16], cell_radius=3.0).draw(Turn(0, 0, 1))
