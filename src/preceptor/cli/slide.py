"""``preceptor slide info|tile|heatmap``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from . import console

app = App(name="slide", help="Whole slides: what they hold, their tiles, a model's heat map.", help_format="plaintext")

_SlideMicrons = Annotated[float | None, Parameter(name="--slide-microns")]


@app.command
def info(slide: Path, *, slide_microns: _SlideMicrons = None, as_json: console.Json = False) -> None:
    """What a slide holds: levels with their microns per pixel, and the pictures beside them.

    Parameters
    ----------
    slide
        A file, or the folder of a DICOM series.
    slide_microns
        Microns per pixel of the finest level, where the file does not say or says something wrong.
    """
    from preceptor import api

    told = api.slide_info(slide, slide_microns=slide_microns)
    shown = " x ".join(f"{each:.4g}" for each in told["microns_per_pixel"] or ())
    lines = [f"{told['slide']}: {told['vendor']} by {told['reader']}, {shown or 'unknown'} microns per pixel"]
    if told["problem"]:
        lines.append(f"  {told['problem']}")
    for number, level in enumerate(told["levels"]):
        microns = " x ".join(f"{each:.4g}" for each in level["microns_per_pixel"] or ())
        size = f"{level['rows']:>7} x {level['columns']:<7}"
        lines.append(f"  level {number}: {size} 1/{level['downsample']:.4g}{f'  {microns} um' if microns else ''}")
    if told["associated"]:
        lines.append(f"  beside them: {', '.join(told['associated'])} (a label may show a name)")
    console.result("\n".join(lines), told, as_json)


@app.command
def tile(
    slide: Path,
    *,
    out: Path,
    tile_um: float = 256.0,
    microns_per_pixel: float = 0.5,
    overlap: float = 0.0,
    least_tissue: float = 0.5,
    tissue_by: Literal["grey", "saturation"] = "grey",
    slide_microns: _SlideMicrons = None,
    pictures: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Find the tissue and cut it into tiles: a table of them, an overview, and the tiles as PNG where asked.

    Parameters
    ----------
    slide
        A file, or the folder of a DICOM series.
    out
        Folder for the results.
    tile_um
        Microns along each side of a tile.
    microns_per_pixel
        Of the tiles' pixels, whatever the slide's are.
    overlap
        Share of a tile's side that it shares with the next.
    least_tissue
        Share of a tile that is tissue, at least.
    tissue_by
        'grey' counts what is darker as tissue, 'saturation' what is more coloured.
    slide_microns
        Microns per pixel of the finest level, where the file does not say or says something wrong.
    pictures
        Write every tile as a PNG.
    """
    from preceptor import api

    told = api.slide_tiles(
        slide,
        out,
        tile_um=tile_um,
        microns_per_pixel=microns_per_pixel,
        overlap=overlap,
        least_tissue=least_tissue,
        tissue_by=tissue_by,
        slide_microns=slide_microns,
        pictures=pictures,
        progress=console.bar("tiles"),
    )
    tiles = f"{told['tiles']} of {told['cells']} tiles hold {least_tissue:.0%} tissue or more"
    text = f"{out}\n{tiles}; {told['tissue']:.1%} of the slide is tissue"
    console.result(text, told, as_json)


@app.command
def heatmap(
    bundle: Path,
    slide: Path,
    *,
    out: Path,
    label: str | None = None,
    tile_um: float | None = None,
    microns_per_pixel: float | None = None,
    overlap: float | None = None,
    least_tissue: float | None = None,
    percentile: float = 95.0,
    slide_microns: _SlideMicrons = None,
    device: str = "auto",
    key: Path | None = None,
    as_json: console.Json = False,
) -> None:
    """Let a bundle answer every tile of a slide: a heat map in its geometry, an overview, the tiles, and a score.

    Parameters
    ----------
    bundle
        Trained on tiles of slides.
    slide
        A file, or the folder of a DICOM series.
    out
        Folder for the results.
    label
        The class whose probability is mapped; by default the second of two.
    tile_um
        Microns along each side of a tile; this and the next three by default as in training.
    microns_per_pixel
        Of the tiles' pixels.
    overlap
        Share of a tile's side that it shares with the next.
    least_tissue
        Share of a tile that is tissue, at least.
    percentile
        Of the tiles, for the slide's score, beside the largest and the mean.
    slide_microns
        Microns per pixel of the finest level, where the file does not say or says something wrong.
    device
        auto, cpu, cuda or mps.
    key
        A public key (PEM) that must have signed the bundle.
    """
    from preceptor import api

    answer = api.slide_heatmap(
        bundle,
        slide,
        out,
        label=label,
        tile_um=tile_um,
        microns_per_pixel=microns_per_pixel,
        overlap=overlap,
        least_tissue=least_tissue,
        percentile=percentile,
        slide_microns=slide_microns,
        device=device,
        key=key,
        progress=console.bar("tiles"),
    )
    record = {"out": str(out), **answer.record()}
    score = answer.score
    text = (
        f"{out}\n{answer.label}: largest {score.largest:.3f}, mean {score.mean:.3f}, percentile {percentile:g} "
        f"{score.percentile:.3f} over {len(answer.corners) - answer.refused} tiles; {answer.refused} refused"
    )
    console.result(text, record, as_json)
