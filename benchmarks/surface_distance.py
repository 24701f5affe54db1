"""Surface distances beside MONAI's and DeepMind's on real hippocampi: interleaved, processor time, values compared.

    python benchmarks/surface_distance.py [cases] [rounds]

Each case has two structures; its answer is the truth with its surface moved by smooth noise of one voxel. All measure
HD95, average symmetric surface distance and normalised surface distance of both structures. One thread each: MONAI's
torch would else wait busily for a second one, and look slower than it is.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from preceptor.maths.surface import surface_distances

LABELS = Path(__file__).parents[2] / "shared" / "data" / "hippocampus_msd_task04" / "labels"
TOLERANCE_MM = 1.0
ASKED = {"MONAI": 6, "DeepMind surface-distance": 3}

Pair = tuple[np.ndarray, np.ndarray, tuple[float, ...]]


def moved(truth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    depth = ndimage.distance_transform_edt(truth) - ndimage.distance_transform_edt(~truth)
    noise = ndimage.gaussian_filter(generator.normal(size=truth.shape), 2)
    return depth + noise / noise.std() > 0


def cases(number: int) -> list[list[Pair]]:
    """Of each case both structures: truth, answer, spacing."""
    generator, made = np.random.default_rng(0), []
    for path in sorted(LABELS.glob("*.nii.gz"))[:number]:
        image = nibabel.load(path)
        label, spacing = np.asarray(image.dataobj), tuple(map(float, image.header.get_zooms()[:3]))
        made.append([(label == value, moved(label == value, generator), spacing) for value in (1, 2)])
    return made


def ours(pairs: list[Pair]) -> list[tuple[float, ...]]:
    found = [surface_distances(truth, answer, spacing) for truth, answer, spacing in pairs]
    return [(each.percentile(95), each.average(), each.within(TOLERANCE_MM)) for each in found]


def monai(pairs: list[Pair]) -> list[tuple[float, ...]]:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    truth, answer = (torch.from_numpy(np.stack([pair[at] for pair in pairs])[None]).float() for at in (0, 1))
    given = {"y_pred": answer, "y": truth, "include_background": True, "spacing": pairs[0][2]}
    columns = (
        compute_hausdorff_distance(**given, percentile=95),
        compute_average_surface_distance(**given, symmetric=True),
        compute_surface_dice(**given, class_thresholds=[TOLERANCE_MM] * len(pairs)),
    )
    return list(zip(*(column[0].tolist() for column in columns), strict=True))


def deepmind(pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Weighs surface elements instead of counting voxels: its values differ by definition."""
    import surface_distance

    made = []
    for truth, answer, spacing in pairs:
        found = surface_distance.compute_surface_distances(truth, answer, spacing)
        means = surface_distance.compute_average_surface_distance(found)
        made.append(
            (
                surface_distance.compute_robust_hausdorff(found, 95),
                float(np.mean(means)),
                surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE_MM),
            )
        )
    return made


def main(number: int, rounds: int) -> None:
    warnings.simplefilter("ignore")
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}  # torch is imported after this
    # Run as a script, this folder stands on the path, and this file would hide the peer of the same name.
    sys.path[:] = [each for each in sys.path if Path(each or ".").resolve() != Path(__file__).parent]
    contestants = {"preceptor": ours}
    contestants |= {"MONAI": monai} if find_spec("monai") else {}
    contestants |= {"DeepMind surface-distance": deepmind} if find_spec("surface_distance") else {}
    real = cases(number)
    values = {name: np.concatenate([measure(pairs) for pairs in real]) for name, measure in contestants.items()}
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for pairs in real:  # interleaved case by case: a busy moment touches all alike
            for name, measure in contestants.items():
                began = time.process_time()
                measure(pairs)
                spent[name].append((time.process_time() - began) / len(pairs))
    medians = {name: 1e3 * statistics.median(each) for name, each in spent.items()}
    print(f"{2 * number} pairs of masks, {rounds} rounds, median processor ms a pair; {platform.platform()}")
    for name, each in medians.items():
        apart = np.abs(values[name] - values["preceptor"]).max(0)
        mean = values[name].mean(0)
        print(
            f"{name:28} {each:7.2f} ms {each / medians['preceptor']:6.1f}x   HD95 {mean[0]:.3f}, ASSD {mean[1]:.3f}, "
            f"NSD {mean[2]:.3f} (largest difference from ours {apart[0]:.1e}, {apart[1]:.1e}, {apart[2]:.1e})"
        )
    for name, asked in ASKED.items():
        if name in medians:
            ratio = medians[name] / medians["preceptor"]
            print(f"asked: {asked}x {name}: {'met' if ratio >= asked else 'MISSED'} ({ratio:.1f}x)")
        else:
            print(f"{name} is not installed here")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
