"""I12.9: the copies in a public chest X-ray collection: eight pairs, and people under two ids brought together.
I11.2: pictures of it that lie differently or are inverted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.copies.duplicates import find_pairs, merge_duplicates, pack, thumbnail, unpack
from preceptor.intake.orientation import CHANGES, coarsen, find_odd, learn_change
from preceptor.intake.read import read_image
from preceptor.intake.stored_facts import FactStore
from preceptor.intake.survey import survey

CHEST = "cxr_covid_ieee8023"


def cohort_of(folder) -> Cohort:
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = [Case(f"row-{place:03}", {"image": row["image"]}, row["patientid"]) for place, row in enumerate(rows)]
    return Cohort(tuple(cases), folder)


@pytest.fixture(scope="module")
def surveyed(request):
    from tests.conftest import SHARED

    if not (SHARED / CHEST).is_dir():
        pytest.skip(f"real data {CHEST} is not here")
    return survey(cohort_of(SHARED / CHEST), [build("checks", "duplicates")])


@pytest.mark.answer("I12.9")
def test_eight_pairs_and_no_other(surveyed):
    patients = {case.key: case.patient for case in surveyed.cohort}
    assert len(surveyed.cohort) == 289 and len(set(patients.values())) == 143
    found = sorted(tuple(sorted((patients[pair.first], patients[pair.second]))) for pair in surveyed.pairs)
    assert found == [("178", "97")] * 4 + [("285", "339")] * 3 + [("364", "364")]
    assert all(pair.form == "as it is" and pair.correlation > 0.999 for pair in surveyed.pairs)
    assert sum(pair.identical for pair in surveyed.pairs) == 4, "178 and 97 are encoded anew, the rest are not"


def test_eight_pairs_are_found_on_disk_as_well(surveyed, tmp_path):
    """The same pairs where what was seen lies on disk and the thumbnails are indexed."""
    check = surveyed.checks[0]
    store = FactStore(tmp_path, {"duplicates": {}}, surveyed.cohort.root, surveyed.cohort.cases)
    for case in surveyed.cohort:
        store.add({"duplicates": surveyed.facts["duplicates"][case.key]})
    store.close()
    found = check.pairs(store.facts()["duplicates"])
    assert len(found) == 8 and found == list(surveyed.pairs)


@pytest.mark.answer("I12.9")
def test_the_next_pair_is_far_away(surveyed):
    """Among different people: at most 0.94 alike, 0.67 in fine detail, however they are turned."""
    facts = surveyed.facts["duplicates"]
    small = {(key, "image"): unpack(fact["image"]["thumbnail"]) for key, fact in facts.items()}
    alike = find_pairs(small, same_picture=0.9, same_detail=0.0)
    assert 0.92 < max(abs(pair.correlation) for pair in alike if abs(pair.correlation) < 0.98) < 0.945
    assert len(find_pairs(small, same_picture=0.5, same_detail=0.7)) == 8


@pytest.mark.answer("I12.9")
@pytest.mark.parametrize(("other_layout", "same"), [(0.15, True), (0.30, False)])
def test_one_fine_detail_in_another_layout_is_another_picture(other_layout, same):
    """Correlations of 0.989 and 0.958: a filter, a grid or a collimator leaves its fine detail in every picture."""
    generator = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    detail = 0.02 * generator.normal(size=(32, 32))
    first = x + detail
    second = x + other_layout * y + detail
    small = {("a", "image"): first[None].astype(np.float32), ("b", "image"): second[None].astype(np.float32)}
    assert len(find_pairs(small, same_detail=0.5)) == same


@pytest.mark.answer("I12.9")
def test_people_under_two_ids_are_brought_together(surveyed):
    merged = merge_duplicates(surveyed.cohort, surveyed.pairs)
    clusters = {case.patient: {each.cluster for each in merged if each.patient == case.patient} for case in merged}
    assert clusters["97"] == clusters["178"] and clusters["285"] == clusters["339"]
    assert len({cluster for each in clusters.values() for cluster in each}) == 141
    assert all(len(each) == 1 for each in clusters.values()), "a person is not torn apart"
    assert [case.patient for case in merged] == [case.patient for case in surveyed.cohort], "what the data said stays"


@pytest.mark.answer("I12.9")
def test_a_split_by_patient_would_leak_and_is_reported(surveyed):
    """All of 97 to train and all of 178 to test: a split by patient, and four pictures on both sides."""
    roles = {"178": "test", "339": "test"}
    apart = [Case(c.key, c.images, c.patient, role=roles.get(c.patient, "train")) for c in surveyed.cohort]
    problems = surveyed.problems_of(Cohort(tuple(apart), surveyed.cohort.root))
    assert {problem.code: len(problem.cases) for problem in problems} == {
        "duplicates_across_split": 14,
        "duplicates_within_patient": 2,
    }
    assert problems[0].severity == "error" and problems[1].severity == "warning"


def altered(picture: np.ndarray) -> dict[str, np.ndarray]:
    """What people do to a picture before it is stored a second time. ``(x, y)`` uint8."""
    from PIL import Image as Pillow

    opened = Pillow.fromarray(picture)

    def jpeg(quality: int) -> np.ndarray:
        stream = io.BytesIO()
        opened.save(stream, "JPEG", quality=quality)
        return np.asarray(Pillow.open(stream))

    return {
        "JPEG 40": jpeg(40),
        "half": np.asarray(opened.resize((opened.width // 2, opened.height // 2), Pillow.Resampling.BILINEAR)),
        "brighter": np.clip(0.8 * picture.astype(float) + 40, 0, 255).astype(np.uint8),
        "mirrored": picture[::-1],
        "turned": np.rot90(picture),
        "upside down": picture[:, ::-1],
        "inverted": 255 - picture,
        "inverted and mirrored": 255 - picture[::-1],
    }


@pytest.mark.answer("I12.9")
def test_altered_copies_are_found(surveyed):
    """JPEG 40, half the size and brightness stay above 0.999; mirrors, turns and inversions count as what they are."""
    chosen = surveyed.cohort.cases[::24]
    for case in chosen:
        picture = read_image(surveyed.cohort.root, case.images["image"]).array.mean(axis=0).astype(np.uint8)
        copies = {"original": picture} | altered(picture)
        small = {(case.key, name): thumbnail(Image(each[None], np.eye(4))) for name, each in copies.items()}
        found = {pair.second_view: pair for pair in find_pairs(small) if pair.first_view == "original"}
        assert set(found) == set(altered(picture))
        for name in ("JPEG 40", "half", "brighter"):
            assert found[name].correlation > 0.998 and found[name].form == "as it is"
        assert found["mirrored"].form == "mirrored"
        assert found["upside down"].form == "turned 180° and mirrored"
        assert found["inverted"].correlation < -0.98 and found["inverted"].form == "inverted"
        assert found["turned"].form.startswith("turned")
    crop = picture[: int(0.9 * picture.shape[0]), : int(0.9 * picture.shape[1])]
    pair = {("a", "i"): thumbnail(Image(picture[None], np.eye(4))), ("b", "i"): thumbnail(Image(crop[None], np.eye(4)))}
    assert not find_pairs(pair), "crops are not found, and the documentation says so"


@pytest.mark.answer("I12.9")
@pytest.mark.slow
def test_exact_repeats_in_pneumonia_and_none_elsewhere(shared_data):
    """17 repeats inside train, 8 train pictures in val, one picture twice in test; none crosses into test."""
    arrays = np.load(shared_data("pneumoniamnist") / "pneumoniamnist.npz", allow_pickle=False)
    small, hashes = {}, {}
    for part in ("train", "val", "test"):
        for place, picture in enumerate(arrays[f"{part}_images"]):
            small[f"{part}-{place}", "image"] = thumbnail(Image(picture[None], np.eye(4)))
            hashes[f"{part}-{place}", "image"] = picture.tobytes().hex()
    pairs = find_pairs(small, hashes)
    assert all(pair.identical for pair in pairs), "nothing is taken for a copy that is none"
    parts = [tuple(sorted(key.partition("-")[0] for key in (pair.first, pair.second))) for pair in pairs]
    assert set(parts) == {("train", "train"), ("train", "val"), ("test", "test")}
    again = {pair.second for pair, part in zip(pairs, parts, strict=True) if part == ("train", "train")}
    in_val = {key for pair in pairs for key in (pair.first, pair.second) if key.startswith("val")}
    assert (len(again), len(in_val)) == (17, 8)


@pytest.mark.answer("I12.9")
def test_volumes_of_different_people_are_none(shared_data):
    folder = shared_data("hippocampus_msd_task04")
    images = sorted((folder / "images").glob("*.nii.gz"))[:60]
    cases = [Case(path.name, {"image": f"images/{path.name}"}) for path in images]
    assert not survey(Cohort(tuple(cases), folder), [build("checks", "duplicates")]).pairs


# ------------------------------------------------------------------ I11.2


@pytest.fixture(scope="module")
def frontal(request):
    """Thumbnails of the frontal views, standardised, and whose they are."""
    from tests.conftest import SHARED

    if not (SHARED / CHEST).is_dir():
        pytest.skip(f"real data {CHEST} is not here")
    with (SHARED / CHEST / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["view"] in ("PA", "AP", "AP Supine")]
    images = [read_image(SHARED / CHEST, row["image"]) for row in rows]
    small = np.stack([unpack(pack(thumbnail(image)))[0] for image in images])
    return images, small, np.array([row["patientid"] for row in rows])


@pytest.mark.answer("I11.2")
@pytest.mark.parametrize("change", CHANGES)
def test_changed_pictures_are_recognised(frontal, change):
    """Learnt on half of the patients, asked about the other: sensitivity 0.95 or more, false alarms 0.02 at most."""
    _, small, people = frontal
    assert len(small) == 224
    coarse = coarsen(small)
    learnt = np.isin(people, np.random.default_rng(0).permutation(np.unique(people))[::2])
    judge = learn_change(coarse[learnt], CHANGES[change])
    changed, kept = judge(CHANGES[change](coarse[~learnt])) > 0.5, judge(coarse[~learnt]) > 0.5
    assert changed.mean() >= 0.95 and kept.mean() <= 0.02


@pytest.mark.answer("I11.2")
@pytest.mark.parametrize("change", CHANGES)
def test_changed_pictures_in_a_cohort_are_named(frontal, change):
    """Ten of 224 are changed, in secret: most are found, named or mistaken for the nearest change; hardly another is."""
    _, small, people = frontal
    chosen = np.random.default_rng(1).choice(len(small), 10, replace=False)
    mixed = small.copy()
    mixed[chosen] = CHANGES[change](small)[chosen]
    odd = find_odd(mixed, people.tolist())
    assert set(odd) == set(CHANGES), "each is recognised in such pictures"
    found = np.any(list(odd.values()), axis=0)
    assert found[chosen].sum() >= 6 and odd[change][chosen].sum() >= 5
    assert np.delete(found, chosen).sum() <= 2
    assert not any(marked.any() for marked in find_odd(small, people.tolist()).values()), "as it is, nothing is odd"


@pytest.mark.answer("I11.2")
def test_the_flattest_picture_is_not_blank_and_a_blank_one_is(frontal):
    images, _, _ = frontal
    spreads = [image.array.std() / 255 for image in images]
    assert min(spreads) == pytest.approx(0.056, abs=0.003)
    check = build("checks", "odd_images")
    noise = np.random.default_rng(0).normal(128, 255 * 0.015, (1, 64, 64)).astype(np.uint8)
    opened = {"flattest": images[int(np.argmin(spreads))], "blank": Image(noise, np.eye(4))}
    cases = tuple(Case(key, {"image": "i"}) for key in opened)
    facts = {key: check.look(Case(key, {}), Sample(key, {"image": image}), None) for key, image in opened.items()}
    (problem,) = check(Cohort(cases, Path()), facts, None)
    assert (problem.code, problem.cases, problem.severity) == ("image_blank", ("blank",), "error")


@pytest.mark.answer("I11.2")
def test_cells_have_no_upside(shared_data):
    folder = shared_data("nuclei_dsb2018")
    images = [read_image(folder, f"images/{path.name}") for path in sorted((folder / "images").iterdir())]
    small = np.stack([unpack(pack(thumbnail(image)))[0] for image in images])
    assert find_odd(small, [str(place) for place in range(len(small))]) == {}
