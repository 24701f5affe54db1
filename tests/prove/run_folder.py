"""Makes a run's folder as a run leaves it, without training: images, predictions and evidence that belong together.

What is measured here is measured by plain numpy, apart from the evaluators, so that the report's tests need neither a
network nor an evaluator.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import Problem
from preceptor.core.evidence import Evidence, Finding, Verdict
from preceptor.prove.explaining.explanation import Explanation

SITES = ("Northgate Hospital", "St Elsewhere", "Harbour Clinic")


def segmentation_folder(folder: Path, cases: int = 26, *, passed: bool = True, anonymous: bool = False) -> Path:
    """A run that outlined two structures in small oblique-free volumes of 1 x 1 x 1.2 mm.

    Args:
        folder: Made; its parent gets the images.
        cases: How many; one in two is a test case.
        passed: Whether the gate holds.
        anonymous: No patient is named.
    """
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    root = folder.parent / "images"
    root.mkdir(exist_ok=True)
    (folder / "maps").mkdir()
    rows, per_case, parts, members = [], {}, {"anterior": {}, "posterior": {}}, []
    affine = np.diag([-1.0, 1.0, 1.2, 1.0])
    affine[:3, 3] = [40, -20, -10]
    for number in range(cases):
        key = f"case-{number:03d}"
        truth = _structures(rng, 0.0)
        answer = _structures(np.random.default_rng(1000 + number), 0.0, like=truth, error=0.02 + 0.02 * (number % 7))
        image = 90 + 60 * (truth > 0) + 25 * (truth == 2) + rng.normal(0, 14, truth.shape)
        _nifti(root / f"{key}.nii.gz", image.astype(np.float32), affine)
        _nifti(root / f"{key}_label.nii.gz", truth, affine)
        role = ("train", "test", "train", "test", "tune", "test", "calibrate")[number % 7]
        member = Case(
            key,
            {"mri": f"{key}.nii.gz"},
            patient=None if anonymous else f"SECRET-{number // 1:03d}",
            masks={"label": f"{key}_label.nii.gz"},
            fields={"site": SITES[0 if number % 5 else 1], "sex": "FM"[number % 2], "age": 24 + 2.5 * number},
            role=role,
        )
        members.append(member)
        if role not in ("test", "calibrate"):
            continue
        _nifti(folder / "maps" / f"{key}.answer.nii.gz", answer, affine)
        if role == "test":
            for index, name in enumerate(parts, start=1):
                parts[name][key] = _dice(truth == index, answer == index)
            per_case[key] = float(np.mean([values[key] for values in parts.values()]))
        rows.append(
            {
                "key": key,
                "patient": member.patient,
                "cluster": member.cluster,
                "role": role,
                "fit": "0",
                "output": "answer",
                "truth": None,
                "answer": f"maps/{key}.answer.nii.gz",
                "hash": "0" * 16,
                "truth_path": str(root / f"{key}_label.nii.gz"),
                "uncertainty": float(rng.uniform(0.02, 0.2)),
                "accepted": number % 13 != 3,
                "reasons": "" if number % 13 != 3 else "the image is darker than every image of the training",
            }
        )
    cohort = Cohort(
        tuple(members),
        root,
        "hippocampus",
        notes=("Phantoms: two ellipsoids in noise.",),
        exclusions=(("no label map", 3), ("label map on another grid", 1)),
    )
    mean = _mean_finding("dice", per_case, "Mean over structures, then over cases, of the Dice overlap with the truth.")
    dice = Finding(
        **{**vars(mean), "parts": {n: _mean_finding(n, v, "Dice of one structure.") for n, v in parts.items()}}
    )
    surface = Finding(
        "surface_distance",
        0.94,
        "95th percentile of the distance between the two surfaces, mean over cases.",
        (0.81, 1.12),
        method="bootstrap of patients, 2000 resamples, BCa",
        cases=len(per_case),
        clusters=len(per_case),
        unit="mm",
        higher_is_better=False,
        per_case={key: 3 * (1 - value) for key, value in per_case.items()},
        notes=("1 case without the structure in the answer is left out.",),
    )
    reliability = Finding(
        "calibration",
        0.031,
        "Expected calibration error over 15 bins.",
        (0.025, 0.038),
        cases=len(per_case),
        higher_is_better=False,
        curves={"voxels": _reliability()},
    )
    verdicts = (
        Verdict(
            "at_least",
            passed,
            f"dice: the lower bound {mean.interval[0]:.3f} is {'above 0.6' if passed else 'below 0.99'}",
        ),
        Verdict("no_leak", True, "no patient and no image stands on both sides of the split"),
    )
    problems = (
        Problem(
            "the spacing differs between cases",
            "cohort",
            "one spacing",
            "resample in `prepare`",
            "spacing",
            ("case-003", "case-007"),
            "warning",
        ),
    )
    _write(
        folder,
        cohort,
        rows,
        {"dice": dice, "surface_distance": surface, "calibration": reliability},
        verdicts,
        problems,
        _SEGMENTATION,
        anonymous,
    )
    _log(folder, fits=["0"], score=lambda epoch: 0.9 - 0.7 * np.exp(-epoch / 6))
    _explain(
        folder,
        {"mri": rng.normal(100, 20, (1, 24, 28, 20)).astype(np.float32)},
        "case-001",
        "the mean score of what was marked as anterior and posterior",
    )
    return folder


def classification_folder(folder: Path, cases: int = 60) -> Path:
    """A run that told disease from other findings in two views, either of which may be missing, over three folds."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    root = folder.parent / "pictures"
    root.mkdir(exist_ok=True)
    members, rows = [], []
    for number in range(cases):
        key = f"study-{number:03d}"
        disease = bool(rng.random() < 0.6)
        images = {}
        for view, chance in (("frontal", 0.95), ("lateral", 0.45)):
            if rng.random() < chance or (view == "lateral" and not images):
                images[view] = f"{key}-{view}.png"
                _picture(root / images[view], rng, disease)
        site = SITES[int(rng.integers(3))]
        role = "external" if site == SITES[2] else ("test", "test", "calibrate")[number % 3]
        fields = {"site": site, "sex": rng.choice(["F", "M"]), "age": float(rng.integers(19, 88))}
        if number % 9 == 0:
            fields.pop("sex")
        patient = f"SECRET-{number // 2:03d}"
        name = "COVID-19" if disease else "other finding"
        members.append(
            Case(key, images, patient, labels={"finding": name if number % 11 else None}, fields=fields, role=role)
        )
        given = float(np.clip(0.5 + (0.28 if disease else -0.28) + rng.normal(0, 0.22), 0.01, 0.99))
        refused = 0.42 < given < 0.58
        rows.append(
            {
                "key": key,
                "patient": patient,
                "cluster": patient,
                "role": role,
                "fit": str(number % 3),
                "output": "answer",
                "truth": name if number % 11 else None,
                "answer": "COVID-19" if given >= 0.5 else "other finding",
                "probability_COVID-19": given,
                "probability_other finding": 1 - given,
                "uncertainty": 1 - abs(2 * given - 1),
                "accepted": not refused,
                "reasons": "the model is not sure; <b>ask a radiologist</b>" if refused else "",
            }
        )
    cohort = Cohort(tuple(members), root, "chest", exclusions=(("not a chest X-ray", 7),))
    tested = [row for row in rows if row["role"] == "test" and row["truth"]]
    truth = np.array([row["truth"] == "COVID-19" for row in tested])
    given = np.array([row["probability_COVID-19"] for row in tested])
    area = float((given[truth][:, None] > given[~truth][None]).mean())
    roc = Finding(
        "roc",
        area,
        "Area under the ROC curve for COVID-19.",
        (area - 0.08, min(area + 0.05, 1)),
        method="bootstrap of patients, 2000 resamples",
        cases=len(tested),
        clusters=20,
        curves={"roc": _roc(truth, given), "precision_recall": _precision(truth, given)},
    )
    calibration = Finding(
        "calibration",
        0.07,
        "Expected calibration error over 10 bins.",
        (0.04, 0.12),
        cases=len(tested),
        higher_is_better=False,
        curves={"reliability": _reliability()},
    )
    undefined = Finding(
        "external.roc",
        float("nan"),
        "Area under the ROC curve.",
        None,
        cases=0,
        notes=("Only one class is there: undefined.",),
    )
    verdicts = (Verdict("at_least", False, f"roc: the lower bound {area - 0.08:.3f} is below 0.95"),)
    problems = (
        Problem(
            "8 pairs of images are nearly identical, 7 of them under two patients",
            "cohort",
            "one patient a person",
            "they were merged and kept on one side of the split",
            "duplicates",
            tuple(f"study-{n:03d}" for n in range(16)),
            "warning",
        ),
    )
    _write(
        folder,
        cohort,
        rows,
        {"roc": roc, "calibration": calibration, "external.roc": undefined},
        verdicts,
        problems,
        _CLASSIFICATION,
        False,
    )
    _log(folder, fits=["0", "1", "2"], score=lambda epoch: 0.35 + 0.4 * np.exp(-epoch / 5))
    explained = {view: rng.normal(0, 1, (1, 48, 40)).astype(np.float32) for view in ("frontal", "lateral")}
    _explain(folder, explained, "study-001", "the score of COVID-19")
    return folder


