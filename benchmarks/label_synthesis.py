"""Two structures of the hippocampus learnt from label maps alone, beside the same network learnt from the real images.

    python -m benchmarks.label_synthesis FOLDER [--by labels|images] [--steps 2600] [--seed 7] [--cases 48]

FOLDER holds images/ and labels/ of Medical Segmentation Decathlon's Task 04. In order of their names the first 130 train
and the last 48 are tested on, as they are. `labels` is recipes/hippocampus_synthetic.yaml; `images` the same recipe
with the real images and their usual augmentation. One core; seconds are the processor's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML

from preceptor import api
from preceptor.prove.maps import pairs
from preceptor.runs import Run

RECIPE = Path(__file__).parents[1] / "recipes" / "hippocampus_synthetic.yaml"
TRAINED_ON = 130
#: What varies a real image, in place of drawing one.
USUAL = ["affine", "elastic", {"gamma": {"chance": 0.3}}, {"noise": {"sigma": 0.1, "chance": 0.3}}]


def recipe(folder: Path, work: Path, by: str, steps: int, seed: int, cases: int) -> Path:
    """The recipe with the split of the known answer, in a folder of its own."""
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))
    tested = names[TRAINED_ON:][:cases]
    rows = [(name, "train") for name in names[:TRAINED_ON]] + [(name, "test") for name in tested]
    lines = [f"{name},images/{name},labels/{name},{role}" for name, role in rows]
    (work / "cases.csv").write_text("\n".join(["case,image,label,role", *lines]) + "\n", encoding="utf-8")
    yaml = YAML(typ="safe")
    given = yaml.load(RECIPE.read_text(encoding="utf-8"))
    given["cohort"] = {
        "table": {
            "file": "cases.csv",
            "folder": str(folder),
            "case": ["case"],
            "image": "image",
            "masks": {"label": "label"},
            "role": "role",
            "keep_names": True,
        }
    }
    given |= {"split": {"given": True}, "seed": seed, "gates": []}
    given["train"]["epochs"] = max(1, round(steps * given["train"]["batch_size"] / TRAINED_ON))
    if by == "images":
        given["prepare"] = [step for step in given["prepare"] if not isinstance(step, dict) or "clusters" not in step]
        moving = {next(iter(step)): step for step in given["augment"] if isinstance(step, dict)}
        given["augment"] = [moving.get(step, step) if isinstance(step, str) else step for step in USUAL]
    path = work / f"{by}.yaml"
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(given, stream)
    return path


def measured(run: Run) -> dict[str, np.ndarray]:
    """``{structure: (case,)}`` Dice; `whole` is both structures against the rest."""
    found: dict[str, list[float]] = {"anterior": [], "posterior": [], "whole": []}
    for pair in pairs(run.predictions.role("test")):
        marked = [(pair.truth == value, pair.answer == value) for value in (1, 2)] + [(pair.truth > 0, pair.answer > 0)]
        for name, (truth, answer) in zip(found, marked, strict=True):
            found[name].append(2 * (truth & answer).sum() / (truth.sum() + answer.sum()))
    return {name: np.array(values) for name, values in found.items()}


def main(folder: Path, by: str, steps: int, seed: int, cases: int, out: Path | None) -> dict[str, float]:
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp()) if out is None else out
    work.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    run = api.run(recipe(folder.resolve(), work, by, steps, seed, cases), work / "runs", device="cpu")
    spent = time.process_time() - began
    dice = measured(run)
    told = {name: round(float(values.mean()), 4) for name, values in dice.items()}
    told |= {"lowest_whole": round(float(dice["whole"].min()), 4), "cases": len(dice["whole"])}
    print(json.dumps({"by": by, "steps": steps, "seed": seed, "seconds": round(spent, 1), **told}))
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", choices=("labels", "images"), default="labels")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cases", type=int, default=48, help="of those that are tested on")
    parser.add_argument("--out", type=Path, help="folder to work in; by default a new one")
    main(**vars(parser.parse_args()))
