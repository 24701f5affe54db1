"""A slot for a trained model among the steps of the preparation.

Preparation comes before training, and so does not know what a bundle is. Whoever does hands in how one is opened, once
for the process; a step that names a bundle file then gets its mask from it. Processes that prepare or load for this one
are handed the same on their start (`handed_in`, `hand_on`), for only forked ones would inherit it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

#: An image of one channel to ``(*space)`` bool: what the model marks, on the image's own grid.
Segmenter = Callable[[Image], np.ndarray]

_openers: list[Callable[[Path], Segmenter]] = []
#: By the bundle's bytes; a bundle is read as it is needed, so its file must live as long.
_open: dict[bytes, tuple[Segmenter, tempfile.TemporaryDirectory[str]]] = {}


def open_bundles_with(opener: Callable[[Path], Segmenter]) -> None:
    """Hand in how a bundle file becomes a segmenter; the last one handed in counts."""
    if _openers != [opener]:
        _openers[:] = [opener]
        _open.clear()


def handed_in() -> Callable[[Path], Segmenter] | None:
    """How this process opens bundles; None where nobody has said."""
    return _openers[-1] if _openers else None


def hand_on(opener: Callable[[Path], Segmenter] | None, worker: int | None = None) -> None:
    """Give a new process what `handed_in` said in the one that started it.

    Args:
        opener: A function of a module, which processes that are not forked can be sent.
        worker: The process' number, which torch tells.
    """
    if opener is not None:
        open_bundles_with(opener)


def segmenter(bundle: bytes) -> Segmenter:
    """The model of a bundle, opened once a process.

    Args:
        bundle: The file's bytes, as a fitted step keeps them.

    Raises:
        PrepareError: Nobody has said how a bundle is opened.
    """
    if not _openers:
        raise PrepareError(
            "a step names a model, and nothing here opens bundles",
            where="prepare",
            expected="a run or a bundle, which hand that in; or `preceptor.prepare.segmenter.open_bundles_with`",
            remedy="name an atlas and its mask instead",
            code="no_segmenter",
        )
    if bundle not in _open:
        folder = tempfile.TemporaryDirectory(prefix="preceptor-")
        path = Path(folder.name) / "model.preceptor"
        path.write_bytes(bundle)
        _open[bundle] = _openers[-1](path), folder
    return _open[bundle][0]
