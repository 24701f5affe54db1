"""One image, read in this process. A file's content decides how, not its suffix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import Image

from .metaimage import looks_like_metaimage

#: How a NIfTI file begins: the length of its header, in either byte order.
NIFTI_STARTS = tuple(length.to_bytes(4, order) for length in (348, 540) for order in ("little", "big"))


def read_image(root: Path, source: str, *, is_label: bool = False) -> Image:
    """Read one image in the geometry it came in, in this process.

    What others wrote is read through `preceptor.intake.door.read_apart`, which runs this apart, within limits.

    Args:
        root: Folder that the source is relative to.
        source: ``file``, a folder that holds one DICOM series, or ``file::member``: ``scan.nii.gz::2`` (a volume of
            four axes), ``scan.nii.gz::channels``, ``stack.tif::0`` (a page), ``images.npz::train_images::17``,
            ``folder::series-3f9a12c4.2`` (the second image of a DICOM series somewhere in a folder). A folder of
            pictures is a clip: ``frames::rate_hz=25``, ``frames::times_s=0,0.04,0.11``. A tile of a whole slide:
            ``slide.svs::tile=row,column,tile_um,microns_per_pixel``.
        is_label: Integer codes rather than a quantity.

    Returns:
        An `Image`; ``meta`` has ``source_format``, ``geometry`` and what was changed on the way in.

    Raises:
        PrepareError: The file is absent, damaged, of an unknown kind, claims more than it holds, or can't be placed in
            space for certain.
    """
    name, _, member = source.partition("::")
    path = Path(root) / name
    if member.startswith("tile=") and is_label and path.is_file():
        from .annotations.tile_masks import read_tile_mask

        return read_tile_mask(path, member)
    if member.startswith("tile=") and not is_label and path.exists():
        from .slides.tile_source import read_tile_source

        return read_tile_source(path, member)
    if path.is_dir():
        if not is_label and (frames := _frames(path, member)):
            from .video.frame_folder import read_frame_folder

            return read_frame_folder(frames, member or None)
        if member:
            from .dicom.scanning import read_part

            return read_part(path, member, is_label=is_label)
        from .dicom.series import read_series

        return read_series(path, is_label=is_label)
    if not path.is_file():
        raise PrepareError(
            "the file is not there",
            where=safe_name(path),
            expected="a file the cohort's table names",
            remedy="copy it back, or exclude the case",
            code="file_absent",
        )
    try:
        return _read_file(path, member or None, is_label)
    except PrepareError as error:
        if error.problem.where:
            raise
        raise placed(error, safe_name(path)) from None
    except MemoryError:
        raise PrepareError(
            "reading the file takes more memory than there is",
            where=safe_name(path),
            expected="an image of a size that this machine holds",
            remedy="cut or downsample the image, or read it with a tiled reader",
            code="memory_limit",
        ) from None
    except OSError as error:
        raise PrepareError(
            f"the file can't be read: {error.strerror or type(error).__name__}",
            where=safe_name(path),
            remedy="look at its permissions and the disk",
            code="file_unreadable",
        ) from error


def _frames(folder: Path, member: str) -> list[Path]:
    """The pictures of a folder of frames, unless its source names something else in it."""
    from .video.frame_folder import frame_files

    return frame_files(folder) if not member or member.startswith(("rate_hz=", "times_s=")) else []


def _read_file(path: Path, member: str | None, is_label: bool) -> Image:
    with path.open("rb") as file:
        start = file.read(132)
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM")) and start[128:] != b"DICM":
        from .raster import read_picture

        _no_member(member, path)
        return read_picture(path, is_label=is_label)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and start[128:] != b"DICM":
        from .tiff import read_tiff

        return read_tiff(path, member=member, is_label=is_label)
    if start.startswith((b"PK\x03\x04", b"\x93NUMPY")):
        from .array import read_array

        return read_array(path, member=member, is_label=is_label)
    if start[128:] == b"DICM":
        from .dicom.series import read_file

        _no_member(member, path)
        return read_file(path, is_label=is_label)
    if start.startswith(b"\x1f\x8b") or start[:4] in NIFTI_STARTS:
        from .nifti import read_nifti

        return read_nifti(path, member=member, is_label=is_label)
    if looks_like_metaimage(start):
        from .metaimage import read_metaimage

        _no_member(member, path)
        return read_metaimage(path, is_label=is_label)
    from .video.video_decoding import video_kind

    if kind := video_kind(start):
        from .video.clips import read_video

        _no_member(member, path)
        return read_video(path, kind, is_label=is_label)
    from .dicom.collecting import looks_like_dicom
    from .dicom.file import read_header

    if looks_like_dicom(start):
        read_header(path)  # refuses it, and says that it lacks the preamble
    raise PrepareError(
        "the file is of no kind that is read here" if start else "the file is empty",
        where=safe_name(path),
        expected="NIfTI, MetaImage, DICOM, PNG, JPEG, BMP, TIFF, GIF, MP4, MOV, AVI, MPEG, .npy or .npz",
        remedy="a DICOM file without its preamble must be written again as a Part 10 file",
        code="kind_unknown",
    )


def _no_member(member: str | None, path: Path) -> None:
    if member is not None:
        raise PrepareError(
            f"the file has no parts, and '{member}' is asked for",
            where=safe_name(path),
            expected="the file alone",
            code="no_member",
        )


def placed(error: PrepareError, where: str) -> PrepareError:
    """The same error with its place."""
    return PrepareError.from_problem(replace(error.problem, where=where))
