"""Pictures that lie differently from the rest, or are inverted: found by learning what a turned one would look like.

Pictures and their turned copies are told apart by a logistic regression on 16 x 16 box averages, fitted on one half of
the people and asked about the other. Where copies are recognised (they are in chest X-rays, they are not in cells,
which have no upside), a picture that is taken for a copy, and no longer so when it is turned back, probably is one.

A mirror image, left for right, can't be told this way with certainty: markers and tags are the place to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from .copies.duplicates import SIDE

_Change = Callable[[np.ndarray], np.ndarray]

#: ``f(pictures (picture, 16, 16)) -> (picture,)``: the probability of having been changed.
_Judge = Callable[[np.ndarray], np.ndarray]

#: What may have been done to a picture, on ``(picture, x, y)``.
CHANGES: Mapping[str, _Change] = {
    "inverted": lambda stack: -stack,
    "turned a quarter to one side": lambda stack: np.rot90(stack, 1, (1, 2)),
    "turned a quarter to the other side": lambda stack: np.rot90(stack, 3, (1, 2)),
    "turned by 180°": lambda stack: np.rot90(stack, 2, (1, 2)),
    "upside down": lambda stack: stack[:, :, ::-1],
}

#: What takes a change back, where it is another one.
_BACK = {
    "turned a quarter to one side": "turned a quarter to the other side",
    "turned a quarter to the other side": "turned a quarter to one side",
}

#: Fewer people say too little of how pictures of their kind lie.
ENOUGH = 40

#: Copies that must be recognised, and share of the pictures that may be taken for copies, for the answer to count.
_RECOGNISED, _ODD = 0.85, 0.15

#: A picture is odd where some change is likelier than this, and less likely than that once it is taken back.
_BEFORE, _AFTER = 0.8, 0.2

#: Pictures a regression is fitted on at most.
_MOST = 1500


def find_odd(small: np.ndarray, people: Sequence[str]) -> dict[str, np.ndarray]:
    """Pictures that look like copies of the others with one change.

    Args:
        small: ``(picture, 32, 32)`` standardised thumbnails.
        people: Whose each is: the two halves share nobody.

    Returns:
        ``{change: (picture,) bool}`` for the changes that can be recognised in pictures of this kind; one change is
        named for a picture, that which puts it right when it is taken back.

    Source: own; checked on the COVID-19 Image Data Collection.
    """
    coarse = coarsen(small)
    half = _first_half(people)
    if half is None:
        return {}
    judges = {
        name: (learn_change(coarse[half], change), learn_change(coarse[~half], change))
        for name, change in CHANGES.items()
    }
    asked = {name: partial(_ask, each, half=half) for name, each in judges.items()}
    return _odd({name: ask for name, ask in asked.items() if _recognises(ask, coarse, CHANGES[name])}, coarse)


def fit_orientation(small: np.ndarray, people: Sequence[str]) -> dict[str, np.ndarray]:
    """What `find_changed` needs to tell one new picture that lies differently.

    Args:
        small, people: As in `find_odd`.

    Returns:
        ``{change: (257,)}`` weights and offset of a logistic regression on all the pictures, for the changes that each
        half of the people recognises in the other.
    """
    coarse = coarsen(small)
    half = _first_half(people)
    if half is None:
        return {}
    found = {}
    for name, change in CHANGES.items():
        judges = learn_change(coarse[half], change), learn_change(coarse[~half], change)
        if _recognises(partial(_ask, judges, half=half), coarse, change):
            found[name] = _regress(coarse, change)
    return found


def find_changed(state: Mapping[str, np.ndarray], small: np.ndarray) -> dict[str, np.ndarray]:
    """Pictures that lie differently from those a model learnt from; as `find_odd`, with what `fit_orientation` kept."""
    return _odd({name: _judge(np.asarray(each)) for name, each in state.items()}, coarsen(small))


def _first_half(people: Sequence[str]) -> np.ndarray | None:
    """``(picture,)`` whether each is of one half of the people; None where there are too few of them."""
    names = sorted(set(people))
    if len(names) < ENOUGH:
        return None
    first = set(np.random.default_rng(0).permutation(names)[: len(names) // 2].tolist())
    return np.array([person in first for person in people])


def _recognises(ask: _Judge, coarse: np.ndarray, change: _Change) -> bool:
    """Whether copies with a change can be told from pictures as they are."""
    copied, kept = ask(change(coarse)), ask(coarse)
    return bool((copied > 0.5).mean() >= _RECOGNISED and (kept > 0.5).mean() <= _ODD)


def _odd(judges: Mapping[str, _Judge], coarse: np.ndarray) -> dict[str, np.ndarray]:
    """``{change: (picture,) bool}``: likely changed so, and no longer once it is taken back."""
    if not judges:
        return {}
    before = {name: judge(coarse) for name, judge in judges.items()}
    after = {}  # the probability of the likeliest change, once one is taken back
    for name in judges:
        undone = CHANGES[_BACK.get(name, name)](coarse)
        after[name] = np.max([judge(undone) for judge in judges.values()], axis=0)
    odd = np.max(list(before.values()), axis=0) > _BEFORE
    best = np.argmin(list(after.values()), axis=0)
    return {name: odd & (best == place) & (after[name] < _AFTER) for place, name in enumerate(judges)}


def coarsen(small: np.ndarray) -> np.ndarray:
    """Thumbnails ``(picture, 32, 32)`` as averages over 2 x 2: ``(picture, 16, 16)``."""
    return small.reshape(len(small), SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))


def learn_change(pictures: np.ndarray, change: _Change) -> _Judge:
    """Learn to tell pictures from copies with a change.

    Args:
        pictures: ``(picture, 16, 16)``, each standardised.
        change: What is done to a copy.

    Returns:
        ``f(pictures) -> (picture,)``: the probability of having been changed so.
    """
    return _judge(_regress(pictures, change))


def _regress(pictures: np.ndarray, change: _Change) -> np.ndarray:
    """``(257,)`` weights and offset."""
    from sklearn.linear_model import LogisticRegression

    chosen = pictures[:_MOST]
    rows = np.concatenate([chosen, change(chosen)]).reshape(2 * len(chosen), -1)
    model = LogisticRegression(C=0.05, max_iter=300).fit(rows, np.repeat([0, 1], len(chosen)))
    return np.append(model.coef_[0], model.intercept_)


def _judge(weights: np.ndarray) -> _Judge:
    return lambda stack: 1 / (1 + np.exp(-(stack.reshape(len(stack), -1) @ weights[:-1] + weights[-1])))


def _ask(judges: tuple[_Judge, _Judge], pictures: np.ndarray, half: np.ndarray) -> np.ndarray:
    """``(picture,)``: what each half's judge says of the other half."""
    answer = np.zeros(len(pictures))
    answer[~half], answer[half] = judges[0](pictures[~half]), judges[1](pictures[half])
    return answer
