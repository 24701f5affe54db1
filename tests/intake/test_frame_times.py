"""When the frames of a film were taken, as its DICOM file tells."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.slots import build
from preceptor.prepare.compose import prepare_sample

from .test_dicom import dataset, read


def film(tmp_path, **attributes):
    words = np.arange(7, dtype=np.uint8).repeat(8).reshape(7, 2, 4)
    return read(dataset(words, modality="US", **attributes), tmp_path)


def test_a_constant_step_and_a_vector_are_read(tmp_path):
    steady = film(tmp_path, FrameTime=40)
    assert steady.has_time and np.allclose(steady.meta["frame_times_s"], np.arange(7) * 0.04)
    varying = film(tmp_path, FrameTimeVector=[0, 33, 33, 50, 33, 100, 33], CineRate=60)
    assert np.allclose(varying.meta["frame_times_s"], [0, 0.033, 0.066, 0.116, 0.149, 0.249, 0.282])
    out = prepare_sample(Sample("a", {"us": varying}), [build("transforms", {"frame_rate": {"rate_hz": 25}})])
    assert out.images["us"].array[0, :, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 5, 6]


@pytest.mark.parametrize(
    "attributes", [{"CineRate": 30}, {"FrameTime": 0}, {"FrameTimeVector": [0, 33, 33]}, {"FrameTimeVector": [0] * 7}]
)
def test_what_is_no_time_is_not_taken_for_one(attributes, tmp_path):
    shown = film(tmp_path, **attributes)
    assert shown.has_time and "frame_times_s" not in shown.meta
    with pytest.raises(PrepareError) as told:
        prepare_sample(Sample("a", {"us": shown}), [build("transforms", {"frame_rate": {"rate_hz": 25}})])
    assert told.value.problem.code == "frame_times_unknown"
