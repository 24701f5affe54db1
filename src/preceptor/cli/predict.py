"""``preceptor predict BUNDLE INPUT… --out DIR``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from . import console


def predict(
    bundle: Path,
    inputs: Annotated[tuple[Path, ...], Parameter(negative="")],
    /,
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("predictions"),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    key: Path | None = None,
    as_json: console.Json = False,
) -> None:
    """Predict images with a sealed bundle: DIR/predictions.csv, and a mask per case where the answer is one.

    An input the model was not made for is refused with the reason; it stands in the table with accepted = False.

    Parameters
    ----------
    bundle
        What `preceptor seal` wrote.
    inputs
        Files, folders, DICOM series, or lists of them.
    out
        Folder for the results.
    device
        Where to compute.
    key
        An Ed25519 public key (PEM): a bundle that it has not signed is refused.
    """
    from preceptor import api
    from preceptor.core.errors import RecipeError

    if not inputs:
        raise RecipeError(
            "no images to predict", expected="one or more files or folders after the bundle", code="usage"
        )
    table = api.predict(bundle, inputs, out, device=device, key=key, progress=console.bar("predicting"))
    refused = int((~table["accepted"].astype(bool)).sum())
    console.say(f"{len(table)} case{'s' if len(table) != 1 else ''}, {refused} refused: {out / 'predictions.csv'}")
    record = {"table": str(out / "predictions.csv"), "predictions": json.loads(table.to_json(orient="records"))}
    console.result(table.to_csv(index=False).rstrip("\n"), record, as_json)
