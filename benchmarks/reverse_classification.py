"""How well reverse classification accuracy foretells the Dice of real and of damaged segmentations of the hippocampus.

    python -m benchmarks.reverse_classification RUN --work FOLDER [--write]

Everything is fixed before any result is seen: the damage (five ways, real Dice spread evenly from 0.3 to 0.95), the
seeds, the number of references (8 of the training cases, those that look most alike) and of training cases damaged to
calibrate (12), the scales to choose from (`SCALES`) and the rule that chooses. Registrations are kept in FOLDER: a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas

from preceptor.api import open_run
from preceptor.core.applied import Displacement, Spatial
from preceptor.core.cohort import Case, Cohort
from preceptor.core.evidence import Finding, Predictions
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.case import open_case
from preceptor.intake.read import read_image
from preceptor.maths.overlap import dice, overlap
from preceptor.maths.reading_back import read_back
from preceptor.prepare.compose import prepare_sample
from preceptor.prepare.registration import Registration
from preceptor.prepare.registration_quality import Agreement, Quality
from preceptor.prove.damage import WAYS, damage_to
from preceptor.prove.evaluators.predicted_quality import PredictedQuality
from preceptor.prove.measuring import Measuring
from preceptor.prove.reverse_classification import COLUMNS, Calibration, Reference, choose, evidence, lay

SEED = 7
REFERENCES = 8
CALIBRATED_ON = 12
MOST_VOXELS = 110_000
#: Real Dice wanted: evenly over [0.3, 0.95], in seven tenths (the last is half as wide and asked for as often).
TENTHS = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95))
EACH_TENTH = 20
#: The predictor whose scale each half of the images takes from the other half.
SCALED = "atlas, read off a scale of other images' answers"


class Judged:
    """A case with its image, its segmentation (index map) and its truth, on the prepared grid."""

    def __init__(self, key: str, image: Image, answer: np.ndarray, truth: np.ndarray) -> None:
        self.key, self.image, self.answer, self.truth = key, image, answer, truth

    def real(self, label: np.ndarray) -> np.ndarray:
        """``(structure,)`` Dice of a segmentation with the truth."""
        return dice(overlap(self.truth.astype(np.int64), label.astype(np.int64), 3))[1:]


def prepared(run, cohort: Cohort, case: Case, answer: Path | None) -> Judged:
    """A case on the prepared grid, with the run's stored answer, or its truth in the answer's place."""
    steps = [build("transforms", each) for each in run.recipe.prepare]
    sample = open_case(cohort.root, case)
    if answer is not None:
        said = read_image(run.folder, str(answer), is_label=True)
        sample = replace(sample, masks={**sample.masks, "answer": said})
    sample = prepare_sample(sample, steps)
    truth = run.task.encode_mask(sample.masks[run.task.mask].array[0])
    said_index = run.task.encode_mask(sample.masks["answer"].array[0]) if answer is not None else truth
    return Judged(case.key, next(iter(sample.images.values())), said_index, truth)


def registrations(work: Path, judged: Judged, keys: list[str], references: list[Reference]):
    """The image on each reference, from the folder where it was done before."""
    for key, reference in zip(keys, references, strict=True):
        path = work / f"{judged.key}--{key}.npz"
        if not path.exists():
            found = lay(judged.image, [reference], seed=SEED)[0]
            aside = path.with_suffix(".part.npz")
            if found is None:
                np.savez(aside, failed=True)
            else:
                control = found.spatial.displacement.control
                np.savez(aside, failed=False, matrix=found.spatial.matrix, control=control)
            aside.replace(path)
        with np.load(path) as kept:
            if bool(kept["failed"]):
                yield None
                continue
            fixed = reference.image
            spatial = Spatial(kept["matrix"], fixed.shape, fixed.affine_mm, displacement=Displacement(kept["control"]))
        unknown = Agreement(*[float("nan")] * 4)
        quality = Quality(unknown, unknown, 1.0, (1.0, 1.0), 0.0)
        yield Registration("deformable", spatial, judged.image.shape, judged.image.affine_mm, quality)


def work_list(cases: int) -> list[tuple[int, str, float, int]]:
    """Which case is damaged how, to which Dice, with which seed: decided before anything is looked at.

    Every tenth gets `EACH_TENTH` segmentations, spread evenly inside it; ways and cases take turns.
    """
    rng = np.random.default_rng(SEED)
    planned: list[tuple[int, str, float, int]] = []
    for low, high in TENTHS:
        wanted = low + (high - low) * (np.arange(EACH_TENTH) + 0.5) / EACH_TENTH
        who = rng.permutation(cases)
        for at, each in enumerate(wanted):
            way = WAYS[(at + len(planned)) % len(WAYS)]
            planned.append((int(who[at % cases]), way, float(each), int(rng.integers(2**31))))
    return planned


def rows_of(judged: Judged, label: np.ndarray, asked, laid, **facts) -> dict:
    """What is known and what is told of one segmentation."""
    told = evidence(judged.image, label, asked, laid, 3, seed=SEED)
    return {"key": judged.key, "real": judged.real(label).tolist(), "told": told.tolist(), **facts}


def experiment(folder: Path, work: Path) -> pandas.DataFrame:
    """Every segmentation's evidence, one JSON line each in FOLDER/rows.jsonl; what is there is not done again."""
    run = open_run(folder)
    cohort = Cohort.read(folder / "cohort.parquet")
    train = cohort.with_role("train")
    known = [prepared(run, cohort, case, None) for case in train]
    references = [Reference.of(each.image, each.truth, MOST_VOXELS) for each in known]
    test = [
        prepared(run, cohort, case, Path("maps") / f"{case.key}.answer.nii.gz") for case in cohort.with_role("test")
    ]
    chosen = sorted(np.random.default_rng(SEED).choice(len(known), CALIBRATED_ON, replace=False).tolist())
    store = work / "rows.jsonl"
    rows = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    done = {row["key"] for row in rows}
    planned = work_list(len(test))

    def neighbours(judged: Judged):
        others = [at for at in range(len(references)) if train[at].key != judged.key]
        at = [others[place] for place in choose(judged.image, [references[i] for i in others], REFERENCES)]
        asked = [references[i] for i in at]
        laid = list(registrations(work, judged, [train[i].key for i in at], asked))
        return asked, laid

    for at, judged in enumerate([*test, *(known[i] for i in chosen)]):
        if judged.key in done:
            continue
        began = time.monotonic()
        asked, laid = neighbours(judged)

        def score(label: np.ndarray, judged: Judged = judged) -> float:
            return float(np.nanmean(judged.real(label)))

        testing = at < len(test)
        mine = [rows_of(judged, judged.answer, asked, laid, way="none", part="test" if testing else "train")]
        if testing:
            plans = [(way, wanted, seed) for who, way, wanted, seed in planned if who == at]
        else:
            ways = np.roll(WAYS, at)
            plans = [
                (str(way), wanted, SEED + at) for way, wanted in zip(ways, (0.35, 0.5, 0.65, 0.8, 0.9), strict=True)
            ]
        for way, wanted, seed in plans:
            label, _ = damage_to(judged.answer, way, wanted, score, seed)
            mine.append(rows_of(judged, label, asked, laid, way=way, part="test" if testing else "train"))
        with store.open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in mine)
        rows += mine
        print(f"{judged.key}: {len(mine)} segmentations, {time.monotonic() - began:.0f} s", flush=True)
    return pandas.DataFrame(rows)


