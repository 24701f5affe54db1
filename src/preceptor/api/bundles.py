"""From a run to a sealed bundle, and from a bundle to answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .runs import open_run


def seal(folder: str | Path, path: str | Path, key: str | Path | None = None) -> Any:
    """Seal a run into a bundle.

    Args:
        folder: The run's.
        path: Of the bundle to write.
        key: An Ed25519 private key (PEM) to sign with.

    Raises:
        Refusal: A gate does not hold.
    """
    return open_run(folder).seal(path, None if key is None else Path(key))


def open_bundle(path: str | Path, *, key: str | Path | None = None) -> Any:
    """Open a sealed bundle: every byte is verified first.

    Args:
        path: Of the bundle.
        key: A public key (PEM) that must have signed it.

    Raises:
        BundleError: It is damaged, of another kind, of a newer format, or not signed by this key.
    """
    from ..deliver.bundle import Bundle

    return Bundle.open(Path(path), key=key)


def predict(
    bundle: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    device: str = "auto",
    key: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Predict files, folders or DICOM series with a sealed bundle; see `preceptor.deliver.predicting`.

    Args:
        bundle: Of the bundle.
        inputs: Files, folders, lists (``.txt``) or tables (``.csv``, ``.parquet``).
        out: Folder for the results.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        key: A public key (PEM) that must have signed the bundle.
        progress: Called with how many cases are done, and how many there are.

    Returns:
        The table that lies in ``out/predictions.csv``.
    """
    from ..deliver.predicting import predict_inputs

    opened = open_bundle(bundle, key=key)
    return predict_inputs(opened, [Path(each) for each in inputs], Path(out), device=device, progress=progress)
