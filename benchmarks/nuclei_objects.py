"""Numbered objects on real data: nuclei found by a threshold and connected components, judged as two folders.

    python benchmarks/nuclei_objects.py FOLDER

FOLDER holds images/, labels/ (a number for each nucleus) and metadata.csv of the Data Science Bowl 2018. The answers are
what three lines of classical image processing give: Otsu's threshold, an opening, connected components. They are a floor
for any model, and touching nuclei melt into one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from preceptor import api

SHOWN = ("detection", "segmentation", "aggregated_jaccard", "object_dice", "f1_at_0.7", "f1_at_0.9", "pooled")


def by_threshold(image: np.ndarray) -> np.ndarray:
    """Numbered nuclei: bright on dark, or dark on bright."""
    image = image if np.mean(image) < 127 else 255 - image
    mask = ndimage.binary_opening(image > threshold_otsu(image))
    return ndimage.label(mask)[0].astype(np.uint16)


def main(folder: Path) -> None:
    table = pandas.read_csv(folder / "metadata.csv")
    with tempfile.TemporaryDirectory() as made:
        answers = Path(made) / "answers"
        answers.mkdir()
        names = sorted(path.name for path in (folder / "labels").glob("*.png"))
        for name in names:
            image = np.asarray(Image.open(folder / "images" / name).convert("L"), dtype=float)
            Image.fromarray(by_threshold(image)).save(answers / name)
        stems = table["label"].map(lambda path: Path(path).stem)
        pandas.DataFrame({"key": stems, "kind": table["kind"]}).to_csv(Path(made) / "cases.csv", index=False)
        began = time.process_time()
        evidence = api.evaluate(
            None,
            predictions=answers,
            truth=folder / "labels",
            task="instances",
            cases=Path(made) / "cases.csv",
            out=Path(made) / "out",
            set={"evaluate": [{"panoptic_quality": {"by": ["kind"]}}]},
        )
        spent = time.process_time() - began
    finding = evidence["panoptic_quality"]
    print(f"{finding.cases} images, {finding.notes[0]}; judged in {spent:.1f} s of one core")
    rows = {"panoptic quality": finding} | {
        name: finding.parts[name] for name in (*SHOWN, *sorted(part for part in finding.parts if "kind=" in part))
    }
    for name, part in rows.items():
        low, high = part.interval or (float("nan"),) * 2
        print(f"| {name} | {part.cases} | {part.value:.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
