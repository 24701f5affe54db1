"""Write an image or a map back in the geometry it came in: aside first, then renamed, so no file is ever half there."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

from preceptor.core.errors import PrepareError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from .labels import smallest_integer

_PICTURES = ("png", "jpeg", "bmp", "tiff", "array")


def write_map(path: Path, array: np.ndarray, like: Image) -> Path:
    """Write a label map, or any map, on the grid of an image.

    Args:
        path: Without its suffix, which follows from the image: ``.png`` for a picture, ``.nii.gz`` for the rest.
        array: ``(x, y[, z])``; integers are stored in the smallest type that holds them, the rest as float32.
        like: The image as it was read, whose grid and geometry the map is on.

    Returns:
        The path with its suffix.

    Raises:
        PrepareError: The map is not on the image's grid.
    """
    array = np.asarray(array)
    if array.shape != like.shape:
        raise PrepareError(
            f"the map is {' x '.join(map(str, array.shape))} and the image {' x '.join(map(str, like.shape))}",
            expected="a map on the image's own grid",
            code="grid_differs",
        )
    whole = array.dtype.kind in "biu"
    array = array.astype(
        smallest_integer(array.min(initial=0), array.max(initial=0)) if whole else np.float32, copy=False
    )
    is_picture = like.meta.get("source_format") in _PICTURES and array.ndim == 2
    suffix = ".png" if is_picture and array.dtype in (np.uint8, np.uint16) else ".nii.gz"
    path = path.with_name(path.name + suffix)
    write_image(path, Image(array[None], like.affine_mm, is_label=whole, meta=like.meta))
    return path


def write_image(path: Path, image: Image) -> None:
    """Write an image.

    NIfTI gets the affine and the codes its source had (scanner coordinates where the source had none), in millimetres;
    PNG holds grey or RGB of 8 bits, or grey of 16.

    Args:
        path: ``.nii``, ``.nii.gz`` or ``.png``.
        image: Any; its native type is kept.

    Raises:
        PrepareError: The image does not fit the format.
    """
    path = Path(path)
    if path.name.endswith((".nii", ".nii.gz")):
        content = _nifti(image)
        if path.suffix == ".gz":
            content = gzip.compress(content, compresslevel=4, mtime=0)  # no time stamp: the same bytes every time
    elif path.suffix == ".png":
        content = _png(image)
    else:
        raise PrepareError(
            f"images are not written as '{path.suffix}'", expected=".nii, .nii.gz or .png", code="suffix"
        )
    with write_aside(path) as aside:
        aside.write_bytes(content)


def _nifti(image: Image) -> bytes:
    import nibabel

    array = image.array
    if image.has_time and image.channels > 1:
        raise PrepareError("NIfTI here holds time or channels, not both", expected="one channel", code="axes")
    if image.has_time:
        array = np.moveaxis(array[0], 0, -1)
        array = array if image.space_dims == 3 else array[:, :, None]  # a film of two axes is one slice over time
    elif image.channels > 1:
        array = np.moveaxis(array, 0, -1)
        array = array if image.space_dims == 3 else array[:, :, None]
        array = array[:, :, :, None]  # axis 4 is time: channels go to axis 5
    else:
        array = array[0]
    kind = nibabel.Nifti1Image if max(array.shape) < 2**15 else nibabel.Nifti2Image
    written = kind(array, image.affine_mm, dtype=array.dtype)
    known = image.has_known_geometry
    sform, qform = int(image.meta.get("sform_code", known)), int(image.meta.get("qform_code", 0))
    written.set_sform(image.affine_mm, code=sform or int(known))
    if qform and not image.meta.get("qform_differs_mm"):
        written.set_qform(image.affine_mm, code=qform)
    else:
        written.header["qform_code"] = 0
    if not known:
        written.header["pixdim"][1:4] = np.linalg.norm(image.affine_mm[:3, :3], axis=0)
    written.header.set_xyzt_units("mm", "sec" if "time_step_s" in image.meta else "unknown")
    if image.has_time and "time_step_s" in image.meta:
        written.header["pixdim"][4] = image.meta["time_step_s"]
    return written.to_bytes()


def _png(image: Image) -> bytes:
    from PIL import Image as Pillow

    array = image.array.swapaxes(1, 2)  # (channel, row, column)
    fits = image.space_dims == 2 and not image.has_time
    if fits and image.channels == 1 and array.dtype in (np.uint8, np.uint16):
        picture = Pillow.fromarray(np.ascontiguousarray(array[0]))
    elif fits and image.channels == 3 and array.dtype == np.uint8:
        picture = Pillow.fromarray(np.ascontiguousarray(np.moveaxis(array, 0, -1)))
    else:
        raise PrepareError(
            f"an image of {image.channels} channels of {array.dtype} in {image.space_dims} dimensions is no PNG",
            expected="two dimensions; grey of 8 or 16 bits, or RGB of 8",
            remedy="write it as NIfTI",
            code="png_type",
        )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
