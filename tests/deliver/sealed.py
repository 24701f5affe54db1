"""Tiny runs to seal, of a few seconds each: one with an answer per voxel, one with two views."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from PIL import Image as Pillow

from preceptor import api
from preceptor.runs import Run

_DENSE = """
study: blobs
seed: 3
cohort: {folder: {folder: data, image: images/*.nii.gz, label: labels/*.nii.gz}}
checks: [unreadable, label_geometry]
split: {by: image, train: 0.5, calibrate: 0.25, test: 0.25}
prepare: [orient_ras, {resample: {spacing_mm: [1, 1, 1]}}, zscore]
task: {segmentation: {labels: {blob: 3}}}
network: {unet: {channels: [4, 8]}}
objective: [dice, cross_entropy]
train: {epochs: 8, batch_size: 2, patch: [12, 12, 8], optimizer: {adamw: {lr: 1e-2}}}
safeguards: [temperature, largest_component]
evaluate: [dice]
gates: [{at_least: {finding: dice, value: 0.0}}]
"""

_WHOLE = """
study: two_views
seed: 3
cohort: {table: {file: cases.csv, patient: patient, image: {frontal: frontal, lateral: lateral}, labels: [finding]}}
checks: [unreadable]
split: {by: patient, train: 0.8, calibrate: 0.2}
prepare: [zscore]
task: {classification: {label: finding, classes: [absent, present]}}
network: {hemis: {encoder: {cnn: {channels: [4, 8]}}, features: 8}}
objective: cross_entropy
strategy: {k_fold: {folds: 2}}
train: {epochs: 1, batch_size: 4}
evaluate: [roc]
"""


def dense_run(folder: Path, **changes: str) -> Run:
    """Bright blobs in noise: sixteen volumes of 2 mm slices stored LPS, so that preparation has something to do."""
    rng = np.random.default_rng(0)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    for part in ("images", "labels"):
        (folder / "data" / part).mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in (16, 14, 8)), indexing="ij"))
    for number in range(16):
        name = f"{number:02d}.nii.gz"
        centre = rng.uniform(4, (12, 10, 5))[:, None, None, None]
        blob = ((grid - centre) ** 2).sum(0) < 9
        image = rng.normal(size=blob.shape) + 3 * blob
        nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), affine), folder / "data/images" / name)
        nibabel.save(nibabel.Nifti1Image((3 * blob).astype(np.uint8), affine), folder / "data/labels" / name)
    return _run(folder, _DENSE, changes)


def two_view_run(folder: Path, **changes: str) -> Run:
    """Frontal and lateral pictures, either of which may be missing; two folds, so two groups of networks."""
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows = ["key,patient,frontal,lateral,finding"]
    for number in range(24):
        present = number % 2
        paths = {}
        for view in ("frontal", "lateral"):
            pixels = rng.integers(0, 120, (12, 10)) + 80 * present
            paths[view] = f"data/{view}-{number:02d}.png"
            Pillow.fromarray(pixels.astype(np.uint8)).save(folder / paths[view])
        if number % 5 == 0:
            paths["lateral"] = ""
        rows.append(f"k{number},p{number},{paths['frontal']},{paths['lateral']},{['absent', 'present'][present]}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return _run(folder, _WHOLE, changes)


def _run(folder: Path, recipe: str, changes: dict[str, str]) -> Run:
    path = folder / "recipe.yaml"
    path.write_text(recipe)
    given = [f"{key}={value}" for key, value in changes.items()]
    return api.run(path, folder / "runs", set=given, stream=None, device="cpu")