def findings(rows: pandas.DataFrame, task_question) -> Iterator[tuple[str, pandas.DataFrame, Finding]]:
    """Each predictor's figures on the damaged and undamaged test segmentations."""
    train, test = rows[rows.part == "train"], rows[rows.part == "test"].reset_index(drop=True)
    told = np.array(test.told.tolist(), dtype=float)  # (segmentation, structure, column)
    real = np.array([np.nanmean(each) for each in test.real])
    taught = np.array(train.told.tolist(), dtype=float)
    scales = {
        "atlas and forest, to scale": list(range(len(COLUMNS))),
        "atlas alone, to scale": [COLUMNS.index("atlas_best"), COLUMNS.index("atlas_mean")],
        "forest alone, to scale": [COLUMNS.index("forest_best"), COLUMNS.index("forest_mean")],
    }
    foretold = {}
    for name, columns in scales.items():
        kept = np.full_like(taught, np.nan)
        kept[..., columns] = taught[..., columns]
        truth = np.array(train.real.tolist(), dtype=float)
        scale = Calibration.fit(kept.reshape(-1, len(COLUMNS)), truth.ravel(), train.key.nunique())
        foretold[name] = np.array([scale(each).mean() for each in told])
    foretold["atlas, best overlap as it is"] = told[:, :, COLUMNS.index("atlas_best")].mean(1)
    foretold["forest, best overlap as it is"] = told[:, :, COLUMNS.index("forest_best")].mean(1)
    foretold[SCALED] = by_other_half(test)
    foretold["atlas, the safeguard's line on other images' answers"] = by_the_safeguards_line(test)
    table = pandas.DataFrame({"key": test.key, "patient": None, "cluster": test.key, "role": "test"})
    for name, values in foretold.items():
        predictions = Predictions(table, task_question, Path())
        finding = PredictedQuality().compare(values, real, Measuring.of(predictions, 2000, 0.95, 0))
        yield name, test.assign(foretold=values, real_mean=real), finding


