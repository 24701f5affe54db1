"""A step that names a bundle works in processes that inherit nothing: they are told how one is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from preceptor.core.applied import Derived, Intensity
from preceptor.core.errors import PrepareError
from preceptor.prepare import segmenter as module
from preceptor.prepare.named_masks import as_mask
from preceptor.prepare.segmenter import open_bundles_with, segmenter
from preceptor.prepare.store import prepare

from .cases import Structures, volumes


class Marked:
    """A step of the preparation whose mask is a bundle's."""

    def __init__(self, bundle: str) -> None:
        self.bundle = bundle

    def draw(self, rng, sample):
        image = sample.reference
        return Derived(masks={"found": as_mask(segmenter(self.bundle.encode())(image), image)})


class Brightened:
    """An augmentation that asks a bundle too."""

    def __init__(self, bundle: str) -> None:
        self.bundle = bundle

    def draw(self, rng, sample):
        found = segmenter(self.bundle.encode())(sample.reference)
        return Intensity(lambda image: image * 0 + float(found.all()) + 1)


def opener(path: Path):
    """What a bundle is, for this page: a file of one word, which marks everything if the word is all."""
    everything = path.read_bytes() == b"all"
    return lambda image: np.full(image.shape, everything)


_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from preceptor.prepare.segmenter import open_bundles_with
from preceptor.prepare.store import prepare
from tests.prepare.cases import Structures
from tests.prepare.test_loader import loader, volumes
from tests.prepare.test_segmenter import Brightened, Marked, opener
import torch
if __name__ == "__main__":
    folder, how = Path({folder!r}), dict(workers=1, start_method="spawn")
    open_bundles_with(opener)
    cohort = volumes(folder)
    store = prepare(cohort, [Marked("all")], Structures(), folder / "p", fit_on=(), **how)
    found = [float(store.sample(case.key).masks["found"].array.mean()) for case in cohort]
    made = loader(cohort, augment=[Brightened("all")], patch=(8, 8, 8), batch_size=2, **how)
    torch.save([found, [float(batch.images["t1"].min()) for batch in made.epoch(0)]], folder / "out.pt")
"""


@pytest.mark.slow
def test_processes_that_inherit_nothing_are_told_how_bundles_are_opened(tmp_path):
    script = tmp_path / "started.py"
    script.write_text(_SCRIPT.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path)))
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, lowest = torch.load(tmp_path / "out.pt", weights_only=True)
    assert found and set(found) == {1.0} and lowest and set(lowest) == {2.0}


def test_forked_ones_too(tmp_path):
    open_bundles_with(opener)
    store = prepare(volumes(tmp_path), [Marked("all")], Structures(), tmp_path / "p", fit_on=(), workers=2)
    assert all(store.sample(case).masks["found"].array.all() for case in ("case-0", "case-3"))


def test_nobody_to_tell_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(module, "_openers", [])
    module.hand_on(module.handed_in())
    with pytest.raises(PrepareError) as caught:
        segmenter(b"all")
    assert caught.value.problem.code == "no_segmenter"
    open_bundles_with(opener)
    assert module.handed_in() is opener
