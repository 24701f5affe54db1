"""Checking explainers: a map that survives what it must not survive explains nothing.

Every check is made on the first of the networks that vote, with the score that the report explains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.core.cohort import Sample
from preceptor.core.slots import build, spec
from preceptor.maths.map_checks import (
    area_under,
    concentration,
    edges,
    energy_inside,
    points_at,
    rank_similarity,
    smooth_noise,
)
from preceptor.maths.resampling import cut
from preceptor.maths.roc import auroc
from preceptor.prove.explaining.attributing import absent
from preceptor.prove.explaining.explain import BoundNetwork, background_of, batch_of, patch_corner, score_of
from preceptor.prove.explaining.randomising import layers_from_the_top, randomised
from preceptor.prove.explaining.trust import AGREEING, CHANCE, INSIDE, SAME, STEADY, Check, Trust, TrustReport
from preceptor.prove.observing import undisturbed

if TYPE_CHECKING:
    from preceptor.learn.model import Model

#: Shares of the voxels covered or shown along a removal curve.
_SHARES = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])
#: Roughly how many maps a case's checks take.
_MAPS_A_CASE = 12

Maps = dict[str, np.ndarray]


@dataclass
class _Case:
    """One case, with what is the same for every explainer."""

    key: str
    batch: Batch
    score: Callable[[Mapping[str, Tensor]], Tensor]
    region: np.ndarray | None
    background: Mapping[str, Tensor]
    edges: Maps
    right: bool | None = None
    random_removal: list[float] = field(default_factory=list)

    def maps(self, network: torch.nn.Module, explainer: Any, batch: Batch | None = None) -> Maps:
        """The explainer's maps of the views that are there."""
        given = batch or self.batch
        found = explainer(BoundNetwork(network, given, self.background), given, self.score)
        return {view: found[view][0].float().cpu().numpy() for view in self.edges}


class _Edges:
    """The control: a map of the image's edges, whatever the model."""

    def __call__(self, model: Any, batch: Batch, target: Any) -> dict[str, Tensor]:
        return {
            view: torch.from_numpy(np.stack([edges(each) for each in image.cpu().numpy()])).float()
            for view, image in batch.images.items()
        }


def trust_of(
    model: Model,
    samples: Sequence[Sample],
    explainers: Sequence[Any],
    folder: Path | None = None,
    *,
    right: Sequence[bool | None] | None = None,
    shuffled: torch.nn.Module | None = None,
    controls: Mapping[str, Any] | None = None,
    seconds: float = 60.0,
    seed: int = 0,
) -> TrustReport:
    """Hold every explainer of a recipe against what its maps must and must not depend on.

    Args:
        model: The run's model.
        samples: A few cases on the prepared grid, six say; their masks, where there are any, are the regions that maps
            should lie in (of several masks the first).
        explainers: The recipe's `explain` section.
        folder: Where to write ``trust.json``, beside the maps; None writes nothing.
        right: For each sample whether the model's answer was right; None where nobody knows.
        shuffled: The same network trained on shuffled labels, where there is one.
        controls: Further maps that explain nothing, called as explainers are, by name; the edge detector is always one.
        seconds: Time for each explainer, roughly: a slow one is checked on fewer cases, and that is noted; one whose
            single case would take over twice as long goes without the checks that need many maps.
        seed: Of everything drawn.

    Returns:
        A `Trust` for each explainer, and one for each control.

    Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv:1810.03292; deletion and insertion: Petsiuk et
        al. 2018, arXiv:1806.07421; pointing: Zhang et al. 2018.
    """
    begun = time.monotonic()
    network = model.networks[0]
    # Orders of each case's own: one lucky order for all of them would make every case say the same.
    cases = [
        _case(model, sample, samples, np.random.default_rng([seed, place])) for place, sample in enumerate(samples)
    ]
    for case, known in zip(cases, right or [None] * len(cases), strict=True):
        case.right = known
    notes = [
        f"checked on {len(cases)} cases" + (" and the first network of several" if len(model.networks) > 1 else "")
    ]
    made: dict[str, Any] = {spec(each)[0]: build("explainers", each) for each in explainers}
    trusts: dict[str, Trust] = {}
    with undisturbed(network):
        layers = layers_from_the_top(BoundNetwork(network, cases[0].batch), cases[0].batch) if cases else []
        known_bad = {**(controls or {}), "edges": _Edges()}
        for name, explainer in {**made, **known_bad}.items():
            trust = _checked(name, explainer, model, cases, layers, shuffled, seconds, seed)
            if trust.cases < len(cases):
                notes.append(f"{name} takes long: checked on {trust.cases} of them")
            trusts[name] = replace(trust, is_control=name in known_bad)
    report = TrustReport(trusts, tuple(case.key for case in cases), time.monotonic() - begun, tuple(notes))
    if folder is not None:
        report.write(folder / "trust.json")
    return report


