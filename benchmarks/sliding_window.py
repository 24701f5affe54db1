"""Sliding-window prediction against the bare forward passes and MONAI, interleaved window by window.

    python -m benchmarks.sliding_window                      3 classes
    python -m benchmarks.sliding_window --classes 60         many classes
    python -m benchmarks.sliding_window --extras             skipping background, bf16
    python -m benchmarks.sliding_window --memory             peak memory, each in a process of its own

Each window's forward pass is made twice in a row: once bare, once inside the method under test. The ratio is the whole time of
the method, less the bare passes, over the bare passes: both see the same moments of a machine that others use too. Times are
processor time of one thread. MONAI gives averaged probabilities and its labels are their argmax; ours gives label,
probability and doubt. Windows lie a little differently (MONAI moves only the last one of an axis, ours are spread evenly), so
labels are compared as a share.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from monai.inferers import SlidingWindowInferer  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402

from preceptor.core.cohort import Sample  # noqa: E402
from preceptor.core.evidence import Question  # noqa: E402
from preceptor.core.image import Image  # noqa: E402
from preceptor.core.plugins import Decoded, Inputs  # noqa: E402
from preceptor.core.slots import build  # noqa: E402
from preceptor.learn.predict import Window, predict  # noqa: E402
from preceptor.maths.resampling import cut  # noqa: E402


def scan(shape: tuple[int, ...], background: float = 0.0) -> np.ndarray:
    """``(1, *shape)`` float32 smooth noise; a share of the first axis is background, exactly 0."""
    array = gaussian_filter(np.random.default_rng(0).normal(size=shape), 3).astype(np.float32)
    array /= array.std()
    array[: int(shape[0] * background)] = 0
    return array[None]


class Comparison:
    """One scan, one network, and the ways to bring them together."""

    def __init__(self, options: argparse.Namespace, background: float = 0.0) -> None:
        self.patch = (options.patch,) * 3
        self.array = scan(tuple(options.shape), background)
        self.inputs = Inputs(("image",), 1, 3, self.patch)
        torch.manual_seed(0)
        settings = {"unet": {"channels": options.channels}}
        self.network = build("networks", settings, inputs=self.inputs, width=options.classes).eval()
        with torch.no_grad():  # an untrained answer is nearly the same everywhere: make it decide
            self.network.heads[0].weight.mul_(8)
        names = ("background", *(f"structure {index}" for index in range(1, options.classes)))
        self.question = Question("segmentation", "label", names, dense=True, values=tuple(range(options.classes)))

    def bare(self) -> np.ndarray:
        """The forward passes and nothing else."""
        with torch.no_grad():
            for corner in itertools.product(*Window(self.patch).starts(self.array.shape[1:])):
                self.network(torch.from_numpy(cut(self.array, corner, self.patch))[None])
        return np.empty(0)

    def ours(self, precision: str = "32", skip_span: float | None = None) -> np.ndarray:
        return predict(
            [self.network],
            Sample("scan", {"image": Image(self.array, np.eye(4))}),
            inputs=self.inputs,
            question=self.question,
            decode=lambda output: Decoded(output.softmax(1)),
            window=Window(self.patch, skip_span=skip_span),
            precision=precision,
        ).label

    def monai(self) -> np.ndarray:
        infer = SlidingWindowInferer(self.patch, sw_batch_size=1, overlap=0.5, mode="gaussian")
        with torch.no_grad():
            mean = infer(torch.from_numpy(self.array)[None], lambda window: self.network(window).softmax(1))
            return mean.argmax(1)[0].numpy()


class Twice(torch.nn.Module):
    """A network that answers each window twice: bare and timed, then for whoever asks."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seconds: list[float] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        began = time.process_time()
        self.network(image)
        self.seconds.append(time.process_time() - began)
        return self.network(image)


def against_bare(compare: Comparison, names: list[str], rounds: int) -> dict[str, np.ndarray]:
    """Time each method against the bare passes interleaved with its own."""
    network, answers = compare.network, {}
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            compare.network = twice = Twice(network).eval()
            began = time.process_time()
            answers[name] = getattr(compare, name)()
            bare = sum(twice.seconds)
            whole = time.process_time() - began - bare
            ratios[name].append(whole / bare)
            print(
                f"  round {number + 1} {name:6} {len(twice.seconds)} windows, bare {bare:7.2f} s, "
                f"method {whole:7.2f} s, ratio {whole / bare:.3f}",
                flush=True,
            )
    compare.network = network
    for name in names:
        print(f"{name:6} {statistics.median(ratios[name]):.3f} x the bare passes (median of {rounds})")
    return answers


def peak_mb(work: Callable[[], np.ndarray]) -> float:
    """Memory that a piece of work adds at its peak to what was there before, in MB (10^6 bytes)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) * 1024 / 1e6


def _status(entry: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1])
    raise RuntimeError(f"no {entry} on this system")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[256, 256, 160])
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--extras", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak-of", choices=["bare", "ours", "monai"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = " x ".join(map(str, options.shape))
    print(f"{size}, patch {options.patch}, overlap 1/2, {options.classes} classes, unet {options.channels}, 1 thread")
    if options.peak_of:
        print(f"{peak_mb(getattr(Comparison(options), options.peak_of)):.0f} MB")
    elif options.memory:
        for name in ("bare", "ours", "monai"):
            given = [*sys.argv[1:], "--peak-of", name]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.sliding_window", *given], capture_output=True, text=True
            )
            print(f"{name:8} {done.stdout.splitlines()[-1]}", flush=True)
    elif options.extras:
        extras(options)
    else:
        answers = against_bare(Comparison(options), ["ours", "monai"], options.rounds)
        print(f"labels equal to MONAI's: {(answers['ours'] == answers['monai']).mean():.2%} of voxels")


def extras(options: argparse.Namespace) -> None:
    """What skipping pure background and 16 bits add, and how far the answer moves."""
    compare = Comparison(options, background=0.6)
    ways = {"float32": ("32", None), "bf16": ("bf16", None), "skip background": ("32", 0.0), "both": ("bf16", 0.0)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers = {}
    for _ in range(options.rounds):
        for name, way in ways.items():
            began = time.process_time()
            answers[name] = compare.ours(*way)
            seconds[name].append(time.process_time() - began)
    seen = compare.array[0] != 0
    for name in ways:
        took, first = statistics.median(seconds[name]), statistics.median(seconds["float32"])
        equal = (answers[name] == answers["float32"])[seen].mean()
        print(f"{name:16} {took:7.2f} s, {first / took:5.2f} x as fast, labels of scanned voxels equal: {equal:.3%}")


if __name__ == "__main__":
    main()
