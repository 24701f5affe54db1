"""Enlarge a cohort on the disk: every training case as it is prepared, and varied copies of it beside it.

Only the role ``train`` is varied. A copy has its parent's role, patient, labels and fields, and stands in its parent's group, so
that no split parts them. What each copy is follows from (seed, parent, number of the copy) alone: the same seed writes the same
bytes, and a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.image import Image
from preceptor.core.plugins import Task, Transform
from preceptor.intake.labels import smallest_integer
from preceptor.intake.write import write_image

from .decided import generator, number_of
from .patches import UNLABELLED
from .store import Store
from .vary import vary

#: Columns that a copy carries: whose it is, and its number (0 for the case itself).
PARENT, COPY = "augmented_from", "augmented_copy"
_PICTURES = ("png", "jpeg", "bmp", "tiff", "array")


def enlarge(
    cohort: Cohort,
    store: Store,
    task: Task,
    augment: Sequence[Transform],
    out: Path,
    *,
    copies: int,
    seed: int,
    unlabelled: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Write every case, and `copies` variations of each training case.

    Args:
        cohort: With roles.
        store: Its prepared cases.
        task: Reads and writes the truth's values.
        augment: Transforms, drawn anew for every copy.
        out: Folder to write ``images/`` and ``masks/`` into. A file that is there is not written again.
        copies: Of each training case.
        seed: Of the draws.
        unlabelled: Value of the written label maps where nobody looked, or where a copy shows what lay outside the image.
        progress: Told how many files of images are done, and how many there are.

    Returns:
        The enlarged cohort, whose root is `out`; its notes say by how much it grew.

    Raises:
        PrepareError: A transform does not fit a case, or an image fits no format.
    """
    made: list[Case] = []
    total = sum(1 + (copies if case.role == "train" else 0) for case in cohort)
    for case in cohort:
        for copy in range(1 + (copies if case.role == "train" else 0)):
            child = _child(case, copy, store.sample(case.key), out)
            if not all((out / file).exists() for file in (*child.images.values(), *child.masks.values())):
                sample = store.sample(case.key)
                if copy:
                    rng = generator(seed, 0, number_of(case.key), copy - 1)
                    sample = vary(sample, augment, rng, task.mask).sample
                _write(sample, store.sample(case.key), child, out, task, unlabelled)
            made.append(child)
            if progress:
                progress(len(made), total)
    trained = len(cohort.with_role("train"))
    note = (
        f"enlarged offline: {copies} varied copies of each of {trained} training cases, {trained} x (1 + {copies}) = "
        f"{trained * (1 + copies)}; {len(cohort) - trained} cases of other roles as they are; {len(cohort)} cases became "
        f"{total}, a factor of {total / len(cohort):.2f}"
    )
    return replace(cohort, cases=tuple(made), root=out, notes=(*cohort.notes, note))


def _child(case: Case, copy: int, sample: Sample, out: Path) -> Case:
    """The case, or one of its copies, with its sources inside the new folder."""
    name = f"{_file_name(case.key)}-{copy}"
    images = {view: f"images/{name}-{_file_name(view)}{_ending(image)}" for view, image in sample.images.items()}
    masks = {mask: f"masks/{name}-{_file_name(mask)}{_ending(image)}" for mask, image in sample.masks.items()}
    return replace(
        case,
        key=case.key if copy == 0 else f"{case.key}-copy{copy}",
        images=images,
        masks=masks,
        group=case.cluster,
        fields={**case.fields, PARENT: case.key, COPY: copy},
    )


def _file_name(key: str) -> str:
    """Letters, digits and dots; two keys never share a name."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", key).strip(".")
    return plain if plain == key else f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def _ending(image: Image) -> str:
    """``.png`` for what was a picture and still has a picture's values, ``.nii.gz`` for the rest."""
    picture = image.meta.get("source_format") in _PICTURES and image.space_dims == 2 and not image.has_time
    whole = image.is_label or image.array.dtype == np.uint8 or (image.array.dtype == np.uint16 and image.channels == 1)
    return ".png" if picture and whole and image.channels in (1, 3) else ".nii.gz"


def _write(sample: Sample, prepared: Sample, child: Case, out: Path, task: Task, unlabelled: int | None) -> None:
    """The masks first: a case whose images are there is whole."""
    for name, mask in sample.masks.items():
        array = mask.array
        if name == task.mask:
            array = np.where(mask.array == UNLABELLED, unlabelled or 0, task.decode_mask(mask.array[0])[None])
        if mask.is_label:
            array = array.astype(smallest_integer(array.min(initial=0), array.max(initial=0)))
        _put(out / child.masks[name], mask.with_array(array))
    for view, image in sample.images.items():
        _put(
            out / child.images[view],
            image.with_array(_as_stored(image.array, prepared.images[view], child.images[view])),
        )


def _as_stored(array: np.ndarray, prepared: Image, file: str) -> np.ndarray:
    """Pictures keep their whole numbers; everything else is float32."""
    if not file.endswith(".png"):
        return np.asarray(array, dtype=np.float32)
    limits = np.iinfo(prepared.array.dtype)
    return np.clip(np.rint(array), limits.min, limits.max).astype(prepared.array.dtype)


def _put(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)
