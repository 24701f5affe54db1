"""What a reading process does: damage a seed, read it, and tell what came of it."""

from __future__ import annotations

import json
import random
import re
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.intake.decoding import output_alone, requests, send

from .mutating import mutated
from .readers import READERS

#: A name that no message may show.
NAME = "Meier^Anna"
#: Address space of a reading process.
MEMORY_BYTES = 8 * 2**30
#: What a file of a few kilobytes may take.
MOST_SECONDS, MOST_RISE_MIB = 10.0, 400


def answer_requests() -> None:
    """One file after another, until the input is closed."""
    import resource
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    output = output_alone()
    with tempfile.TemporaryDirectory() as name:
        warm: set[str] = set()
        for request in requests():
            if request["kind"] not in warm:  # what is loaded once is no file's cost
                warm.add(request["kind"])
                for whole in sorted((Path(request["seeds"]) / request["kind"]).iterdir())[:2]:
                    copy = Path(name) / whole.name
                    copy.write_bytes(whole.read_bytes())
                    outcome_of(request["kind"], copy)
            told = _tried(request, Path(name))
            send(output, json.dumps({**told, "shape": [0], "dtype": "u1"}).encode())
            send(output, np.zeros(0, "u1").tobytes())


def content_of(seeds: Path, kind: str, number: int, seed: int) -> tuple[str, bytes]:
    """The suffix and the bytes of one damaged file: the same for the same number, whoever asks."""
    dice = random.Random(f"{seed} {kind} {number}")
    chosen = dice.choice(sorted((seeds / kind).iterdir()))
    return "".join(chosen.suffixes), mutated(chosen.read_bytes(), kind, dice)


def _tried(request: dict, folder: Path) -> dict:
    kind = request["kind"]
    if "path" in request:
        suffix, content = request["suffix"], Path(request["path"]).read_bytes()
    else:
        suffix, content = content_of(Path(request["seeds"]), kind, request["number"], request["seed"])
    path = folder / f"{NAME}{suffix}"
    path.write_bytes(content)
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _peak_mib(), time.perf_counter()
    outcome = outcome_of(kind, path)
    seconds, rise = time.perf_counter() - began, _peak_mib() - before
    if seconds > MOST_SECONDS:
        outcome = f"slow: {outcome}"
    if rise > MOST_RISE_MIB:
        outcome = f"memory: {outcome}"
    return {"outcome": outcome, "seconds": seconds, "rise_mib": rise}


def outcome_of(kind: str, path: Path) -> str:
    """``read``, the code of a refusal, or a finding, which has a space in it."""
    try:
        READERS[kind](path)
    except PreceptorError as error:
        shown = NAME in f"{error} {error!r} {error.problem}"
        named = error.problem.code and error.problem.what
        return ("name shown: " if shown and kind not in _NAMED else "" if named else "no code: ") + error.problem.code
    except Exception as error:  # this is what is looked for
        last = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in last if "preceptor" in frame.filename] or last
        place = re.sub(r".*/(preceptor|tests)/", "", ours[-1].filename)
        return f"untyped: {type(error).__name__} at {place}:{ours[-1].lineno}"
    return "read"


#: Tables and recipes are named by the person who asks for them; a checkpoint and what was prepared, by this program.
_NAMED = ("recipe", "table", "cohort", "predictions", "reader_answers", "tensors", "prepared")


def _peak_mib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