def _case(model: Model, sample: Sample, samples: Sequence[Sample], rng: np.random.Generator) -> _Case:
    corner = patch_corner(model, sample)
    batch = batch_of(sample, model.inputs, corner).to(model.device)
    score, _ = score_of(model, batch)
    region = None
    if sample.masks:
        mask = next(iter(sample.masks.values())).array
        mask = mask if corner is None else cut(mask, corner, model.inputs.patch)
        region = mask[0] > 0
        if not region.any() or region.all():
            region = None
    found = {
        view: edges(image[0].cpu().numpy()) for view, image in batch.images.items() if bool(batch.present[view][0])
    }
    case = _Case(sample.key, batch, score, region, background_of(model, samples, sample.key), found)
    for _ in range(2):
        noise = {view: smooth_noise(each.shape, rng) for view, each in found.items()}
        case.random_removal.append(_removal(model.networks[0], case, noise))
    return case


def _checked(
    name: str,
    explainer: Any,
    model: Model,
    cases: Sequence[_Case],
    layers: Sequence[Sequence[str]],
    shuffled: torch.nn.Module | None,
    seconds: float,
    seed: int,
) -> Trust:
    begun = time.monotonic()
    network = model.networks[0]
    plain = [cases[0].maps(network, explainer)] if cases else []
    each = time.monotonic() - begun
    used = cases[: max(1, min(len(cases), int(seconds / max(each * _MAPS_A_CASE, 1e-9))))]
    plain += [case.maps(network, explainer) for case in used[1:]]
    checks = [_edges_check(used, plain), _removal_check(network, used, plain), _region(used, plain)]
    if each * _MAPS_A_CASE > 2 * seconds:
        why = f"Not made: a map takes {each:.0f} s, and the check needs several."
        checks += [Check(check, float("nan"), None, why) for check in ("layers", "each_layer", "noise", "seeds")]
    else:
        checks += [
            _layers(explainer, network, used, plain, layers, seed),
            _each_layer(explainer, network, used, plain, layers, seed),
            _noise(explainer, network, used, plain, seed),
            _seeds(explainer, model, used, plain),
        ]
    checks.append(_right_and_wrong(used, plain))
    if shuffled is not None:
        checks.append(_labels(explainer, shuffled, used, plain))
    return Trust(name, {check.name: check for check in checks}, len(used), time.monotonic() - begun)


def _layers(
    explainer: Any,
    network: torch.nn.Module,
    cases: Sequence[_Case],
    plain: Sequence[Maps],
    layers: Sequence[Sequence[str]],
    seed: int,
) -> Check:
    """Cascading randomisation: from the top down, more and more layers made anew."""
    half = 1 + (len(layers) - 1) // 2
    stages = {"the last layer": 1, "the upper half": half, "all layers": len(layers)}
    numbers = {}
    for stage, count in stages.items():
        draws = 1 if count == 1 else 2
        networks = [randomised(network, layers[:count], seed + draw) for draw in range(draws)]
        numbers[stage] = _mean(
            _alike(case.maps(other, explainer), maps)
            for other in networks
            for case, maps in zip(cases, plain, strict=True)
        )
    worst = _largest([numbers["the upper half"], numbers["all layers"]])
    passed = None if np.isnan(worst) else bool(worst <= SAME)
    where = max(("the upper half", "all layers"), key=lambda each: np.nan_to_num(numbers[each], nan=-2))
    sentence = f"With {where} of the network replaced by random ones the maps stay {worst:.2f} alike (limit {SAME})."
    return Check("layers", worst, passed, sentence, numbers)


