"""From a file to an answer: read, refuse what the model was not made for, prepare, ask, and write it back in place."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import BundleError, CohortError, PreceptorError, RecipeError, Refusal, safe_name
from preceptor.core.evidence import Predictions
from preceptor.core.files import write_aside
from preceptor.core.image import Image
from preceptor.core.plugins import Prediction
from preceptor.intake.case import open_case
from preceptor.intake.survey import check_sample
from preceptor.intake.write import write_map
from preceptor.prepare.compose import resample_like

from .expected import misfits
from .growing_table import GrowingTable

if TYPE_CHECKING:
    from .bundle import Bundle

_IMAGES = (".nii", ".nii.gz", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm", ".npy")
_TABLES = (".csv", ".parquet")


def case_of(
    source: str | Path | Mapping[str, str | Path], views: Sequence[str], fields: Mapping[str, Any]
) -> tuple[Path, Case]:
    """A case of one's own, and the folder its sources are relative to.

    Args:
        source: A file, a folder with one DICOM series, or ``{view: file or folder}``.
        views: That the model looks at.
        fields: ``{column: value}``.

    Raises:
        RecipeError: One image is given, and the model looks at several views.
    """
    if not isinstance(source, Mapping):
        if len(views) > 1:
            raise RecipeError(
                f"the model looks at the views {', '.join(views)}, and it is not said which one this image is",
                where=safe_name(source),
                expected="{view: file}, or a table with the columns key and image:<view>",
                remedy=f"predict({{{views[0]!r}: ...}}); a view that is missing may be left out",
                code="view_unsaid",
            )
        source = {views[0]: source}
    images = {view: str(Path(each).resolve()) for view, each in source.items()}
    return Path("/"), Case(_key(images.values()), images, fields=dict(fields))


def predict_case(bundle: Bundle, placed: tuple[Path, Case], device: str) -> Prediction:
    """Predict one case.

    Raises:
        PrepareError: An image can't be read.
    """
    root, case = placed
    return predict_sample(bundle, open_case(root, case, masks=()), device)


def predict_sample(bundle: Bundle, original: Sample, device: str) -> Prediction:
    """Predict one case as it was read; a segmentation's mask lies on the grid the image came in."""
    prediction = answer_opened(bundle, original, device)
    if prediction.label is not None:
        mask = bundle.task.decode_mask(_on_original(prediction, prediction.label, original.reference))
        prediction.mask = Image(mask[None], original.reference.affine_mm, is_label=True, meta=original.reference.meta)
    return prediction


def answer_opened(bundle: Bundle, original: Sample, device: str) -> Prediction:
    """Refuse what the model was not made for, else ask it. A refused case has no answer."""
    reasons = reasons_against(bundle, original)
    if not reasons:
        return bundle.council(device)(original)
    prediction = Prediction(original.key, bundle.question)
    for reason in reasons:
        prediction.refuse(reason)
    return prediction


def reasons_against(bundle: Bundle, original: Sample) -> list[str]:
    """Why the model was not made for a case; empty where it was."""
    reasons = misfits(original, bundle.groups[0].expected)
    if reasons:
        return reasons
    problems = check_sample(original, [each for each in bundle.checks if each.reads != "nothing"], bundle.task)
    return [problem.what for problem in problems if problem.severity == "error"]


def refuse_misfits(bundle: Bundle, original: Sample) -> None:
    """Refuse a case that the model was not made for.

    Raises:
        Refusal: With every reason.
    """
    reasons = reasons_against(bundle, original)
    if reasons:
        raise Refusal(
            f"the model was not made for this image: {'; '.join(reasons)}",
            where=original.key,
            expected="an image like those it learnt from; its card tells which",
            code="input_misfit",
        )


def _on_original(prediction: Prediction, array: np.ndarray | None, like: Image) -> np.ndarray:
    assert array is not None and prediction.affine_mm is not None  # an answer with a label map has all its maps
    return resample_like(array[None], prediction.affine_mm, like, nearest=True)[0]


# -------------------------------------------------------------------- many inputs, one table


