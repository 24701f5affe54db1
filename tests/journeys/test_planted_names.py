"""A study of images that name their patients everywhere: nothing that a run writes, says or seals repeats a name."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from pydicom import dcmread

from preceptor.cli import main
from preceptor.intake.deidentify.leak_audit import audit_folder
from tests.intake.deidentify.planted import image

RECIPE = """\
study: planted
seed: 3
cohort: {table: {file: in/MRN-CANARYTABLE.csv, image: path, patient: patient, labels: [label], fields: [sex]}}
split: {by: patient, train: 0.5, tune: 0.1, calibrate: 0.2, test: 0.2, stratify: label}
prepare: [zscore]
task: {classification: {classes: [absent, present]}}
network: {cnn: {channels: [4, 8], convolutions: 1}}
objective: cross_entropy
train: {epochs: 1, batch_size: 16, optimizer: {adamw: {lr: 1e-2}}}
safeguards: [temperature, input_control]
evaluate: [{roc: {resamples: 100}}]
gates: [{at_least: {finding: roc, value: 0.0, bound: value}}]
"""

#: Twelve kinds of words, each with a number for every patient.
KINDS = {
    "name": "CANARYNAME{}",
    "identifier": "CANARYID{}",
    "birth": "1931{:02}17",
    "address": "CANARYSTREET{}",
    "accession": "CANARYACC{}",
    "file name": "CANARYFILE{}",
    "folder": "CANARYFOLDER{}",
    "column": "CANARYCOLUMN{}",
    "private": "CANARYPRIV{}",
    "description": "CANARYDESC{}",
    "report": "CANARYREPORT{}",
    "UID": "1.2.3.777.{}.888",
}

#: Files of a run that say which source or patient stands behind a key, and what they may hold for that.
LINKS = {
    "cohort.parquet": {"file", "folder", "identifier"},
    "predictions.parquet": {"identifier"},
    "inputs.csv": {"file", "folder", "broken"},
}


def _study(root, number):
    """One patient's image and row, and the words planted in them."""
    words = {kind: form.format(number % 12 + 1 if kind == "birth" else number + 100) for kind, form in KINDS.items()}
    dataset = dcmread(io.BytesIO(image(number)))
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 200, (24, 24), dtype=np.uint16)
    pixels[8:14, 8:14] += 400 * (number % 2)
    dataset.Rows = dataset.Columns = 24
    dataset.PixelData = pixels.tobytes()
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = (
        words["name"],
        words["identifier"],
        words["birth"],
    )
    dataset.PatientAddress, dataset.AccessionNumber = words["address"], words["accession"]
    dataset.StudyDescription, dataset.StudyInstanceUID = words["description"], words["UID"]
    dataset.private_block(0x0019, "SIEMENS MR HEADER").add_new(0x0F, "LO", words["private"])
    path = root / words["folder"] / f"{words['file name']}.dcm"
    path.parent.mkdir(parents=True)
    dataset.save_as(path, enforce_file_format=True)
    row = {"path": path.relative_to(root), "patient": words["identifier"], "label": ("absent", "present")[number % 2]}
    row |= {"sex": "FM"[number % 3 % 2], "note": words["column"], "report": words["report"]}
    return row, {f"{kind} {number}": word for kind, word in words.items()}


def _hand_out(folder, out):
    """Everything that is made of a run to be given away: cards, checklists, the report, evidence, sheets for readers."""
    for name in ("model_card", "data_sheet", "claim_2024", "tripod_ai"):
        assert main(["checklist", str(folder), "--name", name, "--out", str(out / f"{name}.md")]) == 0
    assert main(["report", str(folder)]) == 0
    assert main(["evaluate", "--predictions", str(folder / "predictions.parquet"), "--out", str(out / "judged")]) == 0
    assert (
        main(["evaluate", str(out / "planted.preceptor"), str(folder / "cohort.parquet"), "--out", str(out / "again")])
        == 0
    )
    assert (
        main(["readers", "allocate", str(folder), "--reader", "R1", "--reader", "R2", "--out", str(out / "readers")])
        == 0
    )
    assert main(["show", str(out / "planted.preceptor")]) == 0


@pytest.mark.slow
def test_no_output_of_a_run_repeats_a_planted_word(tmp_path, capfd):
    rows, known = [], {}
    for number in range(60):
        row, words = _study(tmp_path / "in", number)
        rows.append(row)
        known |= words
    with (tmp_path / "in/MRN-CANARYTABLE.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "planted.yaml").write_text(RECIPE)
    out = tmp_path / "out"
    run = ["run", str(tmp_path / "planted.yaml"), "--out", str(out / "runs"), "--device", "cpu"]
    assert main(run) == 0
    folder = next((out / "runs").iterdir())
    assert main(["seal", str(folder), "-o", str(out / "planted.preceptor")]) == 0
    assert (
        main(
            [
                "predict",
                str(out / "planted.preceptor"),
                str(tmp_path / "in" / rows[0]["path"]),
                "--out",
                str(out / "said"),
            ]
        )
        == 0
    )
    _hand_out(folder, out)
    broken = tmp_path / "in" / "CANARYFOLDER999" / "CANARYFILE999.dcm"
    broken.parent.mkdir()
    broken.write_bytes((tmp_path / "in" / rows[1]["path"]).read_bytes()[:900])
    main(["predict", str(out / "planted.preceptor"), str(broken), "--out", str(out / "refused")])
    main(["cohort", "check", str(tmp_path / "planted.yaml")])
    main(["cohort", "check", str(tmp_path / "planted.yaml"), "--keep", str(out / "kept")])
    main(["run", str(tmp_path / "planted.yaml"), "--out", str(out / "lost"), "--debug", "--set", "task=segmentation"])
    main([*run, "--set", "cohort.table.patient=CANARYCOLUMN"])  # a column that is not there
    said = capfd.readouterr()
    (out / "stdout.txt").write_text(said.out)
    (out / "stderr.txt").write_text(said.err)
    known |= {"broken file": "CANARYFILE999", "broken folder": "CANARYFOLDER999"}
    for pattern, may_hold in LINKS.items():  # they lead from keys to sources; they are looked at, then set aside
        places = list(out.rglob(pattern))
        assert places, pattern
        found = [hit.name.split(" ")[0] for each in places for _, _, hit in audit_folder(each, known).leaks]
        assert set(found) <= may_hold, pattern
        for each in places:
            each.unlink()
    leaks = audit_folder(out, known).leaks
    assert not leaks, sorted({(hit.name.split(" ")[0], hit.how, shown) for _, shown, hit in leaks})[:20]
