"""Clips that differ in their order alone: a bag of frames stands at chance, neighbours tell."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import torch
from torch import nn

from preceptor.core.drawn import Turn
from preceptor.intake.burned_in.planted_text import BurnedText
from preceptor.intake.phantoms.frame_order import FrameOrder
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.drawn_study import Order, synthesise
from preceptor.maths.roc import auroc


def clips(kind: FrameOrder, pairs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``(case, time, x, y)`` and ``(case,)`` 1 where the clip runs forward."""
    drawn = [kind.draw(Turn(seed, index, 2 * pairs)) for index in range(2 * pairs)]
    films = np.stack([case.images["clip"].array[0] for case in drawn])
    return films, np.array([case.labels["order"] == "forward" for case in drawn]).astype(int)


@pytest.mark.parametrize("other", ["reversed", "shuffled"])
def test_a_pair_holds_the_same_frames_in_another_order(other):
    films, forward = clips(FrameOrder(size=[12, 12], other=other), 6)
    assert (forward.reshape(-1, 2).sum(axis=1) == 1).all() and 0 < forward[::2].sum() < 6
    for one, two in films.reshape(6, 2, *films.shape[1:]):
        assert not np.array_equal(one, two)
        ordered = [sorted(frame.tobytes() for frame in each) for each in (one, two)]
        assert ordered[0] == ordered[1]


class _Clip(nn.Module):
    """Each frame to eight numbers; neighbours compared where `reach` is above 1; the mean over time answers."""

    def __init__(self, pixels: int, reach: int) -> None:
        super().__init__()
        self.frame, self.time = nn.Linear(pixels, 8), nn.Conv1d(8, 16, reach)
        self.answer = nn.Linear(16, 1)

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        seen = torch.tanh(self.frame(films.flatten(2))).transpose(1, 2)
        return self.answer(torch.relu(self.time(seen)).mean(2))[:, 0]


def _scored(reach: int, kind: FrameOrder) -> float:
    films, forward = (torch.as_tensor(each, dtype=torch.float32) for each in clips(kind, 100))
    films = films - films[:120].mean()
    torch.manual_seed(0)
    model = _Clip(films.shape[2] * films.shape[3], reach)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        loss = nn.functional.binary_cross_entropy_with_logits(model(films[:120]), forward[:120])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        score = model.double()(films[120:].double())
    return auroc(forward[120:].numpy(), np.round(score.numpy(), 9))


def test_a_bag_of_frames_is_at_chance_and_a_model_of_neighbours_is_not():
    kind = FrameOrder(size=[16, 16])
    assert _scored(1, kind) == 0.5, "exactly: both clips of a pair get one score"
    assert _scored(3, kind) > 0.95


def test_a_beat_that_is_the_same_backwards_tells_nobody():
    assert 0.3 < _scored(3, FrameOrder(size=[16, 16], systole=0.5)) < 0.7


def test_no_single_frame_tells_the_order():
    films, forward = clips(FrameOrder(size=[12, 12], noise=0.0), 150)
    for frame in (0, 7, 15):
        assert auroc(forward, films[:, frame].mean(axis=(1, 2))) == pytest.approx(0.5, abs=0.09)


def test_a_clip_is_written_as_one_slice_over_time(tmp_path):
    cohort = synthesise(Order({"frame_order": {"size": [12, 10], "frames": 5}}, 2), tmp_path / "clips")
    film = read_image(cohort.root, next(iter(cohort)).images["clip"])
    assert film.has_time and film.array.shape == (1, 5, 12, 10, 1)
    shown = synthesise(
        Order({"frame_order": {"size": [12, 10], "frames": 5, "show": "frames"}}, 2, "png"), tmp_path / "frames"
    )
    assert list(next(iter(shown)).images) == [f"frame_{place:02}" for place in range(5)]


def test_a_clip_is_written_as_valid_dicom_and_read_with_its_times(tmp_path):
    kind = {"frame_order": {"size": [13, 11], "frames": 5, "noise": 0.0}}
    cohort = synthesise(Order(kind, 2, "dicom", text=BurnedText(1.0)), tmp_path / "clips")
    for case in cohort:
        film = read_image(cohort.root, case.images["clip"])
        assert film.has_time and film.array.shape == (1, 5, 13, 11)
        assert film.meta["frame_times_s"] == pytest.approx(0.18 * np.arange(5), rel=1e-4)
    path = cohort.root / case.images["clip"]
    assert pydicom.dcmread(path).BurnedInAnnotation == "YES"
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not here")
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []


def test_a_written_clip_holds_what_was_drawn(tmp_path):
    kind = FrameOrder(size=[13, 11], frames=5)
    cohort = synthesise(Order({"frame_order": {"size": [13, 11], "frames": 5}}, 1, "dicom", seed=3), tmp_path / "clips")
    film = read_image(cohort.root, cohort.cases[0].images["clip"])
    drawn = kind.draw(Turn(3, 0, 1)).images["clip"].array
    assert np.abs(film.array / 255 - np.clip(drawn, 0, 1)).max() < 0.003
