"""Video: the true times of frames, exact pixels where the codec keeps them, and limits that hold before decoding."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.intake import decoding
from preceptor.intake.case import open_case
from preceptor.intake.datasets.table import Table
from preceptor.intake.read import read_image
from preceptor.intake.video import clips as video
from preceptor.intake.video.clip_storage import write_clip
from preceptor.intake.video.frame_folder import evenly_timed_source
from preceptor.prepare.transforms.frame_rate import FrameRate

av = pytest.importorskip("av", reason="the extra 'video' is not installed")

TIMES_S = [0.0, 0.04, 0.1, 0.113, 0.5]


def moving(frames=5, shape=(21, 34), channels=1, dtype=np.uint8, seed=0):
    """A clip of noise: any change of a value shows."""
    high = np.iinfo(dtype).max
    array = np.random.default_rng(seed).integers(0, high, (channels, frames, *shape), dtype, endpoint=True)
    return Image(array, np.eye(4), has_time=True, meta={"geometry": "unknown", "frame_times_s": TIMES_S[:frames]})


def refused(path, code):
    with pytest.raises(PrepareError) as caught:
        read_image(path.parent, path.name)
    assert caught.value.problem.code == code, caught.value
    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "suffix", "clip"),
    [
        ("array", ".npz", moving()),
        ("array", ".npz", Image(np.random.default_rng(0).random((2, 5, 6, 7), np.float32), np.diag([0.3, 0.4, 1, 1]), has_time=True)),
        ("ffv1", ".mp4", moving()),
        ("ffv1", ".mp4", moving(channels=3)),
        ("ffv1", ".mp4", moving(dtype=np.uint16)),
    ],
)  # fmt: skip
def test_a_lossless_form_gives_back_every_value_and_time(tmp_path, form, suffix, clip):
    stored = write_clip(tmp_path / f"clip{suffix}", clip, form)
    assert stored.lossless and stored.worst == 0 and stored.time_error_s <= 5.1e-7
    back = read_image(tmp_path, f"clip{suffix}")
    assert back.array.dtype == clip.array.dtype and np.array_equal(back.array, clip.array) and back.has_time
    if "frame_times_s" in clip.meta:
        assert back.meta["frame_times_s"] == pytest.approx(TIMES_S, abs=1e-6)
    if form == "array":
        assert np.array_equal(back.affine_mm, clip.affine_mm)
        assert back.has_known_geometry == clip.has_known_geometry


def test_a_lossy_form_says_how_much_it_lost(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(48))[None, None] + 10 * np.arange(5)[None, :, None, None]
    clip = Image(smooth.astype(np.uint8), np.eye(4), has_time=True, meta={"frame_times_s": TIMES_S})
    stored = write_clip(tmp_path / "clip.mp4", clip, "h264")
    back = read_image(tmp_path, "clip.mp4")
    difference = np.abs(back.array.astype(int) - clip.array)
    assert not stored.lossless and stored.worst == difference.max() > 0
    assert stored.root_mean_square == pytest.approx(np.sqrt((difference**2.0).mean()))
    assert stored.root_mean_square < 5
    assert stored.lost == (
        "millimetres and the place in space",
        "one channel of grey comes back as three that are alike",
    )
    assert back.meta["frame_times_s"] == pytest.approx(TIMES_S, abs=1e-6)


@pytest.mark.parametrize(("form", "name"), [("array", "clip.npz"), ("ffv1", "clip.mp4")])
def test_times_are_counted_from_the_first_frame(tmp_path, form, name):
    clip = moving()
    late = Image(clip.array, clip.affine_mm, has_time=True, meta={"frame_times_s": [5 + each for each in TIMES_S]})
    stored = write_clip(tmp_path / name, late, form)
    assert stored.time_error_s < 1e-6
    assert read_image(tmp_path, name).meta["frame_times_s"] == pytest.approx(np.subtract(TIMES_S, TIMES_S[0]), abs=1e-6)


def test_a_form_that_can_not_hold_the_clip_is_refused_and_leaves_no_file(tmp_path):
    clip = Image(np.zeros((2, 3, 4, 5), np.float32), np.eye(4), has_time=True, meta={"time_step_s": 0.1})
    with pytest.raises(PrepareError, match="does not fit the form 'ffv1'"):
        write_clip(tmp_path / "clip.mp4", clip, "ffv1")
    assert not list(tmp_path.iterdir())


def test_a_variable_rate_reaches_the_frame_rate_step_as_it_is(tmp_path):
    clip = moving()
    write_clip(tmp_path / "clip.mp4", clip)
    sample = Sample("a", {"image": read_image(tmp_path, "clip.mp4")})
    shown = FrameRate(rate_hz=10).draw(np.random.default_rng(), sample).images["image"]
    # At 0, .1, .2, .3, .4 and .5 s the nearest frames are those of 0, .1, .113, .113 (.187 before, .2 after) and .5 s.
    assert shown.array.shape[1] == 6
    for frame, source in enumerate([0, 2, 3, 3, 4, 4]):
        assert np.array_equal(shown.array[:, frame], clip.array[:, source]), frame


def gif(path, delays_ms, shape=(8, 6)):
    from PIL import Image as Pillow

    frames = [Pillow.fromarray(np.full(shape, 40 * n, np.uint8)) for n in range(len(delays_ms))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=delays_ms)


def test_the_delays_of_a_gif_are_its_times(tmp_path):
    gif(tmp_path / "a.gif", [100, 50, 200, 100])
    clip = read_image(tmp_path, "a.gif")
    assert clip.array.shape == (3, 4, 6, 8)
    assert clip.meta["frame_times_s"] == pytest.approx([0, 0.1, 0.15, 0.35])
    assert clip.array[:, :, 2, 3].tolist() == [[0, 40, 80, 120]] * 3


def test_a_gif_without_delays_has_no_times_and_one_of_one_frame_is_a_picture(tmp_path):
    gif(tmp_path / "none.gif", [0, 0, 0])
    clip = read_image(tmp_path, "none.gif")
    assert "frame_times_s" not in clip.meta and "do not increase" in clip.meta["frame_times"]
    gif(tmp_path / "one.gif", [100])
    picture = read_image(tmp_path, "one.gif")
    assert picture.array.shape == (3, 6, 8) and not picture.has_time


def test_a_phone_held_sideways_is_turned_upright(tmp_path):
    clip = moving(shape=(20, 12))
    write_clip(tmp_path / "clip.mp4", clip)
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # a quarter turn clockwise
    content[at : at + 36] = struct.pack(">9i", *quarter)
    (tmp_path / "turned.mp4").write_bytes(content)
    turned = read_image(tmp_path, "turned.mp4")
    assert turned.meta["rotated_degrees"] == 270
    shown = clip.array[0].swapaxes(1, 2)  # (frame, row, column)
    assert np.array_equal(turned.array[0].swapaxes(1, 2), np.rot90(shown, -1, axes=(1, 2)))


def test_damaged_cut_and_hostile_files_are_refused_by_name(tmp_path):
    write_clip(tmp_path / "clip.mp4", moving(shape=(40, 60)))
    whole = (tmp_path / "clip.mp4").read_bytes()
    path = tmp_path / "Smith.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "video_damaged")
    path.write_bytes(b"\0\0\0\x18ftypisom" + b"\0" * 200)
    refused(path, "video_damaged")
    path.write_bytes(b"GIF89a" + b"\xff" * 50)
    refused(path, "video_damaged")


def test_a_video_is_refused_by_its_header_before_a_frame_is_decoded(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mp4", moving(shape=(40, 60)))
    monkeypatch.setattr(video, "MAX_VOXELS", 5 * 40 * 60 - 1)
    refused(tmp_path / "clip.mp4", "too_large")
    monkeypatch.setattr(video, "MAX_VOXELS", 2**31)
    monkeypatch.setattr(video, "MAX_FRAMES", 4)
    refused(tmp_path / "clip.mp4", "too_large")
    # A GIF counts no frames in its header: the limit holds while it is decoded.
    gif(tmp_path / "a.gif", [100] * 6)
    refused(tmp_path / "a.gif", "too_large")


def test_a_decoder_that_hangs_is_ended_and_the_next_clip_is_read(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mp4", moving())
    slow = decoding.Child("time", "sleep(30) or print", 0.5)
    monkeypatch.setattr(slow, "_code", "import time; time.sleep(30)")
    monkeypatch.setattr(video, "_CHILD", slow)
    refused(tmp_path / "clip.mp4", "video_decoder")
    monkeypatch.undo()
    assert read_image(tmp_path, "clip.mp4").array.shape == (1, 5, 21, 34)


def test_a_video_is_no_label_map(tmp_path):
    write_clip(tmp_path / "clip.mp4", moving())
    with pytest.raises(PrepareError, match="given as a label map"):
        read_image(tmp_path, "clip.mp4", is_label=True)


def test_a_folder_of_frames_is_a_clip_with_the_times_its_source_names(tmp_path):
    from PIL import Image as Pillow

    (tmp_path / "frames").mkdir()
    for number in range(11):
        Pillow.fromarray(np.full((4, 6), number, np.uint8)).save(tmp_path / "frames" / f"{number}.png")
    assert read_image(tmp_path, "frames::rate_hz=10").meta["frame_times_s"] == pytest.approx(np.arange(11) / 10)
    clip = read_image(tmp_path, evenly_timed_source(tmp_path, "frames", 10.0, of_frames=21))
    assert clip.array.shape == (1, 11, 6, 4) and clip.array[0, :, 0, 0].tolist() == list(range(11))  # 10 after 9
    assert clip.meta["frame_times_s"] == pytest.approx(np.arange(11) / 5)
    assert "frame_times_s" not in read_image(tmp_path, "frames").meta
    with pytest.raises(PrepareError, match="does not fit 11 frames"):
        read_image(tmp_path, "frames::times_s=0,1,2")
    with pytest.raises(PrepareError, match="does not fit 11 frames"):
        read_image(tmp_path, "frames::rate_hz=0")
    with pytest.raises(PrepareError, match="does not fit 11 frames"):
        read_image(tmp_path, "frames::times_s=0,1,2,3,3,5,6,7,8,9,10")  # two at one time


@pytest.mark.parametrize(
    ("name", "shape", "last_s"),
    [
        ("Cov-Atlas+(45).gif", (3, 21, 174, 174), 2.0),
        ("Cov_combatting_Image1.mp4", (3, 113, 440, 440), 112 / 28.25),
        ("Cov_recommendations_likebutterfly_mov5.mov", (3, 138, 370, 370), 137 * 3 / 68),
        ("Pneu_northumbria_0409_set1_vid1.avi", (3, 90, 516, 516), 89 * 809 / 18000),
        ("Reg_pat1Image_132943.mpeg", (3, 280, 370, 370), 279 / 25),
    ],
)
def test_real_ultrasound_of_every_kind(shared_data, name, shape, last_s):
    clip = read_image(shared_data("pocus_lung_us_video"), f"originals/{name}")
    assert clip.array.shape == shape and clip.array.dtype == np.uint8
    assert clip.meta["frame_times_s"][-1] == pytest.approx(last_s, abs=1e-4)
    assert clip.array.std() > 10


def test_lung_ultrasound_is_a_cohort_of_clips_in_true_time(shared_data):
    root = shared_data("pocus_lung_us_video")
    dataset = Table("metadata.csv", "clip", patient="patient", labels=["label"], rate_hz="orig_fps", of_frames="orig_frames", root=root)  # fmt: skip
    cases = list(dataset.cases())
    assert len(cases) == 123 and len({case.patient for case in cases}) == 77
    assert {case.labels["label"] for case in cases} == {"regular", "Bacterial pneumonia", "COVID-19", "Viral pneumonia"}
    atlas = next(case for case in cases if "clips/Cov-Atlas__45_::" in case.images["image"])
    clip = open_case(dataset.cohort_root, atlas).images["image"]
    assert clip.array.shape == (1, 16, 160, 160)
    # 16 of 21 frames at 10 a second; found by comparing them with the original: 0 1 3 4 5 7 8 9 11 12 13 15 16 17 19 20.
    assert clip.meta["frame_times_s"] == [n / 10 for n in (0, 1, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 19, 20)]


def test_the_stream_inside_a_dicom_file_is_decoded(tmp_path):
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import generate_uid

    frames = np.add.outer(np.arange(64), np.arange(48))[None] + 20 * np.arange(4)[:, None, None]
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        out = container.add_stream("libx264", rate=25, options={"crf": "1"})
        out.width, out.height, out.pix_fmt = 48, 64, "yuv420p"
        out.codec_context.time_base = Fraction(1, 25)
        for number, values in enumerate(frames.astype(np.uint8)):
            frame = av.VideoFrame.from_ndarray(np.repeat(values[..., None], 3, 2), format="rgb24")
            frame.pts = number
            for packet in [*out.encode(frame), *(out.encode(None) if number == 3 else [])]:
                container.mux(packet)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", generate_uid()
    dataset.Modality, dataset.FrameTime, dataset.NumberOfFrames = "US", 40, 4
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = 64, 48, 3, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation = "YBR_PARTIAL_420"
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(tmp_path / "clip.dcm", enforce_file_format=True)
    clip = read_image(Path(tmp_path), "clip.dcm")
    assert clip.array.shape == (3, 4, 48, 64) and clip.meta["frame_times_s"] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert np.abs(clip.array[1].swapaxes(1, 2).astype(int) - frames).max() <= 6