def multilabel_folder(folder: Path, cases: int = 20) -> Path:
    """A run with two findings that may both be there, some unlabelled; no images, no log, no explanation."""
    rng = np.random.default_rng(9)
    folder.mkdir(parents=True)
    members, rows = [], []
    for number in range(cases):
        key, given = f"image-{number:02d}", rng.random(2)
        truth = {
            "effusion": int(rng.random() < given[0]),
            "nodule": None if number % 4 == 0 else int(rng.random() < given[1]),
        }
        members.append(Case(key, {"image": f"{key}.png"}, labels=truth, role="test"))
        rows.append(
            _row(key, json.dumps(truth), json.dumps({n: int(p >= 0.5) for n, p in zip(truth, given, strict=True)}))
            | {f"probability_{n}": float(p) for n, p in zip(truth, given, strict=True)}
        )
    finding = Finding(
        "roc",
        0.81,
        "Mean area under the ROC curve over findings.",
        (0.7, 0.9),
        cases=cases,
        parts={"effusion": Finding("effusion", 0.84, "", (0.7, 0.93)), "nodule": Finding("nodule", 0.78, "", None)},
    )
    _write(folder, Cohort(tuple(members), folder.parent, "multi"), rows, {"roc": finding}, (), (), _MULTILABEL, True)
    return folder


