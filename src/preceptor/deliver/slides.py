"""A bundle that answers tiles, on a whole slide: a heat map in the slide's geometry, an overview, and the slide's score."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.core.files import write_aside
from preceptor.core.plain import finite
from preceptor.core.slots import spec
from preceptor.intake.slides.heat_map import HeatMap, write_heat_map
from preceptor.intake.slides.overview import write_overview
from preceptor.intake.slides.slide import Slide
from preceptor.intake.slides.tile_source import as_image
from preceptor.intake.slides.tiles import Tiling, plan_tiles, stream_tiles
from preceptor.intake.slides.tissue import find_tissue
from preceptor.maths.slide_scores import SlideScore, slide_score

from .predicting import answer_opened

if TYPE_CHECKING:
    from .bundle import Bundle


@dataclass(frozen=True)
class SlideAnswer:
    """What a bundle says of a slide.

    Args:
        label: The class whose probability is mapped.
        tiling: How the slide was cut.
        corners: ``(tile, 2)`` rows and columns of level 0.
        tissue: ``(tile,)`` share of each that is tissue.
        probability: ``(tile,)``; NaN where the tile was refused.
        reasons: Of each tile; empty where it was accepted.
        score: Of the slide, from the tiles that were accepted.
        percentile: Which one the score's is.
        heat_map: ``(row, column)`` float32, NaN where no tile was answered.
        microns_per_pixel: Of the heat map.
        out: Folder of ``heat_map.tif``, ``overview.png``, ``tiles.csv`` and ``slide.json``.
    """

    label: str
    tiling: Tiling
    corners: np.ndarray
    tissue: np.ndarray
    probability: np.ndarray
    reasons: tuple[str, ...]
    score: SlideScore
    percentile: float
    heat_map: np.ndarray
    microns_per_pixel: float
    out: Path

    @property
    def refused(self) -> int:
        """Tiles without an answer."""
        return int(np.isnan(self.probability).sum())

    def record(self) -> dict[str, Any]:
        """The same as JSON, without the tiles."""
        return finite(
            {
                "class": self.label,
                "tiles": len(self.corners),
                "refused": self.refused,
                "score": {**self.score._asdict(), "percentile_is": self.percentile},
                "tiling": asdict(self.tiling),
                "heat_map_microns_per_pixel": self.microns_per_pixel,
            }
        )


def predict_slide(
    bundle: Bundle,
    slide: Slide,
    out: Path,
    *,
    label: str | None = None,
    tiling: Tiling | None = None,
    percentile: float = 95.0,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> SlideAnswer:
    """Answer every tile of a slide's tissue, and put the answers together.

    A tile goes through all that any image does: what the bundle was not made for is refused and leaves a gap in the map. What
    the tiles say goes to the map at once, so that memory does not grow with the slide.

    Args:
        bundle: One whose task gives a class, or several, a tile.
        slide: With known microns per pixel.
        out: Folder for the results.
        label: The class that is mapped; by default the second of two.
        tiling: How to cut; by default as the bundle's training slides were.
        percentile: For the slide's score.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Called with how many tiles are done, and how many there are.

    Raises:
        RecipeError: The bundle gives no class a tile, it is not said which class, or how to cut.
        PrepareError: The slide is damaged, its microns are not known, or it has no tissue.
    """
    index, label = _class(bundle, label)
    tiling = tiling or tiling_of(bundle)
    found = find_tissue(slide, tissue_by_of(bundle))
    plan = plan_tiles(slide, tiling, found)
    gathered, view = HeatMap(slide, tiling), bundle.views[0]
    probability, reasons = np.full(len(plan), np.nan), []
    for number, tile in enumerate(stream_tiles(slide, plan)):
        image = as_image(slide, tile.corner, tiling, tile.pixels)
        answer = answer_opened(bundle, Sample(f"tile-r{tile.corner[0]}c{tile.corner[1]}", {view: image}), device)
        if answer.accepted and answer.probability is not None:
            probability[number] = answer.probability[index]
        reasons.append("; ".join(answer.reasons))
        gathered.add(tile.corner, probability[number])
        if progress:
            progress(number + 1, len(plan))
    score = slide_score(probability, percentile)
    values = gathered.values()
    answer_of = SlideAnswer(
        label, tiling, plan.corners, plan.tissue, probability, tuple(reasons), score, percentile, values,
        gathered.microns_per_pixel, out,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    about = {"values": f"probability of {label}", "outside": "NaN: no tissue, or refused", "bundle": bundle.digest}
    write_heat_map(out / "heat_map.tif", values, gathered.microns_per_pixel, about)
    write_overview(out / "overview.png", slide, found, values, gathered.cell, f"probability of {label}")
    _write_tiles(out / "tiles.csv", answer_of)
    record = {name: getattr(slide, name) for name in ("vendor", "reader", "microns_per_pixel", "microns_found")}
    with write_aside(out / "slide.json") as aside:
        told = {"slide": slide.name, **record, "tissue": found.share, **answer_of.record(), "bundle": bundle.digest}
        aside.write_text(json.dumps(finite(told), indent=1), encoding="utf-8")
    return answer_of


def tiling_of(bundle: Bundle, given: Mapping[str, float] | None = None) -> Tiling:
    """How to cut slides for a bundle: as its training slides were, but for what is given.

    Args:
        bundle: Whose recipe names the data set ``slides``, or another where `given` tells the sizes.
        given: Parameters of `Tiling` that are to be otherwise.

    Raises:
        RecipeError: The bundle was not trained on slides, and the sizes are not given.
    """
    names = ("tile_um", "microns_per_pixel", "overlap", "least_tissue")
    settings = {name: each for name, each in _settings(bundle).items() if name in names} | dict(given or {})
    if not {"tile_um", "microns_per_pixel"} <= set(settings):
        raise RecipeError(
            "the bundle was not trained on tiles of slides, and it is not said how to cut",
            where=bundle.path.name,
            expected="tile_um and microns_per_pixel",
            remedy="--tile-um 256 --microns-per-pixel 0.5, as its training images were",
            code="tiling_unknown",
        )
    return Tiling(**settings)


def tissue_by_of(bundle: Bundle) -> Any:
    """By what tissue was told from glass when the bundle was trained."""
    return _settings(bundle).get("tissue_by", "grey")


def _settings(bundle: Bundle) -> dict[str, Any]:
    """Of the data set ``slides`` in the bundle's recipe, wherever it is nested; empty where there is none."""
    name, settings = spec(bundle.recipe.cohort)
    while name != "slides" and isinstance(settings.get("of"), dict | str):
        name, settings = spec(settings["of"])
    return settings if name == "slides" else {}


