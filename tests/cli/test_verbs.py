"""Every verb on a study small enough to train here: results on stdout, messages on stderr, nothing overwritten."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from preceptor.cli import main
from preceptor.core.cohort import Cohort

RECIPE = """\
study: tiny
seed: 3
cohort: {phantoms: {visits: 60, size: [24, 24], lesion_contrast: 0.5, format: png, folder: data}}
split: {by: patient, train: 0.5, tune: 0.1, calibrate: 0.2, test: 0.2, stratify: label}
prepare: [zscore]
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [4, 8], convolutions: 1}}
objective: cross_entropy
train: {epochs: 2, batch_size: 16, optimizer: {adamw: {lr: 1e-2}}}
safeguards: [temperature, input_control]
evaluate: [{roc: {resamples: 100}}]
gates: [{at_least: {finding: roc, value: 0.0, bound: value}}]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with a recipe, its finished run and the sealed bundle, all made by the command line."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(RECIPE)
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs"), "--device", "cpu"]) == 0
    run = next((folder / "runs").iterdir())
    assert main(["seal", str(run), "-o", str(folder / "tiny.preceptor")]) == 0
    return folder


def _run(study: Path) -> Path:
    return next(each for each in (study / "runs").iterdir() if "rehearsal" not in each.name)


def test_run_goes_on_where_it_stands_and_prints_its_result(study, capsys):
    before = (_run(study) / "predictions.parquet").stat().st_mtime_ns
    assert main(["run", str(study / "tiny.yaml"), "--out", str(study / "runs"), "--device", "cpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(_run(study))
    assert said["gates"] == {"at_least": True}
    assert set(said["findings"]) == {"roc"}
    assert Path(said["report"]).is_file()
    assert (_run(study) / "predictions.parquet").stat().st_mtime_ns == before


def test_set_changes_what_is_run(study, capsys):
    command = ["run", str(study / "tiny.yaml"), "--out", str(study / "runs"), "--rehearse", "--set", "seed=4", "--json"]
    assert main([*command, "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "rehearsal" in Path(said["folder"]).name
    assert "seed: 4" in (Path(said["folder"]) / "resolved.yaml").read_text()


def test_check_prints_the_resolved_recipe(study, capsys):
    assert main(["check", str(study / "tiny.yaml"), "--resolved"]) == 0
    said = capsys.readouterr().out
    assert "checkpoint_every_minutes: 10.0" in said
    assert main(["check", str(study / "tiny.yaml"), "--json", "--set", "train.epochs=9"]) == 0
    assert json.loads(capsys.readouterr().out)["resolved"]["train"]["epochs"] == 9


def test_check_tells_every_problem_and_exits_2(study, capsys):
    overrides = ["--set", "train.epochs=0", "--set", "network=cmm"]
    assert main(["check", str(study / "tiny.yaml"), "--json", *overrides]) == 2
    said = json.loads(capsys.readouterr().out)
    assert {problem["code"] for problem in said["problems"]} == {"parameter_bounds", "plugin_unknown"}


def test_report_is_written_anew(study, capsys):
    page = _run(study) / "report.html"
    page.unlink()
    assert main(["report", str(_run(study))]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert page.is_file()


def test_seal_overwrites_nothing_unasked(study, capsys):
    bundle = study / "tiny.preceptor"
    before = bundle.read_bytes()
    assert main(["seal", str(_run(study)), "-o", str(bundle)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert bundle.read_bytes() == before
    assert main(["seal", str(_run(study)), "-o", str(bundle), "--fresh"]) == 0


def test_a_gate_that_does_not_hold_exits_4(study, capsys):
    command = ["run", str(study / "tiny.yaml"), "--out", str(study / "strict"), "--device", "cpu"]
    assert main([*command, "--set", "gates.at_least.value=1.01"]) == 0
    run = next((study / "strict").iterdir())
    capsys.readouterr()
    assert main(["seal", str(run), "-o", str(study / "strict.preceptor")]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "not signed off" in said.err
    assert not (study / "strict.preceptor").exists()


def test_predict_answers_and_refuses_case_by_case(study, tmp_path, capsys):
    known = sorted((study / "data").rglob("*.png"))[:2]
    blank = tmp_path / "Doe_Jane.png"
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(blank)
    inputs = [str(path) for path in (*known, blank)]
    assert main(["predict", str(study / "tiny.preceptor"), *inputs, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    table = pandas.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(table) == 3
    assert not bool(table["accepted"].iloc[2])
    assert "Doe" not in said.out + said.err
    assert said.out.splitlines()[0].startswith("key,answer,")
    assert "3 cases, 1 refused" in said.err


def test_predict_without_images_is_a_wrong_call(study, capsys):
    assert main(["predict", str(study / "tiny.preceptor")]) == 2


def test_evaluate_judges_stored_predictions(study, tmp_path, capsys):
    table = str(_run(study) / "predictions.parquet")
    assert main(["evaluate", "--predictions", table, "--out", str(tmp_path / "judged"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "roc" in said["findings"]
    assert Path(said["evidence"]).is_file()


def test_evaluate_measures_a_bundle_on_a_cohort(study, tmp_path, capsys):
    cohort = str(_run(study) / "cohort.parquet")
    assert main(["evaluate", str(study / "tiny.preceptor"), cohort, "--out", str(tmp_path / "judged")]) == 0
    assert "roc" in capsys.readouterr().out


def test_show_tells_what_a_bundle_holds(study, capsys):
    assert main(["show", str(study / "tiny.preceptor")]) == 0
    assert "absent" in capsys.readouterr().out
    assert main(["show", str(study / "tiny.preceptor"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "tiny"


def test_a_checkpoint_is_no_bundle(study, capsys):
    checkpoint = next(_run(study).rglob("best.safetensors"))
    assert main(["show", str(checkpoint)]) == 3
    assert "preceptor seal" in capsys.readouterr().err


def test_cohort_is_built_checked_and_split(study, tmp_path, capsys):
    built, dealt = tmp_path / "cohort.parquet", tmp_path / "dealt.parquet"
    assert main(["cohort", "build", str(study / "data"), "-o", str(built), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 60
    assert (
        main(["cohort", "split", str(built), "-o", str(dealt), "--train", "0.5", "--tune", "0", "--test", "0.5"]) == 0
    )
    assert {case.role for case in Cohort.read(dealt)} == {"train", "test"}
    assert main(["cohort", "split", str(built), "-o", str(dealt)]) == 2, "nothing is overwritten"
    assert main(["cohort", "build", str(study / "data"), "-o", str(built)]) == 2
    assert main(["cohort", "build", str(study / "data"), "-o", str(tmp_path / "sheet.xlsx")]) == 3
    assert not (tmp_path / "sheet.xlsx").exists()
    capsys.readouterr()
    assert main(["cohort", "split", str(built), "-o", str(tmp_path / "x.parquet"), "--train", "0.9"]) == 2
    assert "add up to 1.2" in capsys.readouterr().err
    assert main(["cohort", "check", str(study / "tiny.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fit"] is True


def test_list_and_show(capsys):
    assert main(["list", "networks", "--json"]) == 0
    assert "unet" in json.loads(capsys.readouterr().out)["networks"]
    assert main(["show", "unet"]) == 0
    said = capsys.readouterr().out
    assert "network: unet" in said
    assert "Ronneberger" in said
    assert main(["show", "unett"]) == 2
    assert main(["list", "networkz"]) == 2


def test_schema_is_json(tmp_path, capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "preceptor recipe"
    assert main(["schema", "-o", str(tmp_path / "recipe.schema.json")]) == 0
    assert json.loads((tmp_path / "recipe.schema.json").read_text())["required"]


def test_doctor_tells_what_is_here_and_how_to_get_what_is_not(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"machine", "devices", "versions", "extras"}
    assert found["versions"]["torch"][0].isdigit()
    assert all("installed" in state or "pip install 'preceptor[" in state for state in found["extras"].values())
    offered = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(found["extras"]) == set(offered) - {"dev", "docs", "peers"}


def test_new_plugin_writes_two_files(tmp_path, capsys):
    assert main(["new", "plugin", "gate", "my_gate", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "my_gate.py"), str(tmp_path / "test_my_gate.py")]
