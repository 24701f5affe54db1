"""A run hands the safeguard its own answers to calibration cases: the scale is learnt on them, and sealed."""

from __future__ import annotations

import pytest

from preceptor.core.state import read_state
from tests.deliver.sealed import dense_run


@pytest.mark.slow
def test_the_scale_is_learnt_on_the_runs_own_answers(tmp_path):
    run = dense_run(
        tmp_path,
        train="{epochs: 25, batch_size: 2, patch: [12, 12, 8], optimizer: {adamw: {lr: 1e-2}}}",
        safeguards="[{reverse_classification: {references: 2, kept: 4, calibrated_on: 2, least: null}}]",
    )
    scale = read_state(run.folder / "fits" / "0" / "safeguards.safetensors")[0][0]["scale"]
    assert scale["cases"] == 2 and list(scale["columns"]) == ["atlas_best", "atlas_mean"]
    assert run.predictions.role("test").table["part:predicted_dice"].between(0, 1).all()
    prediction = run.seal(tmp_path / "scaled.preceptor").predict(next((tmp_path / "data/images").glob("*.nii.gz")))
    assert 0 <= prediction.parts["predicted_dice"] <= 1
