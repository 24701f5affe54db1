"""Damages DICOM files in every way bytes can be, and counts what reading them comes to."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image


def fuzz(seeds: list[Path], place: Path, number: int, seed: int = 20240501) -> Counter[str]:
    """Read mutations of files; what is no `PrepareError` is raised.

    Args:
        seeds: Files to mutate.
        place: Folder to write them to, one at a time.
        number: How many.
        seed: Of the mutations.
    """
    rng = random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(number):
        content = bytearray(rng.choice(seeds).read_bytes())
        for _ in range(rng.randint(1, 6)):
            _mutate(content, rng)
        (place / "a.dcm").write_bytes(content)
        try:
            read_image(place, "a.dcm")
            found["read"] += 1
        except PrepareError as error:
            found[error.problem.code] += 1
    return found


def _mutate(content: bytearray, rng: random.Random) -> None:
    at, kind = rng.randrange(len(content)), rng.randrange(6)
    if kind == 0:
        content[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        content[rng.randrange(min(len(content), 900))] = rng.randrange(256)
    elif kind == 2 and len(content) > 400:
        del content[rng.randrange(200, len(content)) :]
    elif kind == 3 and at + 4 <= len(content):
        content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"])
    elif kind == 4:
        content[at:at] = bytes(rng.randrange(256) for _ in range(4))
    else:
        del content[at : at + rng.randint(1, 8)]


if __name__ == "__main__":
    folder, place, number, largest = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(fuzz([path for path in sorted(folder.iterdir()) if path.stat().st_size < largest], place, number)))
