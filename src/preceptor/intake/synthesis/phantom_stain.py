"""Phantoms as stained sections: where a recipe looks at slides, its stand-ins have to be in haematoxylin and eosin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Cohort
from preceptor.core.files import write_aside
from preceptor.core.slots import spec
from preceptor.intake.raster import read_picture

#: Steps that read the colours of a section.
_STAIN_STEPS = ("macenko", "reinhard", "stain_jitter")

#: Optical density of haematoxylin and of eosin in red, green and blue (Ruifrok & Johnston 2001, eosin with a little more red).
_DYES = np.array([[0.65, 0.70, 0.29], [0.15, 0.97, 0.18]])


def needs_stain(sections: Mapping[str, Any]) -> bool:
    """Whether a recipe is about stained sections: its data set is ``slides``, or a step reads the stains."""
    steps = [spec(each)[0] for name in ("prepare", "augment") for each in sections[name] or ()]
    name, settings = spec(sections["cohort"])
    while name != "slides" and isinstance(settings.get("of"), dict | str):
        name, settings = spec(settings["of"])
    return name == "slides" or any(step in _STAIN_STEPS for step in steps)


def stain(cohort: Cohort) -> Cohort:
    """The same cases with each picture stained: dense parts in haematoxylin, the rest in eosin, and nothing as glass.

    Args:
        cohort: Of grey pictures in PNG. What is stained lies beside them, and is found again.

    Source: law of Beer and Lambert.
    """
    cases = []
    for case in cohort:
        images = {}
        for view, source in case.images.items():
            images[view] = f"stained/{case.key}-{view}.png"
            if not (cohort.root / images[view]).exists():
                _write(cohort.root / images[view], read_picture(cohort.root / source).array[0])
        cases.append(replace(case, images=images))
    return replace(cohort, cases=tuple(cases))


def _write(path: Path, grey: np.ndarray) -> None:
    from PIL import Image as Pillow

    path.parent.mkdir(exist_ok=True)
    dense = np.clip(grey.astype(float) / max(float(np.percentile(grey, 99)), 1.0), 0, 1)[..., None]
    amounts = np.concatenate([1.6 * dense**2, 1.2 * (1 - dense**2) * (dense > 0.1)], axis=-1)
    pixels = np.rint(240 * np.exp(-amounts @ _DYES)).astype(np.uint8)
    with write_aside(path, durable=False) as aside:
        Pillow.fromarray(np.ascontiguousarray(pixels.swapaxes(0, 1))).save(aside, format="PNG")
