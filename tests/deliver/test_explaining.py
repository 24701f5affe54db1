"""`preceptor explain` on finished runs: what it finds, what it writes, what the report shows and where it refuses."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Finding
from preceptor.deliver import explaining
from preceptor.prove.explaining.tabular_importance import TabularImportance

from .sealed import two_view_run

LESIONS = """\
study: lesions
seed: 3
cohort: {phantoms: {visits: 60, size: [24, 24], spacing_mm: [8, 8], lesion_contrast: 0.9, truth: true, folder: data}}
split: {by: patient, train: 0.6, test: 0.4, stratify: label}
prepare: [zscore]
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [8, 16], convolutions: 1}}
objective: cross_entropy
train: {epochs: 1, batch_size: 8, optimizer: {adamw: {lr: 1e-2}}}
evaluate: [{roc: {resamples: 100}}]
"""


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesions")
    (folder / "lesions.yaml").write_text(LESIONS)
    return api.run(folder / "lesions.yaml", folder / "runs", stream=None, device="cpu")


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return two_view_run(tmp_path_factory.mktemp("views")).folder


def test_regions_and_the_table_are_asked_and_shown(lesions, capsys):
    folder = lesions.folder
    command = ["explain", str(folder), "--occlude", "lesion=mask:lesion", "--table", "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    stored = Finding.from_json(json.loads((folder / "explanations" / "serial_occlusion.json").read_text()))
    assert said["serial_occlusion"] == stored.to_json()
    assert stored.cases == len(_cohort(folder).with_role("test")) == 24
    whole, covered = stored.parts["whole"].value, stored.parts["without_lesion"].value
    assert stored.value == covered and stored.parts["lost"].value == pytest.approx(whole - covered)
    assert whole == pytest.approx(api.open_run(folder).evidence["roc"].value)  # the same cases, the same network
    record = json.loads((folder / "explanations" / "table.json").read_text())
    table = TabularImportance.from_json(record["label"])
    assert {"age", "sex=M"} <= set(table.names) and table.to_json() == record["label"] == said["table"]["label"]
    assert table.cases == sum(case.role in ("train", "tune") for case in _cohort(folder))
    assert table.shares.base + table.shares.values.sum(1) == pytest.approx(table.shares.answer, abs=1e-9)
    page = (folder / "report.html").read_text()
    assert "With lesion covered" in page and "What the table alone would say" in page
    assert main(command) == 3
    assert "asked before: serial_occlusion.json, table.json" in capsys.readouterr().err
    assert main([*command[:-3], "--device", "cpu", "--fresh"]) == 0
    assert "everything but the regions" in capsys.readouterr().out


def test_boxes_and_an_atlas_cover_the_same_as_a_mask_that_marks_it(lesions, tmp_path):
    folder = lesions.folder
    case = _cohort(folder).with_role("test")[0]
    shape = nibabel.load(_cohort(folder).root / next(iter(case.images.values()))).shape
    affine = nibabel.load(_cohort(folder).root / next(iter(case.images.values()))).affine
    codes = np.zeros(shape, np.uint8)
    codes[: shape[0] // 2] = 3
    codes[shape[0] // 2 :] = 5
    nibabel.save(nibabel.Nifti1Image(codes, affine), tmp_path / "atlas.nii.gz")
    half = shape[0] // 2
    keys = [each.key for each in _cohort(folder).with_role("test")]
    rows = [f"{key},0,{half},0,{shape[1]}" for key in keys]
    (tmp_path / "boxes.csv").write_text("\n".join(["key,x_low,x_high,y_low,y_high", *rows]) + "\n")
    found = [
        api.explain(folder, occlude=[f"half={each}"], device="cpu", fresh=True, margin_voxels=0)["serial_occlusion"]
        for each in ("box:0-0.5,0-1", f"boxes:{tmp_path / 'boxes.csv'}", f"atlas:{tmp_path / 'atlas.nii.gz'}:3")
    ]
    assert found[0].parts["without_half"].value != found[0].parts["whole"].value
    assert found[1].to_json() == found[0].to_json() and found[2].to_json() == found[0].to_json()


def test_of_many_test_cases_so_many_are_drawn_by_the_runs_seed(lesions):
    drawn = [explaining.Tested.of(lesions, masks=(), most_cases=number, device="cpu") for number in (10, 10, 24)]
    keys = [list(each.fit) for each in drawn]
    assert len(keys[0]) == 10 and keys[0] == keys[1] and set(keys[0]) < set(keys[2]) and len(keys[2]) == 24
    assert keys[0] != keys[2][:10], "drawn, not the first"
    assert {case.key for case in drawn[0].cohort.with_role("test")} == set(keys[0])


def test_shares_of_views_add_up_over_folds(views, capsys):
    assert main(["explain", str(views), "--streams", "--device", "cpu", "--json"]) == 0
    found = Finding.from_json(json.loads(capsys.readouterr().out)["stream_shares"])
    shares = [found.parts[name].value for name in ("frontal", "lateral")]
    assert sum(shares) == pytest.approx(found.value - 0.5, abs=1e-9)
    assert found.cases == 24  # each was tested in one of the two folds
    assert "How much each input counts" in (views / "report.html").read_text()


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"occlude": ["heart=mask:heart"]}, "region_no_mask"),
        ({"occlude": ["heart"]}, "region_unknown"),
        ({"occlude": ["corner=box:0-2,0-1"]}, "region_box"),
        ({"occlude": ["corner=boxes:absent.csv"]}, "region_boxes"),
        ({"occlude": ["lobe=atlas:absent.nii.gz"]}, "region_atlas"),
        ({}, "explain_nothing"),
    ],
)
def test_what_cannot_be_asked_is_said(views, asked, code):
    with pytest.raises(RecipeError) as told:
        api.explain(views, device="cpu", fresh=True, **asked)
    assert told.value.problem.code == code and told.value.problem.expected


def test_what_the_cohort_lacks_is_said(views):
    for asked, code in (
        ({"occlude": ["corner=box:0-0.5,0-0.5,0-0.5"]}, "region_axes"),
        ({"table": True}, "table_fields"),
    ):
        with pytest.raises(CohortError) as told:
            api.explain(views, device="cpu", fresh=True, **asked)
        assert told.value.problem.code == code
    with pytest.raises(CohortError, match="asked before"):
        api.explain(views, streams=True, device="cpu")


def _cohort(folder):
    from preceptor.core.cohort import Cohort

    return Cohort.read(folder / "cohort.parquet")
