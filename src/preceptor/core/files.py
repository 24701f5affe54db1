"""Files that are whole or not there: written aside and renamed, hashed, and measured before anything is allocated."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BundleError, safe_name

if TYPE_CHECKING:
    from torch import Tensor

#: A safetensors header names tensors; more than this is no header but an attack or damage.
_MOST_HEADER_BYTES = 100 * 2**20


@contextmanager
def write_aside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Write to a file beside `path`, which takes its place once it is whole and on the disk.

    Args:
        path: The file to write; what was there stays until the new one is whole. Its folder is made where it is absent.
        durable: Wait until the disk has it. False is for what can be made again: whole for every process at once, but
            after a power failure perhaps missing or cut short, which its reader must notice.

    Yields:
        The file to write to, in the same folder.

    Raises:
        OSError: The disk is full or not writable; `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")  # always the same, so a killed process leaves one at most
    try:
        aside.touch()
        yield aside
        if durable:
            _flush(aside)
        aside.replace(path)
        if durable:
            _flush(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, and beside them JSON with their hash and a record.

    Args:
        path: ``….safetensors``; the JSON takes the same name with ``.json``.
        tensors: Contiguous and sharing no memory.
        record: JSON.

    Raises:
        OSError: The disk is full or not writable.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    with write_aside(path) as aside:
        try:
            save_file(dict(tensors), aside)
        except SafetensorError as error:
            raise OSError(str(error)) from error
        digest = digest_file(aside)
    with write_aside(path.with_suffix(".json")) as aside:
        aside.write_text(json.dumps({"sha256": digest, "record": record}), encoding="utf-8")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, once the hash confirms it.

    Raises:
        BundleError: A file is missing, damaged, or the two do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    refuse_bundle(path)
    try:
        beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        expected, record = beside["sha256"], beside["record"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "its record is missing or not readable") from error
    try:
        _refuse_impossible_header(path)
        if digest_file(path) != expected:
            raise _damaged(path, "its bytes are not those that were written")
        return load_file(path), record
    except (OSError, SafetensorError, ValueError) as error:
        raise _damaged(path, "its tensors can't be read") from error


def refuse_bundle(path: Path) -> None:
    """Name the command that was meant where a sealed bundle is taken for a file of weights.

    Raises:
        BundleError: The file is a bundle.
    """
    path = Path(path)
    if not path.is_file():
        return
    with path.open("rb") as stream:
        starts_as_zip = stream.read(4) == b"PK\x03\x04"
        stream.seek(max(0, path.stat().st_size - 512))
        is_sealed = b"preceptor bundle " in stream.read()
    if starts_as_zip and is_sealed:
        raise BundleError(
            "this is a sealed bundle, not the weights of a training",
            where=safe_name(path),
            expected="a file or a folder below the run's `fits`",
            remedy="`preceptor predict BUNDLE INPUT` predicts with it; to train on, name the run it was sealed from",
            code="bundle_as_checkpoint",
        )


def _refuse_impossible_header(path: Path) -> None:
    """A length that the file can't hold is refused before it is allocated."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        first = stream.read(8)
    length = struct.unpack("<Q", first)[0] if len(first) == 8 else -1
    if not 0 <= length <= min(size - 8, _MOST_HEADER_BYTES):
        raise _damaged(path, "its header claims a length that the file does not have")


def _damaged(path: Path, why: str) -> BundleError:
    return BundleError(
        f"{path.name} is damaged: {why}",
        where=path.parent.name,
        expected="the bytes that were written",
        remedy="use another copy, or write it anew",
        code="tensors_damaged",
    )


def _flush(path: Path) -> None:
    """Make sure that a file, or a folder's entries, are on the disk and not in a cache alone."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder; its rename is durable with the file system's journal
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
