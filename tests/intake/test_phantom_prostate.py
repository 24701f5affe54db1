"""Prostates of two zones: volumes, zones and conspicuity are in the pixels as the table says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.core.drawn import Turn
from preceptor.core.errors import RecipeError
from preceptor.intake.phantoms.prostate import Prostate


def cases(kind: Prostate, number: int = 8, seed: int = 3):
    return [kind.draw(Turn(seed, index, number)) for index in range(number)]


def test_the_zones_fill_the_volumes_that_the_table_says():
    for drawn in cases(Prostate(), 12):
        zones, fields = drawn.masks["zones"].array, drawn.fields
        voxel_ml = np.prod(drawn.masks["zones"].spacing_mm) / 1000
        assert (zones == 1).sum() * voxel_ml == pytest.approx(fields["central_ml"], rel=0.03)
        assert (zones == 2).sum() * voxel_ml == pytest.approx(fields["peripheral_ml"], rel=0.06)
        assert drawn.labels["gland_ml"] == pytest.approx(fields["central_ml"] + fields["peripheral_ml"], abs=1e-5)
        assert 25 <= drawn.labels["gland_ml"] <= 70


def test_every_lesion_lies_in_its_zone_as_a_whole():
    kind, seen = Prostate(affected=1.0, most=3), set()
    for drawn in cases(kind, 20):
        zones, lesion = drawn.masks["zones"].array[0], drawn.masks["lesion"].array[0] > 0
        told = json.loads(drawn.fields["lesions"])
        assert drawn.labels["label"] == "lesion" and told
        assert zones[lesion].all(), "no lesion leaves the gland"
        held = {1: "central", 2: "peripheral"}
        counted = {held[value] for value in np.unique(zones[lesion])}
        assert counted <= {each["zone"] for each in told}
        for each in told:
            place = [
                round(at / step + (count - 1) / 2)
                for at, step, count in zip(each["centre_mm"], kind.spacing_mm, kind.size, strict=True)
            ]
            assert held[int(zones[tuple(place)])] == each["zone"]
            seen.add(each["zone"])
    assert seen == {"central", "peripheral"}


def test_conspicuity_is_what_a_view_loses_and_adds_up_to_the_lesions_volume():
    kind = Prostate(affected=1.0, t2_conspicuity=(6.0, 3.0), adc_conspicuity=(1.0, 5.0))
    hidden = Prostate(affected=1.0, t2_conspicuity=(0.0, 0.0), adc_conspicuity=(0.0, 0.0))
    voxel_mm3 = np.prod(kind.spacing_mm)
    for drawn, without in zip(cases(kind), cases(hidden), strict=True):
        for view in ("t2", "adc"):
            lost = (without.images[view].array.astype(float) - drawn.images[view].array).sum() * voxel_mm3
            told = json.loads(drawn.fields["lesions"])
            planted = sum(each["conspicuity"][view] * each["volume_mm3"] for each in told)
            assert lost / kind.noise == pytest.approx(planted, rel=2e-3)
        for each in json.loads(drawn.fields["lesions"]):
            place = ("central", "peripheral").index(each["zone"])
            assert 0.5 <= each["conspicuity"]["t2"] / kind.t2_conspicuity[place] <= 1.5
            assert 0.5 <= each["conspicuity"]["adc"] / kind.adc_conspicuity[place] <= 1.5


def test_by_default_each_view_shows_the_lesions_of_its_own_zone_better():
    shown = {(zone, view): [] for zone in ("central", "peripheral") for view in ("t2", "adc")}
    for drawn in cases(Prostate(affected=1.0, most=1), 24):
        (told,) = json.loads(drawn.fields["lesions"])
        zone, inside = told["zone"], drawn.masks["lesion"].array[0] > 0
        around = (drawn.masks["zones"].array[0] == (1 if zone == "central" else 2)) & ~inside
        for view, image in drawn.images.items():
            if inside.any():
                shown[zone, view].append(image.array[0][around].mean() - image.array[0][inside].mean())
    mean = {each: np.mean(values) for each, values in shown.items()}
    assert mean["central", "t2"] > 2 * mean["central", "adc"]
    assert mean["peripheral", "adc"] > 2 * mean["peripheral", "t2"]


def test_the_share_of_the_ill_is_a_dial_and_leaves_the_glands_alone():
    some, none = (
        cases(Prostate(size=[24, 24, 10], spacing_mm=[3.4, 3.4, 8.0], affected=share), 60) for share in (0.3, 0.0)
    )
    assert np.mean([drawn.labels["label"] == "lesion" for drawn in some]) == pytest.approx(0.3, abs=0.13)
    for one, other in zip(some, none, strict=True):
        assert one.labels["gland_ml"] == other.labels["gland_ml"] and not other.masks["lesion"].array.any()
        assert np.array_equal(one.masks["zones"].array, other.masks["zones"].array)


def test_a_gland_that_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="does not fit"):
        Prostate(size=[16, 16, 8], spacing_mm=[1.0, 1.0, 2.0]).draw(Turn(0, 0, 1))
