"""Known answer I11.3: what tells foreign images from frontal chest X-rays, and what it misses."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from preceptor.intake.read import read_image
from preceptor.maths import reference
from preceptor.maths.roc import auroc

CHEST, NUCLEI, ULTRASOUND = "cxr_covid_ieee8023", "nuclei_dsb2018", "pocus_lung_us_video"

#: Share refused at least, where 5 % of held-out images of the kind are.
REFUSED = {"nuclei": 0.95, "ultrasound": 0.80, "inverted": 0.98, "lateral": 0.60}


@pytest.fixture(scope="module")
def distances():
    """``{kind: (image, aspect)}`` from the frontal views of half of the patients; "own" are those of the other half."""
    from tests.conftest import SHARED

    if not all((SHARED / each).is_dir() for each in (CHEST, NUCLEI, ULTRASOUND)):
        pytest.skip("real data is not here")

    def grey(folder, name):
        return read_image(SHARED / folder, name).array.astype(np.float32).mean(0, keepdims=True)

    with (SHARED / CHEST / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frontal = [row for row in rows if row["view"] in ("PA", "AP", "AP Supine")]
    people = np.array([row["patientid"] for row in frontal])
    learnt = np.isin(people, np.random.default_rng(0).permutation(np.unique(people))[::2])
    images = [grey(CHEST, row["image"]) for row in frontal]
    seen = np.stack([reference.appearance(image) for image, is_learnt in zip(images, learnt, strict=True) if is_learnt])
    made = reference.fit_features(seen, 1, 2, components=20)
    own = [image for image, is_learnt in zip(images, learnt, strict=True) if not is_learnt]
    clips = sorted(each for each in (SHARED / ULTRASOUND / "clips").iterdir() if each.is_dir())
    generator = np.random.default_rng(0)
    kinds = {
        "own": own,
        "inverted": [-image for image in own],
        "half turn": [image[:, ::-1, ::-1] for image in own],
        "lateral": [grey(CHEST, row["image"]) for row in rows if row["view"] == "L"],
        "nuclei": [grey(NUCLEI, f"images/{path.name}") for path in sorted((SHARED / NUCLEI / "images").iterdir())],
        "ultrasound": [grey(f"{ULTRASOUND}/clips/{clip.name}", min(clip.iterdir()).name) for clip in clips],
        "noise": [generator.normal(size=(1, 64, 64)).astype(np.float32) for _ in range(100)],
    }
    found = {kind: np.array([reference.score(made, each) for each in given]) for kind, given in kinds.items()}
    return found | {"learnt": np.array([reference.score_features(made, each) for each in seen])}


def refused(distances, kind, aspect, limit_of="own"):
    limit = reference.threshold(distances[limit_of][:, aspect].tolist(), 0.05)
    return (distances[kind][:, aspect] > limit).mean()


@pytest.mark.answer("I11.3")
@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_the_coarse_layout_refuses_other_kinds(distances, kind):
    assert refused(distances, "own", 0) <= 0.05
    assert refused(distances, kind, 0) >= REFUSED[kind]


@pytest.mark.answer("I11.3")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ultrasound", 0.982), ("nuclei", 0.993), ("lateral", 0.959), ("inverted", 1), ("half turn", 0.987)],
)
def test_the_coarse_layout_ranks_other_kinds(distances, kind, expected):
    own, far = distances["own"][:, 0], distances[kind][:, 0]
    found = auroc(np.r_[np.zeros(len(own)), np.ones(len(far))], np.r_[own, far])
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.answer("I11.3")
@pytest.mark.slow
def test_noise_has_no_coarse_layout_and_is_told_by_its_detail(distances):
    assert refused(distances, "noise", 0) <= 0.2, "averaging hides it"
    assert refused(distances, "noise", reference.Distance._fields.index("detail")) == 1.0


@pytest.mark.answer("I11.3")
@pytest.mark.slow
def test_a_limit_from_the_images_it_learnt_from_refuses_too_many(distances):
    naive = refused(distances, "own", 0, limit_of="learnt")
    assert naive >= 0.15 > 3 * refused(distances, "own", 0)
