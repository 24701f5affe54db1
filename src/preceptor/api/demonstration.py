"""The whole way in one call, on phantoms it makes itself."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, TextIO

from ..core.cohort import Cohort
from .bundles import predict
from .runs import run


def demo(out: str | Path = "demo", *, fresh: bool = False, stream: TextIO | None = sys.stderr) -> dict[str, Any]:
    """The whole path on phantoms made on the spot: check, train, prove, seal, predict, refuse.

    Args:
        out: Folder for everything the demo makes.
        fresh: Start anew where an earlier demo lies.
        stream: Where it is told.

    Returns:
        Paths and answers, by name.
    """
    folder = Path(out)
    if fresh and folder.exists():
        shutil.rmtree(folder)
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipes" / "phantoms.yaml"
    recipe.write_text(packaged_recipe("phantoms").read_text(encoding="utf-8"), encoding="utf-8")
    finished = run(recipe, folder / "runs", stream=stream)
    bundle = folder / "phantoms.preceptor"
    if fresh or not bundle.exists():
        finished.seal(bundle)
    cohort = Cohort.read(finished.folder / "cohort.parquet")
    case = cohort.with_role("test")[0]
    known = cohort.root / next(iter(case.images.values()))
    table = predict(bundle, [known, _foreign_image(folder)], folder / "predictions")
    answered, refused = table.iloc[0], table.iloc[1]
    return {
        "report": str(finished.folder / "report.html"),
        "bundle": str(bundle),
        "a test case": f"{answered['answer']} (probability {answered['probability_' + str(answered['answer'])]:.2f}, "
        f"uncertainty {answered['uncertainty']:.2f}); the truth is {case.labels['label']}",
        "an image from elsewhere": f"{'accepted' if refused['accepted'] else 'refused'}: {refused['reasons']}",
    }


def packaged_recipe(name: str) -> Path:
    """A recipe that comes with the package: inside it once installed, in the repository before."""
    here = Path(__file__).parents[1]
    places = (here / "recipes" / f"{name}.yaml", here.parents[1] / "recipes" / f"{name}.yaml")
    return next(path for path in places if path.exists())


def _foreign_image(folder: Path) -> Path:
    """A head phantom at another spacing: a fine image, and nothing that the demo's model was made for."""
    import numpy as np

    from ..core.image import Image
    from ..intake.write import write_image
    from ..maths.phantom_heads import head

    path = folder / "elsewhere.nii.gz"
    pixels = np.repeat(head(np.random.default_rng(0), subtype=0, size=48)[:, :, None], 12, axis=2)
    write_image(path, Image(pixels[None], np.diag([1.0, 1.0, 3.0, 1.0])))
    return path