def regression_folder(folder: Path, cases: int = 20) -> Path:
    """A run that read an age off an image."""
    rng = np.random.default_rng(11)
    folder.mkdir(parents=True)
    ages = rng.uniform(20, 80, cases)
    answers = ages + rng.normal(0, 5, cases)
    members = [
        Case(f"scan-{n:02d}", {"mri": f"{n}.nii.gz"}, f"SECRET-{n}", labels={"age_years": float(a)}, role="test")
        for n, a in enumerate(ages)
    ]
    rows = [_row(f"scan-{n:02d}", float(a), float(b)) for n, (a, b) in enumerate(zip(ages, answers, strict=True))]
    error = Finding(
        "mean_absolute_error",
        float(abs(ages - answers).mean()),
        "Mean distance from the truth.",
        (3.0, 5.5),
        cases=cases,
        unit="years",
        higher_is_better=False,
    )
    _write(
        folder,
        Cohort(tuple(members), folder.parent, "age"),
        rows,
        {"mean_absolute_error": error},
        (Verdict("at_most", True, "mean_absolute_error: below 10 years"),),
        (),
        _REGRESSION,
        False,
    )
    return folder


# -------------------------------------------------------------------- pieces

_SEGMENTATION = """\
study: hippocampus
seed: 7
task: {segmentation: {labels: {anterior: 1, posterior: 2}}}
network: {unet: {channels: [16, 32]}}
checks: [duplicates]
safeguards: [input_control]
"""
_CLASSIFICATION = """\
study: chest X-ray
seed: 1
task: {classification: {label: finding, classes: [COVID-19, other finding]}}
"""
_MULTILABEL = "study: two findings\nseed: 1\n"
_REGRESSION = "study: age from a scan\nseed: 1\ntask: {regression: {label: age_years, unit: years}}\n"


def _write(folder, cohort, rows, findings, verdicts, problems, recipe, anonymous) -> None:
    (folder / "recipe.yaml").write_text(recipe)
    (folder / "resolved.yaml").write_text(recipe)
    cohort.write(folder / "cohort.parquet")
    pandas.DataFrame(rows).to_parquet(folder / "predictions.parquet", index=False)
    facts = {
        "headline": next(iter(findings)),
        "predicted": {},
        "refused": sum(not row["accepted"] for row in rows if row["role"] == "test"),
        "interval_unit": "image" if anonymous else "patient",
        "recipe": "3f9a12c4",
        "cohort": cohort.digest(),
        "seed": 7,
        "device": "cpu",
        "seconds": 1432.7,
        "rehearsal": False,
    }
    Evidence(findings, verdicts, tuple(asdict(problem) for problem in problems), facts).write(folder / "evidence.json")
    environment = {
        "written": "2026-11-21T10:58:00+00:00",
        "python": "3.11.7",
        "system": "Linux x86_64",
        "cores": 2,
        "threads": 1,
        "command": "preceptor run recipe.yaml",
        "packages": {"preceptor": "0.1.0", "torch": "2.13.0", "monai": None},
    }
    (folder / "environment.json").write_text(json.dumps(environment))


def _log(folder: Path, fits: list[str], score, epochs: int = 30) -> None:
    with (folder / "log.jsonl").open("w") as stream:
        for place, fit in enumerate(fits):
            for epoch in range(1, epochs + 1):
                value = 0.2 + 1.1 * float(np.exp(-epoch / 7)) + 0.03 * place
                losses = {"loss": value, "dice": 0.6 * value, "cross_entropy": 0.4 * value}
                record = {
                    "time": epoch,
                    "kind": "epoch",
                    "fit": fit,
                    "epoch": epoch,
                    "losses": losses,
                    "score": float(score(epoch) + 0.01 * place),
                }
                stream.write(json.dumps(record) + "\n")
        stream.write('{"time": 1, "kind": "epo')  # a line cut off by a crash