def _each_layer(
    explainer: Any,
    network: torch.nn.Module,
    cases: Sequence[_Case],
    plain: Sequence[Maps],
    layers: Sequence[Sequence[str]],
    seed: int,
) -> Check:
    """Independent randomisation: one layer at a time. Told, not judged: nobody knows how much one layer must matter."""
    chosen = sorted({round(place) for place in np.linspace(0, len(layers) - 1, 3)}) if layers else []
    numbers = {}
    for index in chosen:
        other = randomised(network, [layers[index]], seed)
        numbers[layers[index][0]] = _mean(
            _alike(case.maps(other, explainer), maps) for case, maps in zip(cases, plain, strict=True)
        )
    value = _mean(numbers.values())
    sentence = f"With single layers replaced the maps stay {value:.2f} alike on average (told, not judged)."
    return Check("each_layer", value, None, sentence, numbers)


def _edges_check(cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    value = _mean(_alike(maps, case.edges) for case, maps in zip(cases, plain, strict=True))
    passed = None if np.isnan(value) else bool(value <= SAME)
    return Check("edges", value, passed, f"The maps are {value:.2f} alike to the image's edges (limit {SAME}).")


def _noise(explainer: Any, network: torch.nn.Module, cases: Sequence[_Case], plain: Sequence[Maps], seed: int) -> Check:
    found, moved = [], []
    for case, maps in zip(cases, plain, strict=True):
        images = {}
        for place, (view, image) in enumerate(case.batch.images.items()):
            drawn = torch.Generator().manual_seed(seed + place)
            images[view] = image + 0.05 * image.std() * torch.randn(image.shape, generator=drawn).to(image)
        noisy = replace(case.batch, images=images)
        found.append(_alike(case.maps(network, explainer, noisy), maps))
        with torch.no_grad():
            scores = [case.score(BoundNetwork(network, case.batch)(each)) for each in (case.batch.images, images)]
        moved.append(float((scores[1] - scores[0]).abs().mean()))
    value = _mean(found)
    passed = None if np.isnan(value) else bool(value >= STEADY)
    sentence = f"Under noise of 5 % of the image's spread the maps stay {value:.2f} alike (at least {STEADY})."
    return Check("noise", value, passed, sentence, {"score moved by": _mean(moved)})


def _removal_check(network: torch.nn.Module, cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    """Deletion and insertion: insertion's area less deletion's, beside that of smooth noise.

    It passes by a sign test over the cases, since a map of nothing beats a random order in every other case; better in
    most cases, and yet in too few for that, is told and not judged.
    """
    gains = [_removal(network, case, maps) for case, maps in zip(cases, plain, strict=True)]
    control = [float(np.mean(case.random_removal)) for case in cases]
    better = sum(gain > other for gain, other in zip(gains, control, strict=True))
    value = _mean(np.subtract(gains, control))
    sentence = (
        f"Covering and showing the image in the order of the maps moves the score more than a random order in "
        f"{better} of {len(gains)} cases"
    )
    passed = None
    if not np.isnan(value):
        if value <= 0 or 2 * better <= len(gains):
            passed = False
        elif binomtest(better, len(gains), alternative="greater").pvalue <= CHANCE:
            passed = True
        else:
            sentence += ", which chance may do as well (not judged)"
    share = better / len(gains) if gains else float("nan")
    numbers = {"of the maps": _mean(gains), "of smooth noise": _mean(control), "share of cases": share}
    return Check("removal", value, passed, f"{sentence}.", numbers)


def _removal(network: torch.nn.Module, case: _Case, maps: Mapping[str, np.ndarray]) -> float:
    """Area under insertion less area under deletion, voxels of all views in one order, filled with the mean."""
    model = BoundNetwork(network, case.batch)
    views = list(maps)
    values = np.concatenate([np.nan_to_num(maps[view]).ravel() for view in views])
    order = np.empty(len(values))
    order[np.argsort(-values, kind="stable")] = (np.arange(len(values)) + 0.5) / len(values)
    blank = {view: absent(image, "mean") for view, image in case.batch.images.items()}
    curves: dict[bool, list[float]] = {False: [], True: []}
    for share in _SHARES:
        chosen, images = {}, {}
        start = 0
        for view in views:
            size = maps[view].size
            chosen[view] = torch.from_numpy((order[start : start + size] < share).reshape(maps[view].shape))
            start += size
        for inserting in (False, True):
            for view, image in case.batch.images.items():
                shown = chosen[view].to(image.device) == inserting if view in chosen else torch.tensor(True)
                images[view] = torch.where(shown, image, blank[view])
            with torch.no_grad():
                curves[inserting].append(float(case.score(model(images)).mean()))
    return area_under(_SHARES, np.array(curves[True])) - area_under(_SHARES, np.array(curves[False]))


def _region(cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    rows = []
    for case, maps in zip(cases, plain, strict=True):
        for view, found in maps.items():
            if case.region is not None and case.region.shape == found.shape:
                control = energy_inside(case.edges[view], case.region)
                points = [points_at(each, case.region) for each in (found, case.edges[view])]
                rows.append((energy_inside(found, case.region), control, case.region.mean(), *points))
    if not rows:
        return Check("region", float("nan"), None, "No case has a mask that says where to look.")
    inside, control, chance, points, edge_points = np.nanmean(np.array(rows, float), axis=0)
    passed = bool(inside >= INSIDE * chance and inside > control)
    sentence = (
        f"{inside:.0%} of the maps' energy lies in the region, which is {chance:.0%} of the image; of the edges' "
        f"{control:.0%} (at least {INSIDE:g} times an even share, and more than the edges)."
    )
    numbers = {"pointing": points, "pointing of edges": edge_points, "edges": control, "even share": chance}
    return Check("region", float(inside), passed, sentence, {name: float(each) for name, each in numbers.items()})


def _seeds(explainer: Any, model: Model, cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    if len(model.networks) < 2:
        return Check("seeds", float("nan"), None, "One network: no other training to compare with.")
    found = []
    for other in model.networks[1:3]:
        with undisturbed(other):
            found += [_alike(case.maps(other, explainer), maps) for case, maps in zip(cases, plain, strict=True)]
    value = _mean(found)
    passed = None if np.isnan(value) else bool(value >= AGREEING)
    sentence = f"Other trainings of the same recipe give maps {value:.2f} alike (at least {AGREEING})."
    return Check("seeds", value, passed, sentence)


def _right_and_wrong(cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    """Whether a reader could tell from the map that the answer is wrong: by how concentrated it is. Not judged."""
    known = [(case.right, maps) for case, maps in zip(cases, plain, strict=True) if case.right is not None]
    wrong = sum(not right for right, _ in known)
    if min(wrong, len(known) - wrong) < 3:
        sentence = f"Too few to say whether maps of wrong answers look different: {wrong} of {len(known)} were wrong."
        return Check("right_and_wrong", float("nan"), None, sentence)
    focus = np.array([_mean(concentration(each) for each in maps.values()) for _, maps in known])
    value = auroc(np.array([right for right, _ in known], dtype=float), focus)
    sentence = (
        f"By how concentrated they are, maps of right and of wrong answers are told apart with an AUROC of {value:.2f} "
        f"(0.5 is not at all; {wrong} wrong, {len(known) - wrong} right)."
    )
    return Check("right_and_wrong", float(value), None, sentence)


def _labels(explainer: Any, shuffled: torch.nn.Module, cases: Sequence[_Case], plain: Sequence[Maps]) -> Check:
    """Data randomisation: the same network, trained on labels that mean nothing."""
    with undisturbed(shuffled):
        value = _mean(_alike(case.maps(shuffled, explainer), maps) for case, maps in zip(cases, plain, strict=True))
    passed = None if np.isnan(value) else bool(value <= SAME)
    sentence = f"A network trained on shuffled labels gives maps {value:.2f} alike (limit {SAME})."
    return Check("labels", value, passed, sentence)


def _alike(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    """Spearman of the sizes, all views together."""
    views = list(second)
    return rank_similarity(
        np.concatenate([first[view].ravel() for view in views]),
        np.concatenate([second[view].ravel() for view in views]),
    )


def _mean(values: Any) -> float:
    """The mean of what is defined; NaN where nothing is."""
    known = [float(each) for each in values if np.isfinite(each)]
    return float(np.mean(known)) if known else float("nan")


def _largest(values: Sequence[float]) -> float:
    known = [each for each in values if np.isfinite(each)]
    return max(known) if known else float("nan")
