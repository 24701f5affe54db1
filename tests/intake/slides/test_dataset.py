"""Slides as a data set: their tiles as cases, kept together by patient."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.errors import CohortError, MissingExtra, PrepareError
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.cohort import build_cohort
from preceptor.intake.read import read_image
from preceptor.intake.slides import slide as module
from preceptor.intake.split import split
from preceptor.prepare.compose import prepare_sample
from tests.intake.slides.made import pyramid, stained, write_dicom, write_tiff


@pytest.fixture
def study(tmp_path):
    """Four slides of three patients, one in DICOM, with a table."""
    pytest.importorskip("tiffslide")
    rows = ["slide,patient,tumour"]
    for number, (patient, kind) in enumerate([("p1", "dots"), ("p1", "stripes"), ("p2", "dots"), ("p3", "stripes")]):
        levels = pyramid(stained(256, 320, kind, number), 3)
        name = f"slide{number}" if number == 3 else f"slide{number}.tif"
        write_dicom(tmp_path / name, levels) if number == 3 else write_tiff(tmp_path / name, levels)
        rows.append(f"{name},{patient},{kind}")
    (tmp_path / "slides.csv").write_text("\n".join(rows))
    return tmp_path


def _cohort(root, **settings):
    table = {"table": {"file": "slides.csv", "image": "slide", "patient": "patient", "labels": ["tumour"]}}
    return build_cohort(build("datasets", {"slides": {"of": table, "tile_um": 32, **settings}}, root=root))


def test_a_tile_is_a_case_with_its_slides_patient_and_label(study):
    cohort = _cohort(study)
    assert {case.patient for case in cohort} == {"p1", "p2", "p3"} and len(
        {case.fields["slide"] for case in cohort}
    ) == 4
    assert {(case.patient, case.labels["tumour"]) for case in cohort} == {
        ("p1", "dots"), ("p1", "stripes"), ("p2", "dots"), ("p3", "stripes"),
    }  # fmt: skip
    assert all(case.fields["tissue"] >= 0.5 for case in cohort)
    assert cohort.notes[-1].startswith(f"{len(cohort)} tiles of 32 um from 4 slides")


def test_a_tile_opens_as_the_pixels_at_its_place_in_millimetres(study):
    case = next(case for case in _cohort(study) if case.patient == "p1")
    image = open_case(study, case).reference
    row, column = case.fields["tile_row"], case.fields["tile_column"]
    whole = stained(256, 320, "dots", 0)
    assert image.array.shape == (3, 64, 64) and image.array.dtype == np.uint8
    assert (image.array == np.moveaxis(whole[row : row + 64, column : column + 64], -1, 0).swapaxes(1, 2)).all()
    assert image.spacing_mm == pytest.approx((0.0005, 0.0005))
    assert image.affine_mm[:2, 3] == pytest.approx(((column + 0.5) * 5e-4, (row + 0.5) * 5e-4), rel=1e-4)


def test_no_split_parts_the_tiles_of_a_patient_or_of_a_slide(study):
    for by_patient in (True, False):
        slides = {"folder": {"image": "*.tif", "patient": r"slide(\d)" if by_patient else None}}
        cohort = build_cohort(build("datasets", {"slides": {"of": slides, "tile_um": 32}}, root=study))
        assert (cohort.cases[0].patient is not None) == by_patient
        dealt = split(cohort, {"train": 0.4, "tune": 0.3, "test": 0.3}, seed=1)
        for slide in {case.fields["slide"] for case in dealt}:
            assert len({case.role for case in dealt if case.fields["slide"] == slide}) == 1
        assert {case.role for case in dealt} == {"train", "tune", "test"}


def test_tiles_are_of_one_physical_size_whatever_the_slides_are(study):
    write_tiff(study / "slide0.tif", [stained(512, 640, "dots")], microns=0.25)
    cohort = _cohort(study)
    for case in (next(c for c in cohort if c.labels["tumour"] == kind) for kind in ("dots", "stripes")):
        assert open_case(study, case).reference.shape == (64, 64)
        assert open_case(study, case).reference.spacing_mm == pytest.approx((0.0005, 0.0005))


def test_so_many_tiles_of_a_slide_as_asked(study):
    every, some = _cohort(study), _cohort(study, most_tiles=3)
    assert len(some) == 12 < len(every)
    assert {case.key for case in some} <= {case.key for case in every}
    assert f"{len(every) - 12} more have tissue and are not used" in some.notes[-1]


def test_slides_that_can_not_be_used_are_counted(study):
    write_tiff(study / "slide0.tif", [stained(256, 320, "dots")], microns=None)
    (study / "slide1.tif").write_bytes(b"II*\0 nothing")
    cohort = _cohort(study)
    assert dict(cohort.exclusions) == {
        "slides that can't be used (microns_unknown)": 1,
        "slides that can't be used (slide_damaged)": 1,
    }
    assert len(_cohort(study, slide_microns=0.5).exclusions) == 1
    with pytest.raises(CohortError, match="without a tile of enough tissue"):
        _cohort(study, tile_um=4000)


def test_a_source_that_names_no_tile_is_refused(study):
    for member in ("tile=1,2", "tile=a,b,32,0.5", "tile=0,0,32,nan", "tile=0,0,-3,0.5", "tile=0,0,1e12,0.5"):
        with pytest.raises(PrepareError, match="no tile"):
            read_image(study, f"slide0.tif::{member}")
    outside = read_image(study, "slide0.tif::tile=-900000,5000,32,0.5").array
    assert (outside == 255).all()


def test_without_the_extra_the_recipe_says_so(study, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pathology"):
        _cohort(study)


@pytest.mark.parametrize("step", ["macenko", "reinhard"])
def test_stain_steps_bring_tiles_of_two_laboratories_together(tmp_path, step):
    """Fitted on the tiles of one laboratory, and applied to those of both."""
    pytest.importorskip("tiffslide")
    for number, strength in enumerate((1.0, 1.0, 1.5)):
        write_tiff(tmp_path / f"s{number}.tif", [stained(192, 192, "dots", number, strength)])
    slides = {
        "of": {"folder": {"image": "*.tif", "keep_names": True}},
        "tile_um": 32,
        "least_tissue": 0.95,
        "most_tiles": 2,
    }
    cohort = build_cohort(build("datasets", {"slides": slides}, root=tmp_path))
    opened = {case.key: open_case(tmp_path, case) for case in cohort}
    near = [sample for key, sample in opened.items() if not key.startswith("s2")]
    far = [sample for key, sample in opened.items() if key.startswith("s2")]
    transform = build("transforms", step)
    transform = transform.with_state(transform.fit(iter(near)))

    def colour(samples):
        return np.mean([sample.reference.array.mean(axis=(1, 2)) for sample in samples], axis=0)

    def prepared(samples):
        return [prepare_sample(sample, [transform]) for sample in samples]

    before = np.abs(colour(near) - colour(far)).max()
    after = np.abs(colour(prepared(near)) - colour(prepared(far))).max()
    assert before > 15 and after < before / 3


def test_microns_are_told_slide_by_slide_in_the_table(tmp_path):
    pytest.importorskip("tiffslide")
    for name, microns in (("a", None), ("b", 0.5)):
        write_tiff(tmp_path / f"{name}.tif", [stained(256, 320, "dots")], microns=microns)
    (tmp_path / "slides.csv").write_text("slide,um\na.tif,0.25\nb.tif,\n")
    table = {"table": {"file": "slides.csv", "image": "slide", "fields": ["um"], "keep_names": True}}
    settings = {"of": table, "tile_um": 16, "least_tissue": 0.6}
    cohort = build_cohort(build("datasets", {"slides": {**settings, "slide_microns": "um"}}, root=tmp_path))
    counts = {source: sum(case.images["image"].startswith(source) for case in cohort) for source in ("a.tif", "b.tif")}
    assert 0 < 3 * counts["a.tif"] < counts["b.tif"]  # half as wide and half as tall
    assert {case.images["image"].count(",") for case in cohort if case.images["image"].startswith("a")} == {4}
    (tmp_path / "slides.csv").write_text("slide,um\na.tif,fine\n")
    with pytest.raises(CohortError, match="is no number"):
        build_cohort(build("datasets", {"slides": {**settings, "slide_microns": "um"}}, root=tmp_path))
