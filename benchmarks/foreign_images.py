"""Images that a chest X-ray model was not made for: which safeguard refuses them, at 5 % false refusals.

preceptor run recipes/pneumonia_28.yaml
preceptor run recipes/chest_xray.yaml
python -m benchmarks.foreign_images RUN_FOLDER [FOLDER_OF_DATA_SETS [FOLDS [IMAGES_OF_A_KIND]]]

Every safeguard is fitted on the run's training and calibration cases, asked to refuse 5 % of images of the right kind,
and shown the run's own test cases and foreign images. Pictures are made grey and brought to the shape and the range of
values of the model's own images first, so that neither gives anything away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from preceptor.api import open_run
from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.read import read_image
from preceptor.maths.phantoms import Anatomy, chest
from preceptor.maths.reference import threshold
from preceptor.maths.roc import auroc
from preceptor.prepare.store import prepare_sample
from preceptor.prove.answering import answer_cases, fit_safeguards
from preceptor.prove.grouping import group_name, voting_groups

SHARE = 0.05
GIVEN = (
    {"input_control": {"refused_share": SHARE}},
    {"mahalanobis": {"refused_share": SHARE}},
    {"nearest_neighbours": {"refused_share": SHARE}},
    {"energy": {"refused_share": SHARE}},
)
NAMES = ("input control", "Mahalanobis", "nearest neighbours", "energy", "own uncertainty", "any of the first three")


def main(folder: Path, data: Path, folds: int | None, most: int) -> None:
    began = time.perf_counter()
    run = open_run(folder)
    cohort = Cohort.read(folder / "cohort.parquet")
    scores: dict[str, list[np.ndarray]] = {}
    refused: dict[str, list[np.ndarray]] = {}
    for group in voting_groups(run._train(cohort))[:folds]:
        members = group[0].cohort
        store, model = run._prepare(members), run.model(group)
        task = run.task
        answering = fit_safeguards(
            model, [build("safeguards", each) for each in GIVEN], members, store, task, run.recipe.seed, _quiet
        )
        held_out = answer_cases(answering, members.with_role("calibrate"), members, store, task, seed=run.recipe.seed)
        doubt_limit = threshold(held_out.table["uncertainty"].tolist(), SHARE)
        energy_limit = answering.states[3]["limit"]
        tests = members.with_role("test")
        originals = [open_case(members.root, case, masks=()) for case in tests[:: max(1, len(tests) // 250)]]
        for kind, samples in kinds(originals, model.inputs.views[0], data, most):
            for sample in samples:
                try:
                    prediction = answering(prepare_sample(sample, store.steps))
                except PrepareError:
                    continue
                found = _scores(prediction, energy_limit, doubt_limit)
                scores.setdefault(kind, []).append(found)
                refused.setdefault(kind, []).append(np.append(found > 1, (found[:3] > 1).any()))
        print(f"{group_name(group)}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    table(scores, refused)


def _scores(prediction: Any, energy_limit: float, doubt_limit: float) -> np.ndarray:
    """``(safeguard,)``, above 1 being refused."""
    parts = prediction.parts
    return np.array(
        [
            parts.get("appearance", np.inf),  # blank images have no distance, and are refused
            parts["mahalanobis"],
            parts["nearest_neighbours"],
            np.exp(parts["energy"] - energy_limit),
            prediction.uncertainty / doubt_limit,
        ]
    )


def table(scores: dict[str, list[np.ndarray]], refused: dict[str, list[np.ndarray]]) -> None:
    """Shares refused and, behind a slash, AUROC against own test images, as Markdown."""
    print(f"| images | number | {' | '.join(NAMES)} |")
    print(f"|{'---|' * (len(NAMES) + 2)}")
    own = np.stack(scores["own test images"])
    for kind, rows in scores.items():
        far, share = np.stack(rows), np.stack(refused[kind]).mean(0)
        cells = []
        for at in range(len(NAMES)):
            cell = f"{100 * share[at]:.0f} %"
            if kind != "own test images" and at < far.shape[1]:
                truth = np.r_[np.zeros(len(own)), np.ones(len(far))]
                score = np.nan_to_num(np.r_[own[:, at], far[:, at]], posinf=1e300)
                cell += f" / {auroc(truth, score):.2f}"
            cells.append(cell)
        print(f"| {kind} | {len(rows)} | {' | '.join(cells)} |")


# -------------------------------------------------------------------- foreign images


def kinds(originals: list[Sample], view: str, data: Path, most: int) -> Iterator[tuple[str, Iterator[Sample]]]:
    """Own test images, those changed, and images of other kinds."""
    yield "own test images", iter(originals)
    own = [each for each in originals if view in each.images][:most]
    for name, change in (
        ("inverted", lambda array: array.max() + array.min() - array),
        ("turned by 90°", lambda array: np.rot90(array, 1, (1, 2)).copy()),
        ("turned by 180°", lambda array: np.rot90(array, 2, (1, 2)).copy()),
        ("upside down", _upside_down),
        ("blurred", _blurred),
        ("strong noise added", _noisy),
    ):
        yield name, (_changed(each, change) for each in own)
    like = own[0].images[view]
    lowest, highest = float(like.array.min()), float(like.array.max())

    def sample(picture: np.ndarray, number: int) -> Sample:
        grey = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None, None]
        resized = functional.interpolate(grey, like.shape, mode="bilinear", antialias=True, align_corners=False)[0]
        low, high = resized.min(), resized.max()
        array = (lowest + (resized - low) / (high - low).clamp_min(1e-6) * (highest - lowest)).numpy()
        return Sample(f"foreign-{number}", {view: Image(array, like.affine_mm, meta=like.meta)})

    for name, pictures in (
        ("white noise", _white_noise()),
        ("synthetic cells", _pictures(data / "cells_vgg_synthetic" / "images")),
        ("nuclei", _pictures(data / "nuclei_dsb2018" / "images")),
        ("fat cells", _pictures(data / "cells_adipocyte" / "images")),
        ("brain slices", _slices(data / "hippocampus_msd_task04" / "images")),
        ("lung ultrasound", _pictures(data / "pocus_lung_us_video" / "clips", first=True)),
        ("chest phantoms", _phantoms()),
        ("lateral X-rays", _xrays(data / "cxr_covid_ieee8023", ("L",))),
        ("frontal X-rays of other hospitals", _xrays(data / "cxr_covid_ieee8023", ("PA", "AP"))),
    ):
        if name.startswith(("lateral", "frontal")) and len(originals[0].images) and view != "image":
            continue  # the model of this run learnt from them
        yield name, (sample(picture, number) for number, picture in zip(range(most), pictures, strict=False))


def _changed(given: Sample, change: Callable[[np.ndarray], np.ndarray]) -> Sample:
    images = {
        view: Image(change(image.array.astype(np.float32)), image.affine_mm, meta=image.meta)
        for view, image in given.images.items()
    }
    return replace(given, images=images)


def _upside_down(array: np.ndarray) -> np.ndarray:
    return array[:, :, ::-1].copy()


def _blurred(array: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    wide = 0.06 * min(array.shape[1:])
    return ndimage.gaussian_filter(array, (0, wide, wide))


def _noisy(array: np.ndarray) -> np.ndarray:
    return array + np.random.default_rng(0).normal(0, array.std(), array.shape).astype(np.float32)


def _white_noise() -> Iterator[np.ndarray]:
    for seed in count():
        yield np.random.default_rng(seed).normal(size=(256, 256))


def _pictures(folder: Path, first: bool = False) -> Iterator[np.ndarray]:
    """The pictures of a folder; with `first`, one of each folder below it (a clip's frames are alike)."""
    paths = sorted(each for each in folder.rglob("*") if each.suffix in (".png", ".jpg", ".jpeg"))
    if first:
        paths = list({path.parent: path for path in reversed(paths)}.values())[::-1]
    for path in paths:
        yield read_image(folder, str(path.relative_to(folder))).array.astype(np.float32).mean(0)


def _slices(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(folder.glob("*.nii.gz")):
        volume = read_image(folder, path.name).array[0].astype(np.float32)
        yield volume[:, :, volume.shape[2] // 2]


def _phantoms() -> Iterator[np.ndarray]:
    for seed in count():
        volume = chest(Anatomy.draw(np.random.default_rng(seed)), (64, 64, 16))
        yield volume[:, :, 8]


def _xrays(folder: Path, views: tuple[str, ...]) -> Iterator[np.ndarray]:
    import pandas

    rows = pandas.read_csv(folder / "metadata.csv")
    for name in rows[rows["view"].isin(views)]["image"]:
        yield read_image(folder, name).array.astype(np.float32).mean(0)


def _quiet(line: str) -> None:
    """What is fitted is not told."""


if __name__ == "__main__":
    here = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[2] / "shared" / "data"
    asked = [int(each) for each in sys.argv[3:5]]
    main(Path(sys.argv[1]), here, asked[0] if asked else None, asked[1] if len(asked) > 1 else 100)
