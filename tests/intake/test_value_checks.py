"""Checks of pixels and headers: what each must tell, and the nearest thing it must let pass."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.checks.label_anatomy import centres_mm
from preceptor.intake.read import read_image


def told(name, samples, task=None, patients=None, **settings):
    check = build("checks", {name: settings})
    cases = [
        Case(each.key, {"image": "i"}, patients[n] if patients else f"p{n}", masks=dict.fromkeys(each.masks, "m"))
        for n, each in enumerate(samples)
    ]
    facts = {case.key: check.look(case, each, None) for case, each in zip(cases, samples, strict=True)}
    return [
        (problem.code, problem.severity, problem.cases) for problem in check(Cohort(tuple(cases), Path()), facts, task)
    ]


def image(array, affine=None, **meta):
    return Image(array[None], np.eye(4) if affine is None else affine, meta=meta)


def label(array, affine=None):
    return Image(array[None], np.eye(4) if affine is None else affine, is_label=True)


# ------------------------------------------------------------------ anatomy


def two_parts(seed, exchanged=False):
    rng = np.random.default_rng(seed)
    array = np.zeros((20, 24, 16), np.uint8)
    for value, front in ((1, 14), (2, 4)):
        x, y, z = rng.integers(6, 10), front + rng.integers(-1, 2), rng.integers(5, 8)
        array[x : x + 4, y : y + 5, z : z + 4] = 3 - value if exchanged else value
    return array


def test_centres_lie_where_the_affine_says():
    array = np.zeros((9, 9, 9), np.uint8)
    array[2:5, 4, 4] = 3
    tilt = np.array([[0, -2.0, 0, 10], [1, 0, 0, -5], [0, 0, 3, 1], [0, 0, 0, 1]])
    assert centres_mm(label(array, tilt)) == {"3": [2.0, -2.0, 13.0]}
    assert centres_mm(label(np.arange(729).reshape(9, 9, 9).astype(np.uint16))) == {}, "729 instances"


def test_exchanged_structures_in_maps_stored_either_way():
    """Half of the maps are stored from back to front, as their affine says: that is no fault."""
    samples = []
    for n in range(30):
        array, affine = two_parts(n, exchanged=n in (4, 17)), np.eye(4)
        if n % 2:
            array, affine = array[:, ::-1], np.diag([1.0, -1, 1, 1])
            affine[1, 3] = array.shape[1] - 1
        samples.append(Sample(f"c{n}", {}, {"label": label(np.ascontiguousarray(array), affine)}))
    assert told("label_anatomy", samples) == [("label_arrangement", "error", ("c4", "c17"))]
    assert told("label_anatomy", samples[:15]) == [], "fifteen people make no rule"
    assert told("label_anatomy", samples, patients=["one"] * 30) == []
    task = build("tasks", {"segmentation": {"labels": {"nucleus": 1}, "numbered": True}})
    assert told("label_anatomy", samples, task) == []


def test_structures_that_lie_either_way_give_no_rule():
    samples = [Sample(f"c{n}", {}, {"label": label(two_parts(n, exchanged=n % 3 == 0))}) for n in range(30)]
    assert told("label_anatomy", samples) == []


# ------------------------------------------------------------------ shared maps


def test_a_map_on_two_images():
    rng = np.random.default_rng(0)
    scans = [rng.normal(size=(8, 8, 8)).astype(np.float32) for _ in range(12)]
    maps = [(rng.random((8, 8, 8)) < 0.2).astype(np.uint8) for _ in range(12)]

    def samples(which):
        return [Sample(f"c{n}", {"image": image(scans[n])}, {"label": label(maps[which[n]])}) for n in range(12)]

    assert told("shared_masks", samples(range(12))) == []
    once = [*range(11), 3]
    assert told("shared_masks", samples(once)) == [("mask_shared", "warning", ("c3", "c11"))]
    assert told("shared_masks", samples(once), patients=["p"] * 12) == [], "two scans of one person"
    assert told("shared_masks", samples([0] * 12)) == [], "one region for all"
    maps[3] = np.zeros_like(maps[3])
    assert told("shared_masks", samples(once)) == [], "empty maps are alike"


# ------------------------------------------------------------------ headers


@pytest.mark.parametrize(
    ("change", "codes", "wrong"),
    [
        (np.diag([-1.0, 1, 1, 1]), (1, 1), True),
        (np.diag([-1.0, 1, 1, 1]), (4, 1), False),  # an atlas beside the scanner
        (np.diag([1.0, 1, 1.01, 1]), (1, 1), False),
        (np.eye(4), (1, 1), False),
        (np.diag([1.0, 1, 1, 1]) + 3 * np.eye(4, k=3), (2, 2), True),
    ],
)
def test_an_sform_against_a_qform(change, codes, wrong, tmp_path):
    made = nibabel.Nifti1Image(np.arange(600, dtype=np.int16).reshape(10, 10, 6), np.eye(4))
    made.header.set_xyzt_units("mm")
    made.set_sform(change, codes[0])
    made.set_qform(np.eye(4), codes[1])
    made.to_filename(tmp_path / "a.nii")
    found = told("conflicting_geometry", [Sample("c", {"image": read_image(tmp_path, "a.nii")})])
    assert found == ([("affines_contradict", "error", ("c",))] if wrong else [])


# ------------------------------------------------------------------ values


def scan(seed, offset=0.0, dtype=np.int16):
    rng = np.random.default_rng(seed)
    array = np.where(
        np.indices((12, 12, 12)).sum(0) > 16, rng.normal(40, 30, (12, 12, 12)), rng.normal(-1000, 8, (12, 12, 12))
    )
    return (array + offset).astype(dtype)


def test_hounsfield_units_beside_shifted_ones():
    sound = [Sample(f"c{n}", {"image": image(scan(n))}) for n in range(8)]
    assert told("mixed_values", sound) == []
    for offset in (1000, 1024):
        shifted = Sample("s", {"image": image(scan(9, offset))})
        assert told("mixed_values", [*sound, shifted]) == [("values_offset", "warning", ("s",))]
    magnetic = Sample("m", {"image": image(np.abs(scan(9)) // 2 + 300)})
    assert told("mixed_values", [*sound, magnetic]) == [], "starts neither there nor 1024 higher"
    assert told("mixed_values", [Sample(f"c{n}", {"image": image(scan(n, 1024))}) for n in range(8)]) == []


def test_eight_bits_beside_more():
    rng = np.random.default_rng(1)
    deep = [Sample(f"c{n}", {"image": image(rng.integers(0, 4000, (30, 30)).astype(np.uint16))}) for n in range(6)]
    flat = Sample("f", {"image": image(rng.integers(0, 256, (30, 30)).astype(np.uint8))})
    assert told("mixed_values", [*deep, flat]) == [("values_depth", "warning", ("f",))]
    assert told("mixed_values", [flat, deep[0], *[Sample(f"g{n}", flat.images) for n in range(5)]]) == [
        ("values_depth", "warning", ("c0",))
    ]
    real = [Sample(f"r{n}", {"image": image(rng.normal(size=(30, 30)).astype(np.float32))}) for n in range(6)]
    assert told("mixed_values", [*real, flat]) == [], "numbers with a fraction have no depth"


def test_millimetres_are_asked_of_each_view_by_itself():
    from preceptor.core.image import UNKNOWN_GEOMETRY

    both = [
        Sample(
            f"c{n}",
            {"scan": image(scan(n)), "film": image(np.zeros((9, 9), np.uint8), geometry=UNKNOWN_GEOMETRY)},
        )
        for n in range(3)
    ]
    assert told("implausible_spacing", both) == []
