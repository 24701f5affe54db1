"""Slides that the tests make: pyramids in TIFF and in DICOM, whose every pixel is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

KIND = "1.2.840.10008.5.1.4.1.1.77.1.6"


def picture(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """``(rows, columns, 3)`` uint8: blobs of colour on white, no two places alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 220, (rows // 16 + 1, columns // 16 + 1, 3), dtype=np.uint8)
    found = np.repeat(np.repeat(coarse, 16, 0), 16, 1)[:rows, :columns].copy()
    found += (np.arange(columns) % 7).astype(np.uint8)[None, :, None]
    found[: rows // 4] = 255
    return found


def halved(array: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 pixels; an odd last row or column is dropped."""
    rows, columns = array.shape[0] // 2 * 2, array.shape[1] // 2 * 2
    blocks = array[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, -1).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


def pyramid(array: np.ndarray, levels: int) -> list[np.ndarray]:
    made = [array]
    for _ in range(levels - 1):
        made.append(halved(made[-1]))
    return made


def write_tiff(path: Path, levels: list[np.ndarray], microns: float | None = 0.5, tile: int = 64, **options) -> None:
    """A tiled pyramid: one page a level, the coarser ones marked as reduced."""
    import tifffile

    told = {} if microns is None else {"resolution": (1e4 / microns, 1e4 / microns), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for number, level in enumerate(levels):
            if microns is not None:
                per = 1e4 / microns * level.shape[1] / levels[0].shape[1]
                told["resolution"] = (per, per)
            file.write(
                level,
                tile=(tile, tile),
                photometric="rgb",
                subfiletype=1 if number else 0,
                metadata=None,
                **told,
                **({"compression": "zlib"} | options),
            )


def write_dicom(
    folder: Path,
    levels: list[np.ndarray],
    microns: float = 0.5,
    tile: int = 64,
    sparse: bool = False,
    label: np.ndarray | None = None,
    lossy: bool = False,
) -> list[Path]:
    """One instance a level; sparse ones leave out frames that are all white and tell each frame's place.

    A label is one more instance of the same series. Lossy frames are JPEG of half the colour, as scanners write them.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless, generate_uid

    folder.mkdir(exist_ok=True)
    study, series, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    written = []
    for number, array in enumerate([*levels, *([] if label is None else [label])]):
        rows, columns = array.shape[:2]
        spacing = microns / 1000 * levels[0].shape[0] / rows
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = KIND
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.file_meta.TransferSyntaxUID = (
            JPEGBaseline8Bit if lossy else RLELossless if sparse else ExplicitVRLittleEndian
        )
        data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = study, series, "SM"
        data.FrameOfReferenceUID = frame_of_reference
        flavour = "VOLUME" if number < len(levels) else "LABEL"
        data.ImageType = ["ORIGINAL" if number == 0 else "DERIVED", "PRIMARY", flavour, "NONE"]
        data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = rows, columns
        data.Rows = data.Columns = tile
        data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
        data.PhotometricInterpretation = "YBR_FULL_422" if lossy else "RGB"
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation = 7, 0
        measures, shared = Dataset(), Dataset()
        measures.PixelSpacing = [spacing, spacing]
        shared.PixelMeasuresSequence = [measures]
        data.SharedFunctionalGroupsSequence = [shared]
        frames, groups = [], []
        for row in range(0, rows, tile):
            for column in range(0, columns, tile):
                frame = np.full((tile, tile, 3), 255, np.uint8)
                part = array[row : row + tile, column : column + tile]
                frame[: part.shape[0], : part.shape[1]] = part
                if sparse and (frame == 255).all():
                    continue
                place, group = Dataset(), Dataset()
                place.RowPositionInTotalImagePixelMatrix = row + 1
                place.ColumnPositionInTotalImagePixelMatrix = column + 1
                group.PlanePositionSlideSequence = [place]
                groups.append(group)
                frames.append(frame)
        data.DimensionOrganizationType = "TILED_SPARSE" if sparse else "TILED_FULL"
        data.NumberOfFrames = len(frames)
        if sparse:
            data.PerFrameFunctionalGroupsSequence = groups[::-1]  # in any order, which the places tell
            data.PixelData = encapsulate([_packed(frame) for frame in frames[::-1]], has_bot=number == 0)
        elif lossy:
            data.PixelData = encapsulate([_jpeg(frame) for frame in frames])
        else:
            data.PixelData = np.stack(frames).tobytes()
        data["PixelData"].VR = "OB"
        path = folder / f"{len(levels) - number}.dcm"  # by name the coarsest comes first
        data.save_as(path, enforce_file_format=True)
        written.append(path)
    return written


def _jpeg(frame: np.ndarray) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="JPEG", quality=92, subsampling="4:2:2")
    return stream.getvalue()


def _packed(frame: np.ndarray) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import generate_frames
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = KIND, "1.2.3"
    data.Rows, data.Columns = frame.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = frame.tobytes()
    data["PixelData"].VR = "OB"
    data.compress(RLELossless, generate_instance_uid=False)
    return next(generate_frames(data.PixelData, number_of_frames=1))


def write_huge(path: Path, side: int, share: float, tile: int = 256) -> None:
    """A pyramid of `side` x `side` pixels whose tiles are two on disk: glass, and tissue in a square of this share.

    Every tile's offset points at the same few bytes, which TIFF allows. Levels shrink by 4, and the square's sides lie on
    tiles of every level but the last.
    """
    import struct
    import zlib

    rng = np.random.default_rng(1)
    glass = np.full((tile, tile, 3), 244, np.uint8)
    tissue = rng.integers((150, 60, 120), (215, 130, 190), (tile, tile, 3)).astype(np.uint8)
    across = round(side * share**0.5 / tile / 16) * 16  # tiles of level 0, a multiple of those that the third level has
    first = (side // tile // 3) // 16 * 16
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        stored = []
        for pixels in (glass, tissue):
            content = zlib.compress(pixels.tobytes(), 6)
            stored.append((file.tell(), len(content)))
            file.write(content)
        link, size, factor = 8, side, 1
        while size > tile:
            number = -(-size // tile)
            low, high = first // factor, (first + across) // factor
            inside = np.zeros((number, number), np.int64)
            inside[low:high, low:high] = 1
            table = np.array(stored, np.uint64)[inside]
            offsets = file.tell()
            file.write(table[..., 0].astype("<u8").tobytes())
            counts = file.tell()
            file.write(table[..., 1].astype("<u4").tobytes())
            per_cm = round(1e4 / (0.25 * side / size) * 1000)
            entries = [
                (254, 4, 1, int(factor > 1)), (256, 4, 1, size), (257, 4, 1, size), (258, 3, 3, 0x0008_0008_0008),
                (259, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 3), (282, 5, 1, None), (283, 5, 1, None), (284, 3, 1, 1),
                (296, 3, 1, 3), (322, 3, 1, tile), (323, 3, 1, tile),
                (324, 16, number**2, offsets), (325, 4, number**2, counts),
            ]  # fmt: skip
            here = file.tell()
            file.write(struct.pack("<Q", len(entries)))
            for tag, kind, count, value in entries:
                held = struct.pack("<2I", per_cm, 1000) if value is None else struct.pack("<Q", value)
                file.write(struct.pack("<HHQ", tag, kind, count) + held)
            following = file.tell()
            file.write(struct.pack("<Q", 0))
            end = file.tell()
            file.seek(link)
            file.write(struct.pack("<Q", here))
            file.seek(end)
            link, size, factor = following, size // 4, factor * 4


def stained(rows: int, columns: int, kind: str, seed: int = 0, strength: float = 1.0) -> np.ndarray:
    """A section on white glass in haematoxylin and eosin, of one of two textures.

    ``dots`` of dark nuclei, or ``stripes`` of fibres, by the law of Beer and Lambert; `strength` is the laboratory's.
    """
    rng = np.random.default_rng(seed)
    down, along = np.mgrid[:rows, :columns]
    inside = ((down - rows / 2) / (rows * 0.4)) ** 2 + ((along - columns / 2) / (columns * 0.4)) ** 2 < 1
    if kind == "dots":
        shift = rng.integers(0, 12, 2)
        dark = ((down + shift[0]) % 12 - 6) ** 2 + ((along + shift[1]) % 12 - 6) ** 2 < 10
    else:
        dark = (down + along + rng.integers(0, 10)) % 10 < 3
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    amounts = np.where(dark[..., None], [1.3, 0.15], [0.2, 0.9]) * rng.uniform(0.7, 1.3, (rows, columns, 2))
    array = 240 * np.exp(-strength * amounts @ (dyes / np.linalg.norm(dyes, axis=1, keepdims=True)))
    array[~inside] = 244
    return np.clip(np.rint(array), 0, 255).astype(np.uint8)
