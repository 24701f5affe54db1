"""The process that reads slides: it keeps the last few open, and answers what is asked of them within its limits."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from preceptor.intake.decoding import confine, output_alone, requests, send, send_answer

from .bounds import RefusedError, in_colour

_MEMORY_BYTES = 8 * 2**30
_MOST_OPEN = 4
_MOST_STAMPED = 100


class Backend(Protocol):
    """One opened slide, as one library reads it.

    Attributes:
        levels: ``[(rows, columns)]`` from the finest.
        microns: ``(row, column)`` microns per pixel of the finest; None where the file says nothing.
        vendor: Who wrote it.
        reader: The library that reads it.
        associated: Names of other pictures.
    """

    levels: list[tuple[int, int]]
    microns: tuple[float, float] | None
    vendor: str
    reader: str
    associated: list[str]

    def read(self, level: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """``(rows, columns, 3)`` uint8 of a part inside the level, its corner in pixels of the level."""

    def read_associated(self, name: str) -> np.ndarray:
        """``(rows, columns, 3)`` uint8."""

    def close(self) -> None:
        """Let go of the file."""


def answer_requests() -> None:
    """What the child runs: one question after another."""
    import warnings

    warnings.simplefilter("ignore")
    confine(_MEMORY_BYTES)
    output = output_alone()
    opened: OrderedDict[tuple[Any, ...], Backend] = OrderedDict()
    for request in requests():
        try:
            facts, pixels = _answer(request, opened)
        except RefusedError as error:
            send(output, json.dumps({"error": str(error)}).encode())
            continue
        except ImportError:
            send(output, json.dumps({"error": "missing_extra"}).encode())
            continue
        except MemoryError:
            send(output, json.dumps({"error": "memory"}).encode())
            continue
        except Exception as error:  # told by kind alone: the text may hold values of the file
            send(output, json.dumps({"error": f"damaged {type(error).__name__}"}).encode())
            continue
        send_answer(output, facts, pixels)


def _answer(
    request: dict[str, Any], opened: OrderedDict[tuple[Any, ...], Backend]
) -> tuple[dict[str, Any], np.ndarray]:
    path, nothing = Path(request["path"]), np.zeros(0, np.uint8)
    if request["do"] == "close":
        for identity in [each for each in opened if each[0] == path]:
            opened.pop(identity).close()
        return {}, nothing
    stamped = path, *_stamp(path)
    if stamped not in opened:
        opened[stamped] = open_backend(path)
        if len(opened) > _MOST_OPEN:
            opened.popitem(last=False)[1].close()
    opened.move_to_end(stamped)
    backend = opened[stamped]
    if request["do"] == "facts":
        microns = backend.microns
        known = microns is not None and all(np.isfinite(each) and each > 0 for each in microns)
        facts: dict[str, Any] = {name: getattr(backend, name) for name in ("levels", "vendor", "reader", "associated")}
        return {**facts, "microns": list(microns) if known and microns else None}, nothing
    if request["do"] == "associated":
        return {}, in_colour(backend.read_associated(request["name"]))
    pixels = backend.read(request["level"], request["corner"], request["size"])
    return {}, in_colour(pixels)


def _stamp(path: Path) -> tuple[Any, ...]:
    """What changes when the slide is written anew."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple((each.stat().st_size, each.stat().st_mtime_ns) for each in files[:_MOST_STAMPED])


def open_backend(path: Path) -> Backend:
    """Open a slide with what reads it best: by its content, not its suffix.

    Raises:
        RefusedError: It is no slide, or one that is refused.
    """
    from .from_dicom import DicomSlide

    if path.is_dir():
        return DicomSlide(path)
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] == b"DICM":
        return DicomSlide(path)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from .from_tiff import TiledTiff

        tiff = TiledTiff(path)
        if tiff.is_read_whole:
            return tiff
        tiff.close()
    from .from_vendor import VendorSlide

    return VendorSlide(path)
