"""Known answers of windows: I1.3, and the windows that DICOM files name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.slots import build
from preceptor.intake.dicom.series import read_file
from preceptor.maths.display_window import PRESETS_HU, windowed
from preceptor.prepare.compose import prepare_sample

from ..intake.test_dicom import dataset, read
from ..prepare.cases import sample

_AT = [-160, -159, 0, 39.5, 40, 100, 239, 240]
_SHOWN = {
    "linear": [0, 0.639097744, 102.255639098, 127.5, 127.819548872, 166.165413534, 255, 255],
    "linear_exact": [0, 0.6375, 102, 127.18125, 127.5, 165.75, 254.3625, 255],
    "sigmoid": [
        *(30.396745116, 30.665499929, 102.334646671, 127.181250664),
        *(127.5, 164.642358088, 224.334500071, 224.603254884),
    ],
}


def _shown(values, *window):
    return 255 * windowed(torch.tensor(values, dtype=torch.float64), *window).numpy()


@pytest.mark.answer("I1.3")
@pytest.mark.parametrize("function", _SHOWN)
def test_the_three_functions(function):
    assert _shown(_AT, 40, 400, function) == pytest.approx(_SHOWN[function], abs=1e-6)
    step = build("transforms", {"window": {"centre_hu": 40, "width_hu": 400, "function": function}})
    out = prepare_sample(sample(np.array([_AT, _AT])), [step]).images["view"].array[0, 0]
    assert 255 * out == pytest.approx(_SHOWN[function], abs=1e-4)  # single precision


@pytest.mark.answer("I1.3")
def test_wide_windows_and_a_single_step():
    wide = [1, 2048, 4095]
    assert _shown(wide, 2048, 4096, "linear") == pytest.approx([0.062271062, 127.531135531, 255], abs=1e-6)
    assert _shown(wide, 2048, 4096, "linear_exact") == pytest.approx([0.062255859, 127.5, 254.937744141], abs=1e-6)
    lung = [-1349.5, 0]
    assert _shown(lung, -600, 1500, "linear") == pytest.approx([0.085056704, 229.653102068], abs=1e-6)
    assert _shown(lung, -600, 1500, "linear_exact") == pytest.approx([0.085, 229.5], abs=1e-6)
    assert _shown([2047, 2047.5, 2048], 2048, 1, "linear").tolist() == [0, 0, 255]


@pytest.mark.answer("I1.3")
@pytest.mark.parametrize("function", _SHOWN)
def test_as_the_dicom_library_computes_it(function):
    from pydicom import Dataset
    from pydicom.pixels import apply_windowing

    header = Dataset()
    header.BitsStored, header.PixelRepresentation, header.PhotometricInterpretation = 8, 1, "MONOCHROME2"
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = 12, 77, function.upper()
    values = np.linspace(-128, 127, 511)
    theirs = apply_windowing(values, header)
    assert _shown(values, 12, 77, function) - 128 == pytest.approx(theirs, abs=1e-9)


@pytest.mark.answer("I1.3")
def test_each_file_has_its_own_window(tmp_path):
    """Several are named: the first counts. None says a function: LINEAR."""
    own = [build("transforms", {"window": {"preset": "dicom"}})]
    stored = np.array([[0, 100], [139, 140]], np.uint16)
    image = read(dataset(stored, stored_bits=12, WindowCenter=[40, 900], WindowWidth=[200, 10]), tmp_path)
    assert image.meta["window"] == {"centre": 40, "width": 200, "function": "linear", "named": 2}
    given = sample(np.zeros((2, 2)))
    shown = prepare_sample(Sample("a", {"view": image}), own).images["view"].array[0]
    assert np.sort(shown.ravel()) == pytest.approx(_shown([0, 100, 139, 140], 40, 200, "linear") / 255, abs=1e-6)
    with pytest.raises(PrepareError, match="names no window"):
        prepare_sample(given, own)


@pytest.mark.answer("I1.3")
def test_a_window_is_mirrored_with_the_values_it_is_for(tmp_path):
    """A radiograph stored as MONOCHROME1 is read inverted; shown by its own window it is the negative of what was stored."""
    stored = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64
    facts = {"stored_bits": 12, "WindowCenter": 1500, "WindowWidth": 1000, "Modality": "DX"}
    own = [build("transforms", {"window": {"preset": "dicom"}})]
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        image = read(
            dataset(stored, **facts, VOILUTFunction=function, PhotometricInterpretation="MONOCHROME1"), tmp_path
        )
        shown = prepare_sample(Sample("a", {"view": image}), own).images["view"].array[0]
        expected = 1 - _shown(stored.T, 1500, 1000, function.lower()) / 255
        assert np.abs(shown - expected).max() < 1e-5, function


def test_padding_is_mirrored_with_the_values(tmp_path):
    stored = np.array([[0, 1024], [1024, 3000]], np.uint16)
    facts = {"stored_bits": 12, "PixelPaddingValue": 0, "Modality": "DX", "PhotometricInterpretation": "MONOCHROME1"}
    image = read(dataset(stored, **facts), tmp_path)
    assert image.meta["padding_value"] == image.array[0, 0, 0] == 4095


@pytest.mark.answer("I1.3")
def test_padding_is_told_in_the_unit_of_the_values(tmp_path):
    """Stored 0 is padding and becomes -1024 HU; water at 0 HU is none."""
    stored = np.array([[0, 1024], [1024, 1064]], np.uint16)
    image = read(dataset(stored, PixelPaddingValue=0, RescaleSlope=1, RescaleIntercept=-1024, Modality="CT"), tmp_path)
    assert image.meta["padding_value"] == -1024
    step = build("transforms", {"window": {"preset": "soft_tissue"}})
    shown = prepare_sample(Sample("a", {"view": image}), [step]).images["view"].array[0]
    assert np.sort(shown.ravel()) == pytest.approx([0, 0.375, 0.375, 0.475], abs=1e-6)


@pytest.mark.answer("I1.3")
def test_real_files_are_shown_by_their_own_windows(shared_data):
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut, apply_windowing

    compared = 0
    own = [build("transforms", {"window": {"preset": "dicom"}})]
    small = (path for path in (shared_data("dicom_zoo") / "files").rglob("*") if path.stat().st_size < 300_000)
    for path in sorted(small):
        try:
            image = read_file(path)
        except (PrepareError, OSError):
            continue
        if "window" not in image.meta or image.meta.get("monochrome1") or image.space_dims != 2 or image.has_time:
            continue
        header = dcmread(path)
        if "padding_value" in image.meta or "ModalityLUTSequence" in header or image.channels > 1:
            continue
        theirs = apply_windowing(apply_modality_lut(header.pixel_array, header), header)
        bits = int(header.BitsStored)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.PixelRepresentation else (0, 2**bits - 1)
        slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
        low, high = low * slope + intercept, high * slope + intercept
        shown = prepare_sample(Sample("a", {"view": image}), own).images["view"].array[0]
        assert np.abs(shown.T - (theirs - low) / (high - low)).max() < 1e-5, path.name
        compared += 1
        if compared == 8:
            return
    assert compared >= 5


# ---------------------------------------------------------------- presets, and what is no CT


def test_presets_are_windows_in_hounsfield_units():
    for name, (centre, width) in PRESETS_HU.items():
        values = np.array([[centre - width, centre], [centre + width / 4, centre + width]])
        step = build("transforms", {"window": {"preset": name}})
        out = prepare_sample(sample(values), [step]).images["view"].array[0]
        assert out.ravel() == pytest.approx([0, 0.5, 0.75, 1], abs=1e-6), name


@pytest.mark.parametrize("given", [{}, {"centre_hu": 3}, {"width_hu": 3}, {"preset": "lung", "width_hu": 3}])
def test_a_window_is_given_once(given):
    with pytest.raises(RecipeError, match="preset"):
        build("transforms", {"window": given})


def test_what_is_no_ct_is_refused():
    step = [build("transforms", "hounsfield")]
    body = np.array([[-1000.0, 0], [40, 1200]])
    prepare_sample(sample(body, modality="CT"), step)
    prepare_sample(sample(body), step)
    for values, meta, match in (
        (body, {"modality": "MR"}, "modality MR"),
        (body + 1024, {"modality": "CT"}, "no air"),
        (body + 1024, {}, "no air"),
        (body * 100, {}, "values go from"),
        (body[:1] - 3000, {}, "values go from"),
    ):
        with pytest.raises(PrepareError, match=match):
            prepare_sample(sample(values, **meta), step)
    prepare_sample(sample(body + 1024), [build("transforms", {"hounsfield": {"needs_air": False}})])
