"""The one door for images that others wrote: they are read in a process of its own, with limits on time and memory.

What decodes pictures, slices and their streams are large libraries in C, C++ and Rust. One that aborts, hangs or asks for
too much on a damaged file costs that file, and the next one is read by a new process. NIfTI and arrays need no decoder but
inflate: they are read here, where their headers are held against the file before memory is asked for, and films and
slides have processes of their own (`preceptor.intake.video.clips`, `preceptor.intake.slides`). Preparation passes here once a
case; training reads what was prepared.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import errors
from preceptor.core.errors import PreceptorError, PrepareError, Problem, safe_name
from preceptor.core.image import Image

from .decoding import Child, confine, is_apart, output_alone, requests, send, send_answer

#: A long series of compressed slices takes minutes; what takes longer hangs.
SECONDS = 600

#: A scan of `limits.MAX_VOXELS` in 16 bits, twice, and as much for its planes.
MEMORY_BYTES = 16 * 2**30

_FAMILY = {
    each.__name__: each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, PreceptorError) and each is not PreceptorError
}

#: Processes that wait for work: one thread needs one, and threads that read side by side do not wait for one another.
_idle: list[Child] = []
_lock = threading.Lock()


def _begin_anew() -> None:
    """A forked worker shares no process with its parent, and waits for no thread that stayed behind."""
    global _idle, _lock
    _idle, _lock = [], threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def read_apart(root: Path, source: str, *, is_label: bool = False) -> Image:
    """Read one image as `preceptor.intake.read.read_image` does, in a process that it can do no harm to.

    Args:
        root: Folder that the source is relative to.
        source: As for `read_image`.
        is_label: Integer codes.

    Returns:
        The image, equal to what `read_image` returns.

    Raises:
        PrepareError: As `read_image`; and where the file ended its reader, hung it, or asked for too much memory.
        MissingExtra: A library that the file needs is not installed.
    """
    from .read import read_image

    name, _, member = source.partition("::")
    path = Path(root) / name
    if is_apart() or member.startswith("tile=") or _needs_no_decoder(path):
        return read_image(root, source, is_label=is_label)
    child = _taken()
    try:
        facts, array = child.ask({"root": str(Path(root).absolute()), "source": source, "is_label": is_label})
    except ValueError as error:
        raise _rebuilt(str(error), path) from None
    except RuntimeError as error:
        raise _refused(
            path, f"the file ended the process that read it, or held it for {SECONDS // 60} minutes", "reader_ended"
        ) from error
    finally:
        with _lock:
            _idle.append(child)
    return Image(array, np.array(facts["affine_mm"]), is_label, facts["has_time"], facts["meta"])


def _taken() -> Child:
    with _lock:
        return _idle.pop() if _idle else Child(__name__, "answer_requests", SECONDS)


def _needs_no_decoder(path: Path) -> bool:
    """Whether a file is read by this program's own code, absent, or a film, which has a process of its own."""
    from .read import NIFTI_STARTS
    from .video.video_decoding import video_kind

    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return not path.is_dir()
    own = start.startswith((b"PK\x03\x04", b"\x93NUMPY", b"\x1f\x8b")) or start[:4] in NIFTI_STARTS
    return start[128:] != b"DICM" and (own or video_kind(start) is not None)


def answer_requests() -> None:
    """What the child runs: one image after another."""
    import warnings

    confine(MEMORY_BYTES)
    warnings.simplefilter("ignore")
    output = output_alone()
    for request in requests():
        try:
            facts, array = _read(request)
        except PreceptorError as error:
            told = {"kind": type(error).__name__, "problems": [asdict(error.problem), *map(asdict, error.problems)]}
            send(output, json.dumps({"error": json.dumps(told)}).encode())
        except MemoryError:
            send(output, json.dumps({"error": "memory_limit"}).encode())
        except Exception as error:  # told by kind alone: the text may hold values of the file
            send(output, json.dumps({"error": f"unforeseen {type(error).__name__}"}).encode())
        else:
            send_answer(output, facts, array)


def _read(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    from .read import read_image

    image = read_image(Path(request["root"]), request["source"], is_label=request["is_label"])
    facts = {"affine_mm": image.affine_mm.tolist(), "has_time": image.has_time, "meta": dict(image.meta)}
    return facts, image.array


def _rebuilt(told: str, path: Path) -> PreceptorError:
    """The error that was met in the other process."""
    if told == "memory_limit":
        return _refused(path, f"reading the file takes more than {MEMORY_BYTES >> 30} GiB of memory", told)
    if told.startswith("unforeseen"):
        return _refused(path, f"the file is damaged in a way that its reader does not know ({told[11:]})", "damaged")
    record = json.loads(told)
    problem, *others = (Problem(**each | {"cases": tuple(each["cases"])}) for each in record["problems"])
    return _FAMILY[record["kind"]].from_problem(problem, others)


def _refused(path: Path, what: str, code: str) -> PrepareError:
    return PrepareError(
        what,
        where=safe_name(path),
        expected="a whole image of a size that a scanner makes",
        remedy="export it again from its source, or leave the case out",
        code=code,
    )
