"""Known answers of the frame rate of clips: P1.10, I5.9."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.maths.frame_times import frame_times, mean_rate_hz, nearest_at, new_times, places_at
from preceptor.prepare.clips import times_of
from preceptor.prepare.compose import prepare_sample


def clip(values, is_label=False, **meta):
    array = np.broadcast_to(np.asarray(values).reshape(1, -1, 1, 1), (1, len(values), 3, 2))
    return Image(array, np.eye(4), is_label=is_label, has_time=True, meta={"geometry": "unknown", **meta})


def shown(image, masks=None, **how):
    out = prepare_sample(Sample("a", {"us": image}, masks or {}), [build("transforms", {"frame_rate": how})])
    return out.images["us"], out


@pytest.mark.answer("P1.10")
def test_ten_frames_at_fifty_go_to_thirty():
    times = frame_times(10, rate_hz=50)
    assert times[-1] == pytest.approx(0.18)
    there = new_times(times, 30)
    assert np.allclose(there * 50, [0, 5 / 3, 10 / 3, 5, 20 / 3, 25 / 3])
    assert nearest_at(times, there).tolist() == [0, 2, 3, 5, 7, 8]
    squares = clip(np.arange(10.0) ** 2, frame_times_s=times.tolist())
    linear, _ = shown(squares, rate_hz=30, interpolate="linear")
    assert np.allclose(linear.array[0, :, 0, 0], [0, 3, 11.333333, 25, 44.666667, 69.666667], atol=1e-5)
    nearest, _ = shown(squares, rate_hz=30)
    assert nearest.array[0, :, 0, 0].tolist() == [0, 4, 9, 25, 49, 64]
    assert np.allclose(times_of(nearest), there)


@pytest.mark.answer("P1.10")
def test_four_frames_at_ten_go_to_thirty():
    times = frame_times(4, rate_hz=10)
    there = new_times(times, 30)
    assert len(there) == 10 and np.allclose(places_at(times, there), np.arange(10) / 3)


@pytest.mark.answer("P1.10")
def test_a_vector_of_frame_times():
    times = frame_times(7, increments_ms=[0, 33, 33, 50, 33, 100, 33])
    assert np.allclose(times * 1000, [0, 33, 66, 116, 149, 249, 282])
    assert mean_rate_hz(times) == pytest.approx(21.276596, abs=1e-6)
    there = new_times(times, 25)
    assert np.allclose(there * 1000, np.arange(0, 281, 40))
    assert nearest_at(times, there).tolist() == [0, 1, 2, 3, 4, 5, 5, 6]
    assert np.allclose(places_at(times, there), [0, 1.212121, 2.28, 3.121212, 4.11, 4.51, 4.91, 5.939394], atol=1e-6)
    assert mean_rate_hz(np.zeros(1)) != mean_rate_hz(np.zeros(1)), "one frame has no rate"


@pytest.mark.answer("P1.10")
def test_labels_come_from_one_frame_and_no_frame_is_made_up():
    labels = clip(np.array([0, 0, 4, 4, 0], np.uint8), is_label=True, time_step_s=0.1)
    image = clip(np.arange(5.0), time_step_s=0.1)
    out, sample = shown(image, {"mask": labels}, rate_hz=25, interpolate="linear")
    assert out.array.shape[1] == sample.masks["mask"].array.shape[1] == 11
    assert set(np.unique(sample.masks["mask"].array)) == {0, 4}
    assert out.array.max() <= 4 and out.array[0, -1, 0, 0] == pytest.approx(4)
    assert "time_step_s" not in out.meta, "the old step is no longer true"
    with pytest.raises(PrepareError) as told:
        shown(image, rate_hz=25, frames=12)
    assert told.value.problem.code == "clip_short"
    assert shown(image, rate_hz=25, frames=8)[0].array.shape[1] == 8


@pytest.mark.answer("I5.9")
def test_ten_frames_at_ten_go_to_twenty_five():
    times = frame_times(10, rate_hz=10)
    there = new_times(times, 25)
    expected = [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 8, 8, 9]
    assert nearest_at(times, there).tolist() == expected, "of two frames as near the earlier"
    linear, _ = shown(clip(np.arange(10.0), time_step_s=0.1), rate_hz=25, interpolate="linear")
    assert np.allclose(linear.array[0, :6, 0, 0], [0, 0.4, 0.8, 1.2, 1.6, 2.0], atol=1e-6)


@pytest.mark.answer("I5.9")
def test_increments_of_another_vector():
    times = frame_times(6, increments_ms=[0, 40, 40, 80, 40, 120])
    assert np.allclose(times * 1000, [0, 40, 80, 160, 200, 320])
    found = nearest_at(times, new_times(times, 25)).tolist()
    assert found == [0, 1, 2, 2, 3, 4, 4, 5, 5]


@pytest.mark.answer("I5.9")
def test_times_are_asked_for_and_never_guessed():
    with pytest.raises(PrepareError) as told:
        shown(clip(np.arange(5.0), cine_rate_hz=30), rate_hz=25)
    assert told.value.problem.code == "frame_times_unknown", "a display rate is no acquisition rate"
    for times in ([0, 0.1, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3]):
        with pytest.raises(PrepareError) as told:
            shown(clip(np.arange(5.0), frame_times_s=times), rate_hz=25)
        assert told.value.problem.code == "frame_times_wrong"
    for wrong in ({}, {"rate_hz": 0}, {"increments_ms": [0, 30]}, {"increments_ms": [0, 30, 0, 30, 30]}):
        with pytest.raises(ValueError):
            frame_times(5, **wrong)
    still = Image(np.zeros((1, 3, 2)), np.eye(4))
    out, _ = shown(still, rate_hz=25)
    assert out is still or np.array_equal(out.array, still.array)
