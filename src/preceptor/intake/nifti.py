"""NIfTI-1 and NIfTI-2, plain or gzipped: the header is checked against the file before any memory is asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import UNKNOWN_GEOMETRY, Image

from .labels import as_label_map
from .limits import check_dimensions, check_ratio, check_stored, inflated

_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units, bits 0-2: unknown, metre, millimetre, micrometre
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
_DTYPES: dict[int, tuple[str, int]] = {  # datatype code: (numpy type, channels in a voxel)
    2: ("u1", 1),
    4: ("i2", 1),
    8: ("i4", 1),
    16: ("f4", 1),
    64: ("f8", 1),
    128: ("u1", 3),
    256: ("i1", 1),
    512: ("u2", 1),
    768: ("u4", 1),
    1024: ("i8", 1),
    1280: ("u8", 1),
    2304: ("u1", 4),
}


@dataclass(frozen=True)
class _Header:
    """What a NIfTI header says, checked. `shape` is as stored, x first; `samples` counts colours in a voxel."""

    shape: tuple[int, ...]
    dtype: np.dtype
    samples: int
    offset: int
    slope: float
    intercept: float
    affine_mm: np.ndarray
    meta: dict[str, Any]

    @property
    def data_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.samples * self.dtype.itemsize


def read_nifti(path: Path, *, member: str | None = None, is_label: bool = False) -> Image:
    """Read a NIfTI image.

    The affine is the sform's where its code is above 0, else the qform's, else the geometry is unknown (the spacing is
    kept). Axis 4 is time unless `member` says otherwise; axis 5, and RGB voxels, are channels.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        member: ``channels`` reads axis 4 as channels (MR contrasts stacked in one file); a number reads that volume.
        is_label: Integer codes; a file of fractions is refused.

    Returns:
        An `Image` of the native integer type, or float32.

    Raises:
        PrepareError: The header is implausible (sizes, spacing, affine), the file is shorter than it claims, damaged,
            or a decompression bomb.

    Source: NIfTI-1.1 and NIfTI-2 headers, nifti.nimh.nih.gov.
    """
    stored = path.stat().st_size
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        pieces = inflated(file, path) if packed else iter(lambda: file.read(1 << 20), b"")
        head = _take(pieces, 4, b"", path)
        head = _take(pieces, 540 if _order(head, path)[1] == 540 else 348, head, path)
        header = _parse(head, path)
        declared = header.offset + header.data_bytes
        if packed:
            check_ratio(declared, stored, path, is_label=is_label)
        else:
            check_stored(declared, stored, path)
        array = _read_voxels(pieces, head, header, path)
    return _image(array, header, member, is_label, path)


def _take(pieces: Iterator[bytes], size: int, head: bytes, path: Path) -> bytes:
    """At least `size` bytes from the start of the file."""
    while len(head) < size:
        piece = next(pieces, b"")
        if not piece:
            check_stored(size, len(head), path)
        head += piece
    return head


def _order(head: bytes, path: Path) -> tuple[str, int]:
    """Byte order and length of the header, which the first number tells."""
    for order in "<>":
        (length,) = struct.unpack(order + "i", head[:4])
        if length in (348, 540):
            return order, length
    raise PrepareError(
        "the file is not NIfTI: it does not begin with a header's length",
        where=safe_name(path),
        expected="348 (NIfTI-1) or 540 (NIfTI-2) in the first four bytes",
        remedy="convert it with dcm2niix or `preceptor convert`",
        code="not_nifti",
    )


def _parse(head: bytes, path: Path) -> _Header:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    order, length = _order(head, path)
    kind = Nifti1Header if length == 348 else Nifti2Header
    fields = kind(head[:length], endianness=order, check=False)
    if not bytes(fields["magic"].tobytes()).startswith((b"n+1", b"n+2")):
        raise PrepareError(
            "the header and the voxels lie in two files (Analyze, or a NIfTI pair)",
            where=safe_name(path),
            expected="one file, .nii or .nii.gz",
            remedy="save it as one NIfTI file; an Analyze header does not say which side is left",
            code="nifti_pair",
        )
    axes = int(fields["dim"][0])
    if not 1 <= axes <= 7:
        raise PrepareError(
            f"the header declares {axes} axes", where=safe_name(path), expected="2 to 5", code="dimensions"
        )
    shape = tuple(int(size) for size in fields["dim"][1 : axes + 1])
    check_dimensions(shape, path)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    code = int(fields["datatype"])
    if code not in _DTYPES or not 2 <= len(shape) <= 5:
        raise PrepareError(
            f"{len(shape)} axes of NIfTI data type {code} are no image",
            where=safe_name(path),
            expected="2 to 5 axes of integers, real numbers or RGB",
            remedy="save magnitude or phase instead of complex numbers",
            code="nifti_type",
        )
    name, samples = _DTYPES[code]
    offset = float(fields["vox_offset"])
    if not length <= offset <= 2**31:
        raise PrepareError(
            "the header says the voxels begin inside the header or nowhere",
            where=safe_name(path),
            expected=f"a vox_offset of {length} or more",
            code="nifti_offset",
        )
    with np.errstate(invalid="ignore"):  # a signalling NaN in the header is refused below, not warned of
        affine, meta = _geometry(fields, min(len(shape), 3), path)
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if not np.isfinite(slope) or slope == 0:  # by the standard: not scaled
        slope, intercept = 1.0, 0.0
    if not np.isfinite(intercept):
        raise PrepareError(
            "the intercept of the intensity scale is not a number", where=safe_name(path), code="nifti_scale"
        )
    return _Header(shape, np.dtype(order + name), samples, int(offset), slope, intercept, affine, meta)


def _geometry(fields: Any, space: int, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The affine in millimetres and where it comes from."""
    spacing = np.asarray(fields["pixdim"][1:4], dtype=np.float64)
    spacing[space:] = np.where(spacing[space:] > 0, spacing[space:], 1.0)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise PrepareError(
            f"the voxel spacing is {' x '.join(f'{s:g}' for s in spacing[:space])}",
            where=safe_name(path),
            expected="finite and above 0",
            remedy="repair pixdim at the image's source; a spacing can't be guessed",
            code="spacing",
        )
    scale = _MILLIMETRES.get(int(fields["xyzt_units"]) & 7, 1.0)
    codes = {"sform": int(fields["sform_code"]), "qform": int(fields["qform_code"])}
    found = {}
    if codes["sform"] > 0:
        found["sform"] = np.asarray(fields.get_sform(), dtype=np.float64)
    if codes["qform"] > 0:
        found["qform"] = _qform(fields, spacing)
    for affine in found.values():
        if space == 2 and not np.abs(affine[:3, 2]).any():  # a plane may leave its normal out
            affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1]) / (spacing[0] * spacing[1])
        affine[:3] *= scale
    source, affine = next(iter(found.items()), ("pixdim", np.diag([*(spacing * scale), 1.0])))
    meta: dict[str, Any] = {
        "source_format": "nifti",
        "geometry": UNKNOWN_GEOMETRY if source == "pixdim" else source,
        "sform_code": codes["sform"],
        "qform_code": codes["qform"],
    }
    if len(found) == 2:
        shape = np.asarray(fields["dim"][1 : space + 1], dtype=np.float64)
        corners = np.stack(np.meshgrid(*([0.0, size - 1] for size in shape), indexing="ij"), -1).reshape(-1, space)
        apart = corners @ (found["sform"] - found["qform"])[:3, :space].T + (found["sform"] - found["qform"])[:3, 3]
        distance = float(np.linalg.norm(apart, axis=1).max())
        if not distance <= 0.01 * float((spacing[:space] * scale).min()):  # also when it is not a number
            meta["qform_differs_mm"] = distance if np.isfinite(distance) else "not finite"
    step = float(fields["pixdim"][4])
    seconds = _SECONDS.get(int(fields["xyzt_units"]) & 56)
    if seconds and np.isfinite(step) and step > 0:
        meta["time_step_s"] = step * seconds
    return affine, meta


