"""Writes every snapshot anew: read the difference before committing it."""

from __future__ import annotations

from pathlib import Path

from .wrong import WRONG

SNAPSHOTS = Path(__file__).parent / "snapshots"


def main() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for old in SNAPSHOTS.glob("*.txt"):
        old.unlink()
    for wrong in WRONG:
        (SNAPSHOTS / f"{wrong.name}.txt").write_text(wrong.snapshot(), encoding="utf-8")
    print(f"{len(list(SNAPSHOTS.glob('*.txt')))} snapshots")


if __name__ == "__main__":
    main()
