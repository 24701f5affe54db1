"""Whole slides: what they hold, their tiles, and a bundle's heat map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .bundles import open_bundle

if TYPE_CHECKING:
    from ..deliver.slides import SlideAnswer


def slide_info(slide: str | Path, *, slide_microns: float | None = None) -> dict[str, Any]:
    """What a whole slide holds: levels with their microns per pixel, vendor, and the pictures beside them.

    Args:
        slide: A file, or the folder of a DICOM series.
        slide_microns: Microns per pixel of the finest level, where the file does not say or says something wrong.

    Raises:
        PrepareError: It is no slide, damaged, or claims an absurd size.
        MissingExtra: ``preceptor[pathology]`` is not installed, and the slide is no DICOM.
    """
    from ..intake.slides.slide import open_slide
    from ..intake.slides.tell import describe

    with open_slide(slide, slide_microns) as opened:
        return describe(opened)


def slide_tiles(
    slide: str | Path,
    out: str | Path,
    *,
    tile_um: float = 256.0,
    microns_per_pixel: float = 0.5,
    overlap: float = 0.0,
    least_tissue: float = 0.5,
    tissue_by: Literal["grey", "saturation"] = "grey",
    slide_microns: float | None = None,
    pictures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Find a slide's tissue and cut it into tiles; see `preceptor.intake.slides.tell.write_tiles`.

    Raises:
        RecipeError: The numbers make no tiles.
        PrepareError: The slide can't be read, its microns are not known, or it has no tissue.
    """
    from ..intake.slides.slide import open_slide
    from ..intake.slides.tell import write_tiles
    from ..intake.slides.tiles import Tiling

    tiling = Tiling(tile_um, microns_per_pixel, overlap, least_tissue)
    with open_slide(slide, slide_microns) as opened:
        return write_tiles(opened, Path(out), tiling, tissue_by=tissue_by, pictures=pictures, progress=progress)


def slide_heatmap(
    bundle: str | Path,
    slide: str | Path,
    out: str | Path,
    *,
    label: str | None = None,
    tile_um: float | None = None,
    microns_per_pixel: float | None = None,
    overlap: float | None = None,
    least_tissue: float | None = None,
    percentile: float = 95.0,
    slide_microns: float | None = None,
    device: str = "auto",
    key: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SlideAnswer:
    """Let a sealed bundle answer every tile of a slide; see `preceptor.deliver.slides.predict_slide`.

    Args:
        bundle: Of a classifier of tiles.
        slide: A file, or the folder of a DICOM series.
        out: Folder for the results.
        label: The class whose probability is mapped; by default the second of two.
        tile_um, microns_per_pixel, overlap, least_tissue: How to cut, where it is not to be as in training.
        percentile: Of the tiles, for the slide's score.
        slide_microns: Microns per pixel of the finest level, where the file does not say or says something wrong.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        key: A public key (PEM) that must have signed the bundle.
        progress: Called with how many tiles are done, and how many there are.
    """
    from ..deliver.slides import predict_slide, tiling_of
    from ..intake.slides.slide import open_slide

    opened_bundle = open_bundle(bundle, key=key)
    asked = {
        "tile_um": tile_um,
        "microns_per_pixel": microns_per_pixel,
        "overlap": overlap,
        "least_tissue": least_tissue,
    }
    tiling = tiling_of(opened_bundle, {name: each for name, each in asked.items() if each is not None})
    with open_slide(slide, slide_microns) as opened:
        return predict_slide(
            opened_bundle,
            opened,
            Path(out),
            label=label,
            tiling=tiling,
            percentile=percentile,
            device=device,
            progress=progress,
        )