def predict_inputs(
    bundle: Bundle,
    inputs: Sequence[Path],
    out: Path,
    *,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> pandas.DataFrame:
    """Predict files, folders, DICOM series, lists and tables.

    ``out/predictions.csv`` gets a row a case: key, answer, a probability for each class, uncertainty (and, where they can
    be told apart, the data's and the model's), accepted, reasons; for segmentations the volume of each structure, and
    ``maps/`` the mask, its probability and its doubt in the geometry the image came in. File names may hold a patient's
    name, so cases are named by a hash, and only ``out/inputs.csv`` says which is which. Cases that are in the table
    already are not predicted again.

    Args:
        bundle: The model.
        inputs: Files; folders (each DICOM series in them, each other image); ``.txt`` lists of paths; ``.csv`` or
            ``.parquet`` tables with the columns key and ``image:<view>``.
        out: Folder for the results.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Called with how many cases are done, and how many there are.

    Returns:
        The table.

    Raises:
        CohortError: There is no image among the inputs.
        BundleError: The folder holds another model's predictions.
    """
    placed = list(_cases(inputs, bundle.views))
    if not placed:
        raise CohortError(
            "there is no image to predict",
            expected=f"files ({', '.join(_IMAGES)}), folders of them, DICOM series, lists or tables",
            code="no_images",
        )
    out.mkdir(parents=True, exist_ok=True)
    _note_model(out, bundle)
    _note_inputs(out, placed)
    table = GrowingTable(out / "predictions.csv")
    with table:
        for done, (root, case) in enumerate(placed, start=1):
            if case.key not in table.rows:
                table.add(_predicted_row(bundle, root, case, out, device))
            if progress:
                progress(done, len(placed))
    wanted = [table.rows[case.key] for _, case in placed]
    return pandas.DataFrame(wanted)


def answer_cohort(bundle: Bundle, cohort: Cohort, folder: Path, device: str, task: Any = None) -> Predictions:
    """Predict every case of a cohort as the run did its own, truth included; what is refused has no answer.

    Args:
        bundle: What answers.
        cohort: Its cases.
        folder: Dense answers lie in ``folder/maps``.
        device: As of `Bundle.council`.
        task: Reads the truth where it is written otherwise than the bundle knows; None for the bundle's own.
    """
    from preceptor.prove.answering import answer_cases

    task = bundle.task if task is None else task
    store = _Opened(bundle, cohort, device, task)
    return answer_cases(store.answer, cohort.cases, cohort, store, task, seed=bundle.recipe.seed, maps=folder / "maps")


class _Opened:
    """A cohort whose cases are opened and prepared when they are asked for."""

    def __init__(self, bundle: Bundle, cohort: Cohort, device: str, task: Any) -> None:
        self._bundle, self._cohort, self._device, self._task = bundle, cohort, device, task
        self._original: Sample | None = None

    def sample(self, key: str) -> Sample:
        task = self._task
        masks = [task.mask] if task.mask else []
        self._original = open_case(self._cohort.root, self._cohort[key], masks=masks)
        prepared = self._bundle.council(self._device).prepare(self._original)
        encoded = {
            name: image.with_array(task.encode_mask(image.array)) if name == task.mask else image
            for name, image in prepared.masks.items()
        }
        return replace(prepared, masks=encoded)

    def answer(self, prepared: Sample, voxels: np.random.Generator | None = None) -> Prediction:
        if self._original is None or self._original.key != prepared.key:
            self.sample(prepared.key)
        original = self._original
        assert original is not None  # `sample` opened it
        prediction = self._bundle.council(self._device)(replace(original, masks={}), voxels)
        for reason in misfits(original, self._bundle.groups[0].expected):
            prediction.refuse(reason)  # the answer stays: what would have been said is what is measured here
        return prediction


def _cases(inputs: Sequence[Path], views: Sequence[str]) -> Iterator[tuple[Path, Case]]:
    for path in inputs:
        if path.suffix in _TABLES and path.is_file():
            cohort = Cohort.read(path)
            yield from ((cohort.root, case) for case in cohort)
        elif path.suffix == ".txt" and path.is_file():
            lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
            listed = [Path(line) if Path(line).is_absolute() else path.parent / line for line in lines if line]
            yield from _cases(listed, views)
        elif path.is_dir():
            yield from _in_folder(path, views)
        else:
            yield case_of(path, views, {})


def _in_folder(folder: Path, views: Sequence[str]) -> Iterator[tuple[Path, Case]]:
    """The images of a folder, a folder of DICOM slices being one; folders below it in order."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    dicom = [path for path in files if _is_dicom(path)]
    if dicom:
        yield case_of(folder, views, {})
    for path in files:
        if path not in dicom and path.name.lower().endswith(_IMAGES):
            yield case_of(path, views, {})
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        yield from _in_folder(below, views)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _predicted_row(bundle: Bundle, root: Path, case: Case, out: Path, device: str) -> dict[str, Any]:
    try:
        original = open_case(root, case, masks=())
        prediction = answer_opened(bundle, original, device)
    except PreceptorError as error:
        prediction, original = Prediction(case.key, bundle.question), None
        prediction.refuse(error.problem.what)
    return _row(bundle, prediction, original, out)


def _row(bundle: Bundle, prediction: Prediction, original: Sample | None, out: Path) -> dict[str, Any]:
    question = bundle.question
    row: dict[str, Any] = {"key": prediction.key, "answer": None}
    if question.dense and prediction.label is not None and original is not None:
        row |= _write_maps(bundle, prediction, original.reference, out)
    elif not question.dense:
        row |= _answer(prediction)
    return row | {
        "uncertainty": prediction.uncertainty,
        "data_uncertainty": prediction.data_uncertainty,
        "model_uncertainty": prediction.model_uncertainty,
        "accepted": prediction.accepted,
        "reasons": "; ".join(prediction.reasons),
    }


def _answer(prediction: Prediction) -> dict[str, Any]:
    question, given = prediction.question, prediction.probability
    if question.task == "survival":
        curve = [None] * len(question.times) if prediction.survival is None else [float(s) for s in prediction.survival]
        risk = None if given is None else float(given[0])
        return {"answer": risk, **dict(zip(question.curve_columns, curve, strict=True)), "unit": question.unit}
    if question.is_regression:
        return {"answer": None if given is None else float(given[0]), "unit": question.unit}
    values = [float("nan")] * len(question.classes) if given is None else [float(each) for each in given]
    row: dict[str, Any] = {"answer": None}
    if given is not None and question.exclusive:
        row["answer"] = question.classes[int(np.argmax(given))]
    elif given is not None:
        row["answer"] = " ".join(name for name, value in zip(question.classes, values, strict=True) if value >= 0.5)
    return row | {f"probability_{name}": value for name, value in zip(question.classes, values, strict=True)}


def _write_maps(bundle: Bundle, prediction: Prediction, like: Image, out: Path) -> dict[str, Any]:
    maps = out / "maps"
    maps.mkdir(exist_ok=True)
    question = prediction.question
    label = _on_original(prediction, prediction.label, like)
    written = write_map(maps / f"{prediction.key}.answer", bundle.task.decode_mask(label), like)
    for name, array in (("top_probability", prediction.top_probability), ("doubt", prediction.doubt)):
        write_map(maps / f"{prediction.key}.{name}", _on_original(prediction, array, like), like)
    voxel = float(np.prod(like.spacing_mm))
    unit = ("voxels", "mm2", "mm3")[like.space_dims - 1] if like.has_known_geometry else "voxels"
    size = voxel if unit != "voxels" else 1.0
    counts = np.bincount(label.ravel(), minlength=len(question.classes))
    sizes = {f"{name}_{unit}": round(float(counts[i]) * size, 3) for i, name in enumerate(question.classes) if i}
    return {"answer": written.relative_to(out).as_posix(), **sizes}


def _note_inputs(out: Path, placed: Sequence[tuple[Path, Case]]) -> None:
    """Which key is which file: the one file that may hold a name."""
    known: dict[tuple[str, str], str] = {}
    path = out / "inputs.csv"
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            known = {(row["key"], row["view"]): row["source"] for row in csv.DictReader(stream)}
    for root, case in placed:
        known |= {(case.key, view): str(root / source) for view, source in case.images.items()}
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["key", "view", "source"])
        writer.writerows([key, view, source] for (key, view), source in known.items())


def _note_model(out: Path, bundle: Bundle) -> None:
    """One folder, one model."""
    path = out / "model.txt"
    if path.exists() and path.read_text(encoding="utf-8").strip() != bundle.digest:
        raise BundleError(
            "the folder holds the predictions of another model",
            where=out.name,
            expected="a new folder, or this model's",
            remedy="name another folder with --out",
            code="another_model",
        )
    with write_aside(path) as aside:
        aside.write_text(bundle.digest + "\n", encoding="utf-8")


def _key(sources: Any) -> str:
    return f"case-{hashlib.sha256('|'.join(sorted(sources)).encode()).hexdigest()[:12]}"
