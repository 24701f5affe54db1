"""``preceptor seal RUN -o FILE``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def seal(
    run: Path,
    *,
    out: Annotated[Path, Parameter(alias="-o")],
    key: Path | None = None,
    onnx: Path | None = None,
    monai: Path | None = None,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Seal a run into a bundle, if its gates hold (exit code 4 if not).

    Parameters
    ----------
    run
        Folder that `preceptor run` made.
    out
        The bundle to write, such as hippocampus.preceptor.
    key
        An Ed25519 private key (PEM) to sign with.
    onnx
        Also write the networks as ONNX to this file.
    monai
        Also write a folder in the layout of MONAI's bundles.
    fresh
        Replace a bundle of that name.
    """
    from preceptor import api
    from preceptor.core.errors import RecipeError

    if out.exists() and not fresh:
        raise RecipeError(
            "the bundle exists already",
            where=out.name,
            expected="a new name",
            remedy="name another file with -o, or say --fresh to replace it",
            code="exists",
        )
    for wanted in (onnx, monai):
        if wanted is not None and wanted.exists():
            raise RecipeError("the export exists already", where=wanted.name, expected="a new name", code="exists")
    bundle = api.seal(run, out, key)
    record = {"bundle": str(out), "bytes": out.stat().st_size}
    if onnx is not None:
        record["onnx"] = str(bundle.export_onnx(onnx))
    if monai is not None:
        record["monai"] = str(bundle.export_monai(monai))
    console.result(str(out), record, as_json)
