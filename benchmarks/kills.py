"""Kill a training 200 times at random moments; every training must end with the weights of an unbroken one.

python -m benchmarks.kills [KILLS] > docs/results/kills.log
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.learn.killed import campaign

if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        kills, trainings = campaign(Path(folder), wanted, seed=0, say=lambda text: print(text, flush=True))
    seconds = time.monotonic() - began
    print(f"{kills} kills over {trainings} trainings, every one equal bit for bit, {seconds:.0f} s")
