"""Where a patch's time goes, stage by stage, and what each cheaper pass brought beside the plain way to do it.

Hippocampus MRI, the patches and the augmentation of `benchmarks.input_pipeline`, one thread, processor time (which other users
of the machine disturb least). Passes are measured in turn, old and new, and the median of the rounds' ratios is printed.

    python -m benchmarks.input_stages FOLDER_OF_HIPPOCAMPUS [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch

from .input_pipeline import AUGMENT, PATCH, our_loader


class Clock:
    """Processor time by stage; what one stage spends inside another counts for the inner one alone."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        self._inner = [0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            self._inner.append(0)
            began = time.thread_time_ns()
            try:
                return function(*args, **named)
            finally:
                spent = time.thread_time_ns() - began
                self.spent[stage] += spent - self._inner.pop()
                self._inner[-1] += spent

        return wrapped


def stages(root: Path, rounds: int) -> None:
    """Print microseconds a patch, by stage."""
    from preceptor.core.applied import Intensity
    from preceptor.prepare import examples, patches

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        loader = our_loader(root, 0, Path(folder), AUGMENT)
        plain = our_loader(root, 0, Path(folder), [])
        for each in (loader, plain):
            for _ in each.epoch(0):
                pass  # opens the cases
        watched: list[tuple[Any, str, str]] = [
            (examples, "generator", "dice of the draw"),
            (examples, "draw", "composing the map"),
            (patches, "_places", "where voxels come from (coarse grid spread)"),
            (patches, "_box", "the box that is read"),
            (patches, "_crop", "copying the box"),
            (patches, "read_linear", "linear reading of the image"),
            (patches, "read_nearest", "nearest reading of the label"),
            (examples, "stacked", "into the batch"),
            (examples, "copy_patch", "copying the patch"),
        ]
        kept = [getattr(module, name) for module, name, _ in watched]
        for transform in loader._examples._augment:
            name = type(transform).__name__.lower()
            transform.draw = clock.timed(f"drawing: {name}", transform.draw)
        on = Intensity.on
        by_kind = {"sigma": "noise", "gamma": "gamma"}

        def told(self: Intensity, *args: Any) -> Any:
            stage = by_kind.get(next(iter(self.parameters), ""), "intensity")
            return clock.timed(f"applying: {stage}", on)(self, *args)

        try:
            for (module, name, stage), function in zip(watched, kept, strict=True):
                setattr(module, name, clock.timed(stage, function))
            Intensity.on = told  # type: ignore[method-assign]
            for title, each in (("flip, affine, elastic, noise, gamma", loader), ("as they are", plain)):
                clock.spent.clear()
                began, patches_made = time.thread_time_ns(), 0
                for epoch in range(1, 1 + rounds):
                    patches_made += sum(len(batch) for batch in each.epoch(epoch))
                whole = time.thread_time_ns() - began
                print(f"\n{title}: {whole / patches_made / 1000:.0f} us a patch")
                for stage, spent in sorted(clock.spent.items(), key=lambda item: -item[1]):
                    print(f"  {stage:46} {spent / patches_made / 1000:6.0f} us  {spent / whole:4.0%}")
                rest = whole - sum(clock.spent.values())
                print(f"  {'everything else':46} {rest / patches_made / 1000:6.0f} us  {rest / whole:4.0%}")
        finally:
            Intensity.on = on  # type: ignore[method-assign]
            for (module, name, _), function in zip(watched, kept, strict=True):
                setattr(module, name, function)


def passes(rounds: int) -> None:
    """Print how many times as fast as the plain way each pass is, alone."""
    from preceptor.maths.keyed_uniform import keyed_uniform
    from preceptor.maths.warps import control_points, read_linear, read_nearest, spread

    rng = np.random.default_rng(0)
    points = (5, 5, 5)
    control = (control_points(points, PATCH) * 0.9 + 3 + rng.normal(0, 0.7, (3, *points))).astype(np.float32)
    places = torch.from_numpy(spread(control, PATCH))
    size = [int(each) + 2 for each in places.amax((1, 2, 3))]
    image = torch.randn(1, *size)
    label = torch.randint(0, 3, (1, *size), dtype=torch.int8)
    scale = torch.tensor([2 / (each - 1) for each in reversed(size)])
    grid = (places.flip(0).permute(1, 2, 3, 0) * scale - 1)[None].contiguous()
    sample = torch.nn.functional.grid_sample
    patch, generator = torch.rand(PATCH), torch.Generator().manual_seed(0)
    fine = torch.from_numpy(control)[None]

    def upsampled() -> torch.Tensor:
        return torch.nn.functional.interpolate(fine, PATCH, mode="trilinear", align_corners=True)

    half = image.half()
    both = {
        "linear reading: two slabs of a plane": (
            lambda: sample(image[None], grid, align_corners=True),
            lambda: read_linear(image, places, (0, 0, 0)),
        ),
        "labels by index": (
            lambda: sample(label[None].float(), grid, mode="nearest", align_corners=True),
            lambda: read_nearest(label, places, (0, 0, 0)),
        ),
        "field spread by three products (a spline; against a trilinear one)": (
            upsampled,
            lambda: spread(control, PATCH),
        ),
        "map composed on the coarse grid (against sampling a field of every voxel)": (
            lambda: sample(upsampled(), grid, align_corners=True),
            lambda: spread(control, PATCH),
        ),
        "noise by torch's generator (against numpy's)": (
            lambda: rng.standard_normal(PATCH, dtype=np.float32),
            lambda: torch.empty(PATCH).normal_(generator=generator),
        ),
        "noise for four patches in one draw": (
            lambda: [torch.empty(PATCH).normal_(generator=generator) for _ in range(4)],
            lambda: torch.empty(4, *PATCH).normal_(generator=generator),
        ),
        "one resampling of four patches (against four)": (
            lambda: [read_linear(image, places, (0, 0, 0)) for _ in range(4)],
            lambda: sample(image[None].expand(4, -1, -1, -1, -1), grid.expand(4, -1, -1, -1, -1), align_corners=True),
        ),
        "half precision: reading": (
            lambda: read_linear(image, places, (0, 0, 0)),
            lambda: sample(half[None].float(), grid, align_corners=True),
        ),
        "half precision: gamma": (lambda: patch.pow(1.2), lambda: patch.bfloat16().pow(1.2)),
        "dice of 178 places at once (against one generator each)": (
            lambda: [np.random.default_rng(np.random.SeedSequence([0, 1, n, 0])).random(4) for n in range(178)],
            lambda: keyed_uniform([0, 1, np.arange(178), 0], 4),
        ),
    }
    print("\npasses alone: how many times as fast as the plain way")
    for name, ways in both.items():
        ratios = []
        for turn in range(rounds + 1):
            spent = []
            for way in ways:
                began = time.thread_time_ns()
                for _ in range(1 if "178" in name else 20):
                    way()
                spent.append(time.thread_time_ns() - began)
            if turn:  # the first warms up
                ratios.append(spent[0] / spent[1])
        print(f"  {name:76} {statistics.median(ratios):6.2f} x")
    exact = read_linear(image, places, (0, 0, 0))
    error = (read_linear(half.float(), places, (0, 0, 0)) - exact).abs().max()
    print(f"  error of an image kept in half precision: {float(error):.1e} standard deviations at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    stages(given.root, given.rounds)
    passes(given.rounds)


if __name__ == "__main__":
    main()