def _class(bundle: Bundle, label: str | None) -> tuple[int, str]:
    question = bundle.question
    if question.dense or question.is_regression or not question.classes or len(bundle.views) != 1:
        raise RecipeError(
            f"the bundle's task is {question.task} of {len(bundle.views)} views",
            where=bundle.path.name,
            expected="classification or multi_label of one view: a probability a tile",
            remedy="train a classifier of tiles",
            code="not_of_tiles",
        )
    classes = question.classes
    if label is None and (len(classes) == 1 or (len(classes) == 2 and question.exclusive)):
        label = classes[-1]
    if label not in classes:
        raise RecipeError(
            "it is not said which class is mapped" if label is None else f"the bundle knows no class '{label}'",
            where=bundle.path.name,
            expected=f"one of {', '.join(classes)}",
            remedy=f"--label {classes[-1]}",
            code="class_unknown",
        )
    return classes.index(label), label


def _write_tiles(path: Path, answer: SlideAnswer) -> None:
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "column", "tissue", f"probability_{answer.label}", "accepted", "reasons"])
        for (row, column), tissue, value, reason in zip(
            answer.corners, answer.tissue, answer.probability, answer.reasons, strict=True
        ):
            known = np.isfinite(value)
            writer.writerow([row, column, f"{tissue:.4f}", f"{value:.6g}" if known else "", bool(known), reason])