def _explain(folder: Path, images: dict[str, np.ndarray], key: str, target: str) -> None:
    maps: dict[str, dict[str, np.ndarray]] = {"grad_cam": {}, "occlusion": {}}
    for view, image in images.items():
        grid = np.meshgrid(*[np.linspace(-1, 1, size) for size in image.shape[1:]], indexing="ij")
        bump = np.exp(-4 * sum((axis - 0.3) ** 2 for axis in grid)).astype(np.float32)
        maps["grad_cam"][view] = bump
        maps["occlusion"][view] = 2 * bump - 0.5
    settings = {"grad_cam": {"layer": None}, "occlusion": {"window": 8, "stride": 4, "fill": "mean"}}
    Explanation(key, target, images, maps, settings).write(folder / "explanations" / "000.npz")


def _row(key: str, truth, answer) -> dict:
    return {
        "key": key,
        "patient": None,
        "cluster": key,
        "role": "test",
        "fit": "0",
        "output": "answer",
        "truth": truth,
        "answer": answer,
        "uncertainty": float("nan"),
        "accepted": True,
        "reasons": "",
    }


def _structures(rng, blur, like=None, error=0.0) -> np.ndarray:
    """Two touching ellipsoids; with `like`, that map with a share of its border eaten or grown."""
    if like is not None:
        shifted = like.copy()
        for axis in range(3):
            by = int(round(error * 12 * rng.choice([-1, 1])))
            shifted = np.roll(shifted, by, axis)
        return shifted
    grid = np.meshgrid(*[np.arange(size) for size in (36, 48, 34)], indexing="ij")
    label = np.zeros((36, 48, 34), np.uint8)
    for index, centre in ((1, (18, 30, 17)), (2, (18, 18, 17))):
        middle = np.array(centre) + rng.normal(0, 1.2, 3)
        radii = np.array([7, 8, 6]) * rng.uniform(0.85, 1.15, 3)
        inside = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, middle, radii, strict=True)) <= 1
        label[inside] = index
    return label


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else float(2 * (a & b).sum() / total)


def _mean_finding(name: str, per_case: dict[str, float], definition: str) -> Finding:
    values = np.array(list(per_case.values()))
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    mean = float(values.mean())
    return Finding(
        name,
        mean,
        definition,
        (mean - half, mean + half),
        method="bootstrap of patients, 2000 resamples, BCa",
        cases=len(values),
        clusters=len(values),
        per_case=per_case,
    )


def _reliability() -> dict[str, list]:
    given = np.linspace(0.05, 0.95, 10)
    seen = np.clip(given - 0.08 * np.sin(np.pi * given), 0, 1)
    return {
        "predicted": given.tolist(),
        "observed": seen.tolist(),
        "lower": (seen - 0.05).tolist(),
        "upper": (seen + 0.05).tolist(),
    }


def _roc(truth: np.ndarray, given: np.ndarray) -> dict[str, list]:
    grid = np.linspace(0, 1, 101)
    cuts = np.sort(given)[::-1]
    rise = np.array([(given[truth] >= cut).mean() for cut in cuts])
    false = np.array([(given[~truth] >= cut).mean() for cut in cuts])
    curve = np.interp(grid, np.concatenate([[0], false, [1]]), np.concatenate([[0], rise, [1]]))
    return {
        "false_positive_rate": grid.tolist(),
        "sensitivity": curve.tolist(),
        "lower": np.clip(curve - 0.1, 0, 1).tolist(),
        "upper": np.clip(curve + 0.07, 0, 1).tolist(),
    }


def _precision(truth: np.ndarray, given: np.ndarray) -> dict[str, list]:
    cuts = np.sort(given)[::-1]
    recall = [float((given[truth] >= cut).mean()) for cut in cuts]
    precision = [float(truth[given >= cut].mean()) for cut in cuts]
    return {"recall": recall, "precision": precision}


def _picture(path: Path, rng, disease: bool) -> None:
    from PIL import Image

    grid = np.mgrid[-1:1:160j, -1:1:128j]
    picture = 120 * np.exp(-3 * (np.abs(grid[1]) - 0.45) ** 2) * (np.abs(grid[0]) < 0.9) + 40
    if disease:
        centre = rng.uniform(-0.4, 0.4, 2)
        picture += 70 * np.exp(-18 * ((grid[0] - centre[0]) ** 2 + (grid[1] - centre[1]) ** 2))
    Image.fromarray(np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)).save(path)


def _nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, affine), path)
