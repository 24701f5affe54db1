"""One thread for what must give the same bits on any machine.

A product of matrices that is dealt out to several threads is cut into pieces whose sums run in another order, and the
last bit differs. A loader's worker has one thread, and a loader without workers as many as there are cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread inside the block; as many as before after it."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
