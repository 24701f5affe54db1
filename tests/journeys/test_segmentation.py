"""From brain MRI in a folder to a mask on the original grid, and a refusal: the command line on real images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas
import pytest

RECIPE = """\
study: journey
seed: 1
cohort: {{folder: {{folder: "{data}", image: "images/hippocampus_*0.nii.gz", label: "labels/hippocampus_*0.nii.gz"}}}}
split: {{by: image, train: 0.5, tune: 0.1, calibrate: 0.2, test: 0.2}}
prepare: [orient_ras, {{resample: {{spacing_mm: [1, 1, 1]}}}}, zscore]
augment: [{{affine: {{degrees: 10, scale: 0.1}}}}]
task: {{segmentation: {{labels: {{anterior: 1, posterior: 2}}}}}}
network: {{unet: {{channels: [8, 16]}}}}
objective: [dice, cross_entropy]
train: {{epochs: 30, batch_size: 2, patch: [32, 48, 32], optimizer: {{adamw: {{lr: 1e-2}}}}, tune_every: 15}}
safeguards: [temperature, largest_component, input_control]
evaluate: [dice]
gates: [no_leak]
"""


def preceptor(*arguments: object, expected: int = 0) -> str:
    """What a command says on stdout, in a process of its own as a user starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "preceptor", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == expected, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_hippocampus_from_a_folder_to_masks_and_a_refusal(shared_data, tmp_path):
    data = shared_data("hippocampus_msd_task04")
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(data=data))

    preceptor("check", tmp_path / "recipe.yaml")
    run = json.loads(
        preceptor("run", tmp_path / "recipe.yaml", "--out", tmp_path / "runs", "--device", "cpu", "--json")
    )
    assert run["gates"] == {"no_leak": True}
    assert run["findings"]["dice"]["value"] > 0.5
    report = Path(run["report"]).read_text(encoding="utf-8")
    assert "http://" not in report.replace("http://www.w3.org", "") and 'src="http' not in report

    bundle = tmp_path / "journey.preceptor"
    preceptor("seal", run["folder"], "-o", bundle)
    scan = sorted((data / "images").glob("*1.nii.gz"))[0]
    noise = tmp_path / "noise.nii.gz"
    picture = np.random.default_rng(0).normal(size=(30, 30, 30)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(picture, np.eye(4)), noise)
    preceptor("predict", bundle, scan, noise, "--out", tmp_path / "answers", "--device", "cpu")

    answers = pandas.read_csv(tmp_path / "answers" / "predictions.csv").set_index("key")
    assert len(answers) == 2 and list(answers["accepted"]).count(True) == 1
    refused = answers[~answers["accepted"].astype(bool)].iloc[0]
    assert isinstance(refused["reasons"], str) and refused["reasons"]
    accepted = answers.index[answers["accepted"].astype(bool)][0]
    (mask,) = (tmp_path / "answers" / "maps").glob(f"{accepted}.answer*")
    original, answered = nibabel.load(scan), nibabel.load(mask)
    assert answered.shape == original.shape and np.allclose(answered.affine, original.affine, atol=1e-4)
    truth = np.asarray(nibabel.load(data / "labels" / scan.name).dataobj)
    found = np.asarray(answered.dataobj)
    overlap = 2 * ((found > 0) & (truth > 0)).sum() / ((found > 0).sum() + (truth > 0).sum())
    assert set(np.unique(found)) <= {0, 1, 2} and overlap > 0.5


@pytest.mark.slow
def test_a_person_on_both_sides_of_a_given_split_stops_the_run(shared_data, tmp_path):
    data = shared_data("hippocampus_msd_task04")
    images = sorted((data / "images").glob("*0.nii.gz"))[:6]
    rows = [
        {
            "key": f"c{i}",
            "image": each.name,
            "patient": f"p{i // 2}",
            "role": ["train", "validation", "test"][i % 3],
            "side": i % 2,
        }
        for i, each in enumerate(images)
    ]
    pandas.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "leaking.yaml").write_text(f"""\
study: leaking
cohort: {{table: {{file: table.csv, folder: "{data}/images", image: image, patient: patient, role: role, labels: [side]}}}}
split: {{given: true}}
prepare: [zscore]
task: {{classification: {{classes: {{low: [0], high: [1]}}, label: side}}}}
network: {{cnn: {{channels: [4]}}}}
objective: cross_entropy
train: {{epochs: 1}}
evaluate: [roc]
gates: [no_leak]
""")
    preceptor("run", tmp_path / "leaking.yaml", "--out", tmp_path / "runs", "--device", "cpu", expected=3)
    assert not list((tmp_path / "runs").glob("*/predictions.parquet")), "nothing was learnt on a leaking split"
