"""Counterfactual patches: a corner of one class's image pasted into another's, and the answer watched."""

from __future__ import annotations

import numpy as np

from .areas import told
from .material import Asked, Shown
from .regions import described, regions
from .suspicion import Trial

#: How far a patch must move a probability to matter.
MOVED = 0.05


def patch_trials(shown: Shown, asked: Asked, clusters: np.ndarray, seed: int) -> list[Trial]:
    """Paste every part from another class and from the case's own, and compare.

    A case is given the part of a donor of another class, and the same part of a donor of its own: what a seam or a
    stranger's pixels do by themselves cancels out. The change is how much probability goes from the case's class to the
    other: half of what the one loses and the other gains, which of two classes are the same. Donors were answered by
    the same fit, have the same views of the same shape, and are another patient.

    Args:
        shown: The cases.
        asked: The question.
        clusters: ``(row,)`` integer id of each row's patient.
        seed: Of the donors.
    """
    truth, who = asked.truth[shown.row], clusters[shown.row]
    donors = _donors(shown, truth, who, np.random.default_rng(seed))
    if len(np.unique(who[list(donors)])) < 5:
        return []
    cases = list(donors)
    images = [shown.images(at) for at in cases]
    others, own = np.array(list(donors.values())).T
    parts = {shape: regions(shape) for each in images for shape in {image.shape[1:] for image in each.values()}}
    changes = {}
    for part in next(iter(parts.values())):
        if part == "corners":  # each is pasted by itself
            continue
        given = []
        for donor in (others, own):
            pasted = [
                {
                    view: np.where(parts[image.shape[1:]][part], shown.images(at)[view], image)
                    for view, image in mine.items()
                }
                for at, mine in zip(donor, images, strict=True)
            ]
            given.append(asked.of(shown.ask(cases, pasted)))
        moved, place = given[0] - given[1], np.arange(len(cases))
        changes[part] = (moved[place, truth[others]] - moved[place, truth[cases]]) / 2
    involved = np.stack([who[cases], who[others], who[own]], axis=1)
    return [_trial(part, change, asked, involved) for part, change in changes.items()]


def _donors(shown: Shown, truth: np.ndarray, who: np.ndarray, rng: np.random.Generator) -> dict[int, tuple[int, int]]:
    """For every case one donor of another class and one of its own."""
    kinds = [
        (shown.fit[at], tuple((view, image.shape) for view, image in sorted(shown.images(at).items())))
        for at in range(len(shown))
    ]
    alike: dict[object, list[int]] = {}
    for at, kind in enumerate(kinds):
        if truth[at] >= 0:
            alike.setdefault(kind, []).append(at)
    found = {}
    for at in range(len(shown)):
        if truth[at] < 0:
            continue
        rest = [each for each in alike[kinds[at]] if who[each] != who[at]]
        others = [each for each in rest if truth[each] != truth[at]]
        own = [each for each in rest if truth[each] == truth[at]]
        if others and own:
            found[at] = (int(rng.choice(others)), int(rng.choice(own)))
    return found


def _trial(part: str, change: np.ndarray, asked: Asked, involved: np.ndarray) -> Trial:
    from scipy.special import ndtr

    value, error = float(change.mean()), _standard_error(change, involved)
    interval = (value - 1.96 * error, value + 1.96 * error)
    prefix = f"{asked.name}: " if asked.name else ""
    return Trial(
        f"patch.{part}{'.' + asked.name if asked.name else ''}",
        part,
        f"Does the {part} of another class's image sway the answer?",
        f"{prefix}The {described(part)} of another class's image, pasted in, moves {told(value, interval)} of the "
        "probability to that class, beyond what the same part of an image of the case's own class moves.",
        value,
        interval,
        0.0,
        1.0 if value <= 0 or error == 0 else float(ndtr(-value / error)),
        value >= MOVED,
        len(change),
        len(np.unique(involved[:, 0])),
        {"share of cases moved by 0.1 or more": float(np.mean(change >= 0.1))},
    )


def _standard_error(change: np.ndarray, involved: np.ndarray) -> float:
    """Of the mean change: each patient counts with every case it takes part in, as the one asked about or as a donor.

    A donor's corner that happens to be bright moves every case it is pasted into, so cases alone are not independent.
    The sum is of all that a patient touches and errs towards too wide.

    Args:
        change: ``(case,)``.
        involved: ``(case, 3)`` patients: the case's own, and its donors'.

    Source: the infinitesimal jackknife (Jaeckel 1972), clusters overlapping.
    """
    apart = (change - change.mean()) / len(change)
    influence = np.zeros(int(involved.max()) + 1)
    for column in involved.T:
        np.add.at(influence, column, apart)
    return float(np.sqrt(np.sum(influence**2)))
