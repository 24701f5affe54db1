"""Names burned into pictures of several modalities: how many are found, masked whole, and still read by a machine.

python -m benchmarks.burned_in_text DATA [--number 500] [--json FILE] [--part 1/1]

DATA is the folder of the real data (docs/results/burned_in_text.md names what is in it). Every picture gets one text;
every fifth of a modality is searched without it as well, which tells how much is masked for nothing. Recognisers read what is
not wholly masked, and every fifth picture besides. The same FILE again goes on where it was stopped.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from tests.golden.planted_names import SIZES, is_readable, pictures, plant, reads

from preceptor.intake.burned_in.text_detection import cover, find_text


def main(data: Path, number: int, target: Path | None, part: str) -> None:
    which, parts = (int(each) for each in part.split("/"))
    rng = np.random.default_rng(0)
    rows: list[dict] = earlier(target)
    done = {row["index"] for row in rows}
    for index, (modality, picture) in enumerate(pictures(data, number, rng)):
        size = SIZES[(7 * index + index // 5) % len(SIZES)]
        turned = 90 * int(rng.integers(1, 4)) if index % 10 == 9 else 0
        planted = plant(picture, rng, size, 110 if index % 4 == 3 else None, turned)
        if index in done or index % parts != which - 1:
            continue
        began = time.process_time()
        mask = cover(planted.ink.shape, find_text(planted.picture, modality).text)
        seconds = time.process_time() - began
        masked = planted.picture.copy()
        masked[mask] = 0
        covered = planted.covered(mask)
        chosen = index // 5 % 5 == 0
        read = covered < 1 or chosen
        before, after = (reads(each, planted) if read else {} for each in (planted.picture, masked))
        rows.append(
            {
                "index": index,
                "modality": modality,
                "size_px": size,
                "contrast": planted.contrast,
                "turned": turned,
                "side_px": min(picture.shape[:2]),
                "covered": round(covered, 4),
                "read": read,
                "readable_before": any(is_readable(each, planted.text) for each in before.values()),
                "readable_after": any(is_readable(each, planted.text) for each in after.values()),
                "masked_without_text": (
                    round(float(cover(picture.shape[:2], find_text(picture, modality).text).mean()), 5)
                    if chosen
                    else None
                ),
                "seconds": round(seconds, 2),
            }
        )
        if len(rows) % 10 == 0 and target is not None:
            write(target, rows)
    print(json.dumps(summed(rows), indent=1))
    if target is not None:
        write(target, rows)


def earlier(target: Path | None) -> list[dict]:
    """Rows of a run that was stopped: they are not searched again."""
    if target is None or not target.exists():
        return []
    return list(json.loads(target.read_text(encoding="utf-8"))["rows"])


def write(target: Path, rows: list[dict]) -> None:
    target.write_text(json.dumps({**summed(rows), "rows": rows}, indent=1) + "\n", encoding="utf-8")


def summed(rows: list[dict]) -> dict:
    """The figures of the gates, whole and by size and modality."""

    def of(chosen: list[dict]) -> dict:
        whole = [row["covered"] >= 0.95 for row in chosen]
        return {
            "pictures": len(chosen),
            "whole": sum(whole),
            "whole_share": round(float(np.mean(whole)), 4) if whole else None,
            "missed": sum(row["covered"] == 0 for row in chosen),
            "least_covered": min((row["covered"] for row in chosen), default=None),
            "read": sum(row["read"] for row in chosen),
            "readable_before": sum(row["readable_before"] for row in chosen),
            "readable_after": sum(row["readable_after"] for row in chosen),
        }

    clean: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["masked_without_text"] is not None:
            clean[row["modality"]].append(row["masked_without_text"])
    seconds = [row["seconds"] for row in rows]
    promised = [row for row in rows if row["size_px"] >= 12]
    return {
        "12 px or more": of(promised),
        "less": of([row for row in rows if row["size_px"] < 12]),
        "by size": {size: of([row for row in rows if row["size_px"] == size]) for size in sorted(set(SIZES))},
        "by modality": {
            name: of([row for row in promised if row["modality"] == name])
            for name in sorted({row["modality"] for row in rows})
        },
        "turned": of([row for row in promised if row["turned"]]),
        "low contrast": of([row for row in promised if row["contrast"] <= 110]),
        "masked without text": {
            name: {"pictures": len(each), "mean": round(float(np.mean(each)), 5), "largest": round(max(each), 5)}
            for name, each in sorted(clean.items())
        },
        "seconds": {"median": round(float(np.median(seconds)), 2), "largest": round(max(seconds), 2)},
    }


if __name__ == "__main__":
    arguments = sys.argv[1:]
    options = {arguments[place]: arguments[place + 1] for place in range(1, len(arguments) - 1, 2)}
    written = options.get("--json")
    main(
        Path(arguments[0]),
        int(options.get("--number", 500)),
        Path(written) if written else None,
        options.get("--part", "1/1"),
    )
