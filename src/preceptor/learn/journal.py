"""The journal of a run: ``log.jsonl`` always, a live bar on a terminal, plain lines in a log, trackers on request."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from preceptor.core.bar import Bar
from preceptor.core.errors import MissingExtra


class Journal:
    """Writes what happens, once for people and once for machines.

    Args:
        folder: The run's folder; None writes no file.
        stream: Where people read; None is quiet.
        trackers: Any of ``tensorboard``, ``mlflow`` (optional extras).
    """

    def __init__(self, folder: Path | None, stream: TextIO | None = sys.stderr, trackers: tuple[str, ...] = ()) -> None:
        self._file = None if folder is None else (folder / "log.jsonl").open("a", encoding="utf-8")
        self._stream = stream
        self._bar = Bar(stream)
        self._trackers = [_tracker(name, folder) for name in trackers if folder is not None]

    def say(self, text: str) -> None:
        """One line for a person."""
        if self._stream:
            self._bar.clear()
            self._stream.write(text + "\n")
            self._stream.flush()

    def record(self, kind: str, **facts: Any) -> None:
        """One line of ``log.jsonl``: ``{"time": seconds, "kind": kind, ...}``."""
        if self._file:
            self._file.write(json.dumps({"time": round(time.time(), 3), "kind": kind, **facts}, default=float) + "\n")
            self._file.flush()
        for tracker in self._trackers:
            tracker(kind, facts)

    def bar(self, label: str, done: int, total: int) -> None:
        """A live bar with the time left; on no terminal nothing, since lines already tell."""
        self._bar.show(label, done, total)

    def close(self) -> None:
        self._bar.clear()
        if self._file:
            self._file.close()
            self._file = None


def _tracker(name: str, folder: Path):
    if name == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra.of("track", "writing TensorBoard logs") from error
        writer = SummaryWriter(str(folder / "tensorboard"))

        def to_tensorboard(kind: str, facts: Mapping[str, Any]) -> None:
            for key, value in _numbers(facts):
                writer.add_scalar(f"{kind}/{key}", value, int(facts.get("epoch", 0)))
            writer.flush()

        return to_tensorboard
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtra.of("mlflow", "writing MLflow logs") from error
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.start_run(run_name=folder.name)

    def to_mlflow(kind: str, facts: Mapping[str, Any]) -> None:
        mlflow.log_metrics({f"{kind}.{key}": value for key, value in _numbers(facts)}, step=int(facts.get("epoch", 0)))

    return to_mlflow


def _numbers(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{key}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
            found.append((f"{prefix}{key}", float(value)))
    return found