Read = Callable[[np.ndarray], np.ndarray]


def overlaps(rows: pandas.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """``(segmentation, 2)`` best and mean overlap, and ``(segmentation,)`` the real Dice, each averaged over structures."""
    told = np.array(rows.told.tolist(), dtype=float)[:, :, :2].mean(1)
    return told, np.array([np.nanmean(each) for each in rows.real])


def _as_it_is(told: np.ndarray, real: np.ndarray) -> Read:
    return lambda asked: asked[:, 0]


def _regressed(columns: int) -> Callable[[np.ndarray, np.ndarray], Read]:
    def fit(told: np.ndarray, real: np.ndarray) -> Read:
        def design(rows: np.ndarray) -> np.ndarray:
            return np.column_stack([np.ones(len(rows)), rows[:, :columns]])

        weights = np.linalg.lstsq(design(told), real, rcond=None)[0]
        return lambda asked: np.clip(design(asked) @ weights, 0, 1)

    return fit


def _read_back(degree: int) -> Callable[[np.ndarray, np.ndarray], Read]:
    def fit(told: np.ndarray, real: np.ndarray) -> Read:
        read = read_back(told[:, 0], real, degree)
        return lambda asked: read(asked[:, 0])

    return fit


#: How an overlap is turned into a Dice: written down before any was tried on a test case.
SCALES: dict[str, Callable[[np.ndarray, np.ndarray], Read]] = {
    "best overlap as it is": _as_it_is,
    "regressed on the best overlap": _regressed(1),
    "regressed on the best and the mean overlap": _regressed(2),
    "best overlap read back by a line": _read_back(1),
    "best overlap read back by a parabola": _read_back(2),
}


def chosen_scale(rows: pandas.DataFrame) -> tuple[str, dict[str, float]]:
    """The scale whose largest error of a tenth is least when each image is judged by the others.

    Tenths of fewer than ten segmentations do not count.
    """
    told, real = overlaps(rows)
    tenth = np.floor(real * 10 + 1e-9)
    worst = {}
    for name, fit in SCALES.items():
        error = np.full(len(rows), np.nan)
        for key in rows.key.unique():
            out = (rows.key == key).to_numpy()
            error[out] = np.abs(fit(told[~out], real[~out])(told[out]) - real[out])
        worst[name] = max(float(error[tenth == at].mean()) for at in np.unique(tenth) if (tenth == at).sum() >= 10)
    return min(worst, key=lambda name: worst[name]), {name: round(each, 4) for name, each in worst.items()}


def halves(rows: pandas.DataFrame) -> list[np.ndarray]:
    """``(segmentation,)`` bool twice: the images by lot in two halves."""
    keys = np.random.default_rng(SEED).permutation(rows.key.unique())
    first = rows.key.isin(keys[: len(keys) // 2]).to_numpy()
    return [first, ~first]


def by_the_safeguards_line(rows: pandas.DataFrame) -> np.ndarray:
    """As `by_other_half`, by the line that the safeguard fits with ``calibrated_on``: no scale is chosen."""
    told, real = np.array(rows.told.tolist(), dtype=float), np.array(rows.real.tolist(), dtype=float)
    told[..., 2:] = np.nan  # no forest
    foretold = np.full(len(rows), np.nan)
    for inside in halves(rows):
        taught = told[~inside].reshape(-1, len(COLUMNS))
        line = Calibration.fit(taught, real[~inside].ravel(), rows.key[~inside].nunique())
        foretold[inside] = [line(each).mean() for each in told[inside]]
    return foretold


def by_other_half(rows: pandas.DataFrame) -> np.ndarray:
    """Each half of the images, by lot, is judged by a scale that was chosen and fitted on the other half alone.

    Returns:
        ``(segmentation,)`` Dice foretold.
    """
    foretold = np.full(len(rows), np.nan)
    for inside in halves(rows):
        choice, worst = chosen_scale(rows[~inside].reset_index(drop=True))
        print(f"chosen on the other half: {choice}; largest error of a tenth there: {worst}")
        foretold[inside] = SCALES[choice](*overlaps(rows[~inside]))(overlaps(rows[inside])[0])
    return foretold


def interval(finding: Finding, digits: int = 3) -> str:
    ends = "" if finding.interval is None else f" [{finding.interval[0]:.{digits}f}, {finding.interval[1]:.{digits}f}]"
    return f"{finding.value:.{digits}f}{ends}"


def figure(named: Sequence[tuple[str, pandas.DataFrame, Finding]], path: Path) -> None:
    """Foretold against real Dice: points alone, no image of a patient."""
    from matplotlib.figure import Figure

    titles = {"atlas, best overlap as it is": "as it is", SCALED: "off a scale of other images"}
    shown = [each for each in named if each[0] in titles]
    drawing = Figure(figsize=(8.4, 4.2), layout="constrained")
    for axes, (name, table, finding) in zip(drawing.subplots(1, 2, sharex=True, sharey=True), shown, strict=True):
        axes.plot([0.2, 1], [0.2, 1], color="0.6", linewidth=1)
        axes.axvline(0.7, color="0.8", linewidth=1, linestyle=":")
        for way in ("none", *WAYS):
            rows = table[table.way == way]
            axes.scatter(rows.real_mean, rows.foretold, s=16, label="undamaged" if way == "none" else way, alpha=0.8)
        axes.set(title=f"{titles[name]}: r = {finding.value:.2f}", xlabel="real Dice", xlim=(0.2, 1), ylim=(0.2, 1))
    drawing.axes[0].set_ylabel("Dice foretold without truth")
    drawing.axes[1].legend(fontsize=8)
    drawing.savefig(path, dpi=110)


def page(named: Sequence[tuple[str, pandas.DataFrame, Finding]]) -> str:
    """The tables of docs/results/reverse_classification.md."""
    lines = ["| predictor | r | r, undamaged alone | mean absolute error | AUROC of failures (Dice < 0.7) |"]
    lines.append("|---|---|---|---|---|")
    for name, table, finding in named:
        plain = table[table.way == "none"]
        alone = float(np.corrcoef(plain.foretold, plain.real_mean)[0, 1])
        error, failed = finding.parts["mean_absolute_error"], finding.parts["failures"]
        lines.append(
            f"| {name} | {interval(finding)} | {alone:.2f} (n={len(plain)}) | {interval(error)} | {interval(failed)} |"
        )
    lines += ["", "Mean absolute error by tenth of the real Dice:", ""]
    tenths = sorted(named[0][2].parts["mean_absolute_error"].parts)
    lines.append(f"| predictor | {' | '.join(tenths)} |")
    lines.append("|---" * (len(tenths) + 1) + "|")
    counts = [named[0][2].parts["mean_absolute_error"].parts[tenth].cases for tenth in tenths]
    lines.append(f"| segmentations | {' | '.join(map(str, counts))} |")
    for name, _, finding in named:
        parts = finding.parts["mean_absolute_error"].parts
        lines.append(f"| {name} | {' | '.join(f'{parts[tenth].value:.3f}' for tenth in tenths)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    rows = experiment(given.run, given.work)
    named = list(findings(rows, open_run(given.run).task.question))
    print(page(named))
    for way in ("none", *WAYS):
        table = named[0][1]
        rows_way = table[table.way == way]
        gap = (rows_way.foretold - rows_way.real_mean).mean()
        print(f"{way:8} {len(rows_way):3} segmentations, foretold minus real {gap:+.3f}")
    if given.figure:
        figure(named, given.figure)


if __name__ == "__main__":
    main()
