"""Explanations on the page: each map beside the image it lies on, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.image import UNKNOWN_GEOMETRY, Image
from preceptor.maths.map_checks import edges
from preceptor.prove.explaining.explanation import Explanation
from preceptor.prove.explaining.trust import TrustReport
from preceptor.prove.report.pictures import heat_layer, most_shown, view_of
from preceptor.prove.report.sprites import figure
from preceptor.prove.report.wording import called, described, words


@dataclass(frozen=True)
class Explained:
    """One explained case.

    Args:
        key: The case.
        target: What was scored.
        views: ``(view, figures)``: the image, then every map on it; they share one slider.
    """

    key: str
    target: str
    views: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]


def explained_cases(explanations: Sequence[Explanation], trust: TrustReport | None = None) -> list[Explained]:
    """Every explained case with its pictures.

    Args:
        explanations: As stored.
        trust: What the explainers' maps were held against; one that failed says so in its title and never stands
            alone: the image's edges stand beside it.
    """
    failing = () if trust is None else trust.failing
    return [
        Explained(each.key, each.target, tuple(_view(each, name, failing) for name in each.images))
        for each in explanations
    ]


def readings(explanations: Sequence[Explanation]) -> list[tuple[str, str, str]]:
    """``(explainer, how to read it, its settings)``, each once."""
    settings = {name: given for each in explanations for name, given in each.settings.items()}
    found = []
    for name, given in settings.items():
        told = ", ".join(f"{words(key)} {value}" for key, value in given.items() if value is not None)
        found.append((called("explainers", name), described("explainers", name), told))
    return found


def _view(
    explanation: Explanation, name: str, failing: Sequence[str] = ()
) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    # Maps lie on the prepared grid, whose place in the patient is not kept: pictures stay as the network saw them.
    image = Image(explanation.images[name], np.eye(4), meta={"geometry": UNKNOWN_GEOMETRY})
    maps = {explainer: each[name] for explainer, each in explanation.maps.items() if name in each}
    strongest = sum((_scaled(each) for each in maps.values()), np.zeros(image.shape, np.float32))
    centre = int(strongest.reshape(*image.shape[:2], -1).sum((0, 1)).argmax()) if image.space_dims == 3 else None
    view, stack = view_of(image, centre)
    first = most_shown(view.of(strongest))
    first = len(stack.grey) // 2 if first is None else first
    figures = [
        {"title": "Image", **figure(stack, [], first, f"{name} of case {explanation.key} as the network saw it")}
    ]
    for explainer, each in maps.items():
        title = called("explainers", explainer) + (" (failed its checks)" if explainer in failing else "")
        alt = f"{title} over {name} of case {explanation.key}: where {explanation.target} comes from"
        # The image under every map is the first figure's: it need not travel twice.
        figures.append({"title": title, **figure(stack, [heat_layer(title, each, view)], first, alt), "base": ""})
    if any(explainer in failing for explainer in maps):
        title = "Edges of the image (control)"
        control = heat_layer(title, edges(image.array), view)
        alt = f"Edges in {name} of case {explanation.key}: what a map shows that knows nothing of the model"
        figures.append({"title": title, **figure(stack, [control], first, alt), "base": ""})
    return name, tuple(figures)


def _scaled(array: np.ndarray) -> np.ndarray:
    size = np.abs(np.nan_to_num(array))
    return size / (float(size.max()) or 1.0)