def _qform(fields: Any, spacing: np.ndarray) -> np.ndarray:
    """Rotation from the quaternion, times the spacing, with the handedness that pixdim[0] gives."""
    from nibabel.quaternions import fillpositive, quat2mat

    vector = np.asarray([fields[f"quatern_{name}"] for name in "bcd"], dtype=np.float64)
    offset = [float(fields[f"qoffset_{name}"]) for name in "xyz"]
    affine = np.eye(4)
    if not np.isfinite(vector).all() or vector @ vector > 1 + 1e-3:
        affine[:] = np.nan  # `Image` refuses it
        return affine
    handed = np.array([1.0, 1.0, -1.0 if fields["pixdim"][0] < 0 else 1.0])
    affine[:3, :3] = quat2mat(fillpositive(vector, w2_thresh=-1e-3)) * (spacing * handed)
    affine[:3, 3] = offset
    return affine


def _read_voxels(pieces: Iterator[bytes], head: bytes, header: _Header, path: Path) -> np.ndarray:
    """Fill one array from the stream: nothing is held twice, and exactly the declared bytes are kept."""
    array = np.empty(header.data_bytes // header.dtype.itemsize, dtype=header.dtype)
    target = memoryview(array.data).cast("B")
    filled, skip = 0, header.offset
    piece = head
    while piece:
        usable = memoryview(piece)[skip:]
        skip = max(0, skip - len(piece))
        usable = usable[: len(target) - filled]
        target[filled : filled + len(usable)] = usable
        filled += len(usable)
        piece = next(pieces, b"")  # to the end, so that the checksum is compared
    check_stored(header.data_bytes, filled, path)
    return array


def _image(array: np.ndarray, header: _Header, member: str | None, is_label: bool, path: Path) -> Image:
    """Channel first, native byte order, scaled where the header says so."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array = array.reshape((header.samples, *header.shape), order="F")  # colours vary fastest, then x
    space = min(len(header.shape), 3)
    has_time = False
    if len(header.shape) == 5 and member is None:
        if header.shape[3] > 1 or header.samples > 1:
            raise PrepareError(
                f"the file holds five axes: {' x '.join(map(str, header.shape))}",
                where=safe_name(path),
                expected="time (axis 4) or channels (axis 5), not both",
                code="nifti_type",
            )
        array = np.moveaxis(array[0, :, :, :, 0], -1, 0)
    elif member == "channels" and len(header.shape) == 4:
        array = np.moveaxis(array[0], -1, 0)
    elif member is not None:
        array = array[..., _volume(member, header, path)]
    elif len(header.shape) == 4:
        array, has_time = np.moveaxis(array, -1, 1), True
    if (header.slope, header.intercept) != (1.0, 0.0):
        array = (array * np.float64(header.slope) + header.intercept).astype(np.float32)
    elif array.dtype == np.float64 and not is_label:
        array = array.astype(np.float32)
    if is_label:
        array = as_label_map(array, path)
    assert array.ndim == 1 + int(has_time) + space
    return Image(array, header.affine_mm, is_label=is_label, has_time=has_time, meta=header.meta)


def _volume(member: str, header: _Header, path: Path) -> int:
    volumes = header.shape[3] if len(header.shape) == 4 else 1
    if len(header.shape) != 4 or not member.isdigit() or int(member) >= volumes:
        raise PrepareError(
            f"there is no volume '{member}'",
            where=safe_name(path),
            expected=f"'channels', or a number from 0 to {volumes - 1}" if volumes > 1 else "an image with four axes",
            code="no_member",
        )
    return int(member)
