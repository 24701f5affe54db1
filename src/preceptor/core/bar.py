"""A line on a terminal that tells how far something is, and how long it will still take."""

from __future__ import annotations

import time
from typing import TextIO

_WIDTH = 24


class Bar:
    """Draws itself over and over on one line; on no terminal it draws nothing.

    Args:
        stream: Where people read; None is quiet.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._shown = False
        self._started = (0.0, "")

    def show(self, label: str, done: int, total: int) -> None:
        """Draw how far `label` is: so many of `total`, and the time left at the pace so far."""
        if self._stream is None or total <= 0:
            return
        started, name = self._started
        if name != label or done <= 1:
            started = time.monotonic()
            self._started = (started, label)
        filled = int(_WIDTH * done / total)
        left = (time.monotonic() - started) / max(done, 1) * (total - done)
        self._stream.write(
            f"\r{label} {'█' * filled}{'·' * (_WIDTH - filled)} {done}/{total}  {_duration(left)} left \x1b[K"
        )
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown and self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
