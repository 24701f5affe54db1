"""Makes ``v1.preceptor``: `python -m tests.deliver.golden.make`. Made once; every later release must open it.

When the format changes, this script gets a new name and makes ``v2.preceptor``; ``v1.preceptor`` stays as it is.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from preceptor import api

HERE = Path(__file__).parent
RECIPE = """
study: golden
name: Bright squares, the bundle that every release must open
seed: 1
cohort: {folder: {folder: data, image: "*/*.png", class_from: folder}}
checks: [unreadable]
split: {by: image, train: 0.6, calibrate: 0.2, test: 0.2, stratify: label}
prepare: [zscore]
task: {classification: {classes: [dark, square]}}
network: {cnn: {channels: [4, 8]}}
objective: cross_entropy
train: {epochs: 6, batch_size: 8, optimizer: {adamw: {lr: 2e-2}}}
safeguards: [temperature]
evaluate: [roc]
gates: [{at_least: {finding: roc, value: 0.5}}]
"""


def picture(rng: np.random.Generator, square: bool) -> np.ndarray:
    """``(16, 16)`` uint8 noise, with or without a bright square of five pixels."""
    pixels = rng.normal(90, 12, (16, 16))
    row, column = rng.integers(1, 10, 2)
    pixels[row : row + 5, column : column + 5] += 25 * square
    return pixels.clip(0, 255).astype(np.uint8)


def main() -> None:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(80):
            kind = ["dark", "square"][number % 2]
            path = folder / "data" / kind / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            is_mislabelled = number % 7 == 0  # so that the model has something to be unsure of
            Pillow.fromarray(picture(rng, (kind == "square") != is_mislabelled)).save(path)
        (folder / "recipe.yaml").write_text(RECIPE)
        run = api.run(folder / "recipe.yaml", folder / "runs", stream=None, device="cpu")
        bundle = run.seal(HERE / "v1.preceptor")
        told = []
        for number, square in enumerate((False, True)):
            path = HERE / f"v1-{number}.png"
            Pillow.fromarray(picture(rng, square)).save(path)
            told.append([float(value) for value in bundle.predict(path).probability])
        (HERE / "v1.json").write_text(json.dumps({"digest": bundle.digest, "probability": told}) + "\n")
        print(run.evidence["roc"].value, told)


if __name__ == "__main__":
    main()
