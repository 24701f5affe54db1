"""What an audit looks at: stored answers, and for as many cases as asked the pixels, the features and the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Predictions
from preceptor.learn.call import call
from preceptor.learn.features import features_of
from preceptor.learn.model import Model
from preceptor.prove.labelled import Labelled

#: Side of a thumbnail along each axis, by the number of axes.
THUMBNAIL = {2: 28, 3: 14}

#: Cases that go through a network together.
_AT_ONCE = 16


@dataclass(frozen=True)
class Member:
    """One fit as the audit needs it.

    Args:
        model: Its networks.
        store: Its prepared cases: ``store.sample(key)``.
    """

    model: Model
    store: Any


@dataclass(frozen=True, eq=False)
class Asked:
    """One question with classes: the exclusive one, or one label of several.

    Args:
        name: Of the label; "" where there is one question alone.
        classes: Names in the order of the codes.
        truth: ``(row,)`` code, -1 where unlabelled.
        probability: ``(row, code)``.
        columns: Positions of the codes in what the model answers; for one label of several its own alone.
    """

    name: str
    classes: tuple[str, ...]
    truth: np.ndarray
    probability: np.ndarray
    columns: tuple[int, ...]

    def of(self, answer: np.ndarray) -> np.ndarray:
        """``(..., code)`` probabilities of this question among ``(..., class)`` of the model."""
        chosen = answer[..., list(self.columns)]
        return chosen if len(self.columns) > 1 else np.concatenate([1 - chosen, chosen], axis=-1)


@dataclass(frozen=True, eq=False)
class Shown:
    """Cases whose pixels were looked at.

    Args:
        row: ``(case,)`` their rows in the predictions.
        fit: ``(case,)`` which member answered each.
        features: ``(case, width)``, of the members of one model on average; None where the network names none.
        members: By the name of the fit.
        keys: Of the cases.
    """

    row: np.ndarray
    fit: np.ndarray
    features: np.ndarray | None
    members: Mapping[str, Member]
    keys: tuple[str, ...]
    _samples: dict[int, Sample] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.row)

    def sample(self, at: int) -> Sample:
        """The prepared case."""
        if at not in self._samples:
            self._samples[at] = self.members[self.fit[at]].store.sample(self.keys[at])
        return self._samples[at]

    def images(self, at: int) -> dict[str, np.ndarray]:
        """``{view: (channel, *space)}`` float32."""
        return {view: np.asarray(image.array, np.float32) for view, image in self.sample(at).images.items()}

    def ask(self, cases: Sequence[int], images: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """``(case, class)`` what each case's own model answers to other pixels, before any safeguard.

        Args:
            cases: Their positions.
            images: ``{view: (channel, *space)}`` for each of them.
        """
        alike: dict[Any, list[int]] = {}
        for at, (case, changed) in enumerate(zip(cases, images, strict=True)):
            shapes = tuple(sorted((view, image.shape) for view, image in changed.items()))
            alike.setdefault((self.fit[case], shapes), []).append(at)
        found: dict[int, np.ndarray] = {}
        for (fit, _), same in alike.items():
            for start in range(0, len(same), _AT_ONCE):
                part = same[start : start + _AT_ONCE]
                samples = [self.sample(cases[at]) for at in part]
                given = _answered(self.members[fit].model, [images[at] for at in part], samples)
                found |= dict(zip(part, given, strict=True))
        return np.stack([found[at] for at in range(len(found))])

    def thumbnails(self) -> dict[str, np.ndarray]:
        """``{view: (case, *small)}``: channels averaged, shrunk by means of blocks; NaN where a view was not taken."""
        found: dict[str, np.ndarray] = {}
        for at in range(len(self)):
            for view, image in self.images(at).items():
                small = _shrunk(image.mean(0))
                if view not in found:
                    found[view] = np.full((len(self), *small.shape), np.nan, np.float32)
                found[view][at] = small
        return found


@dataclass(frozen=True, eq=False)
class Material:
    """All that an audit has.

    Args:
        predictions: Test and external rows.
        cohort: With every role: what the model learnt from goes with what there.
        asked: Questions with classes; empty for quantities and dense answers.
        shown: None where there are stored predictions alone.
        task: Reads labels of the whole cohort; None where it is not known.
    """

    predictions: Predictions
    cohort: Cohort
    asked: tuple[Asked, ...]
    shown: Shown | None = None
    task: Any = None

    @property
    def clusters(self) -> np.ndarray:
        return self.predictions.clusters()

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        cohort: Cohort,
        members: Mapping[str, Member] | None = None,
        *,
        task: Any = None,
        most_cases: int = 300,
        seed: int = 0,
    ) -> Material:
        """Gather what a run holds.

        Args:
            predictions: All that is stored.
            cohort: Whom the run saw.
            members: By the name of the fit; None audits stored predictions alone.
            task: Of the recipe.
            most_cases: How many cases' pixels to look at; drawn where there are more.
            seed: Of the drawing.

        Raises:
            CohortError: No test case was predicted.
        """
        tested = predictions.role("test", "external")
        if not len(tested):
            raise CohortError(
                "no test case was predicted: there is nothing to audit",
                expected="rows with the role test or external",
                code="audit_nothing",
            )
        shown = None if members is None else _look(tested, members, most_cases, seed)
        return cls(tested, cohort, _asked(tested), shown, task)


def _asked(predictions: Predictions) -> tuple[Asked, ...]:
    question = predictions.question
    if question.dense or question.is_regression:
        return ()
    labelled = Labelled.of(predictions)
    if question.exclusive:
        codes = np.where(np.isnan(labelled.truth).any(1), -1, labelled.truth.argmax(1))
        columns = tuple(range(len(question.classes)))
        return (Asked("", question.classes, codes, labelled.probability, columns),)
    found = []
    for at, name in enumerate(question.classes):
        truth = np.nan_to_num(labelled.truth[:, at], nan=-1).astype(int)
        chance = labelled.probability[:, at]
        found.append(Asked(name, (f"no {name}", name), truth, np.stack([1 - chance, chance], 1), (at,)))
    return tuple(found)


def _look(predictions: Predictions, members: Mapping[str, Member], most: int, seed: int) -> Shown:
    rows = np.arange(len(predictions))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    table = predictions.table.iloc[rows]
    shown = Shown(rows, table["fit"].astype(str).to_numpy(), None, members, tuple(table["key"].astype(str)))
    return replace(shown, features=_features(shown))


def _answered(model: Model, images: Sequence[Mapping[str, np.ndarray]], samples: Sequence[Sample]) -> np.ndarray:
    """``(case, class)`` of one model for cases whose views have one shape; a view that is missing is absent for all."""
    inputs, device = model.inputs, model.device
    shape = next(iter(images[0].values())).shape
    stacked, present = {}, {}
    for view in inputs.views:
        present[view] = torch.full((len(images),), view in images[0], device=device)
        pixels = [each.get(view, np.zeros(shape, np.float32)) for each in images]
        stacked[view] = torch.from_numpy(np.ascontiguousarray(np.stack(pixels), np.float32)).to(device)
    fields = {
        name: torch.tensor([float(sample.fields.get(name, np.nan)) for sample in samples], device=device)
        for name in inputs.fields
    }
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=model.precision == "bf16"):
        given = [
            model.decode(call(network, stacked, present, fields)["answer"].float()).probability
            for network in model.networks
        ]
    return torch.stack(given).mean(0).double().cpu().numpy()


def _features(shown: Shown) -> np.ndarray | None:
    named = all(getattr(net, "last_features", None) for each in shown.members.values() for net in each.model.networks)
    if not named:
        return None
    return np.stack(
        [features_of(shown.members[shown.fit[at]].model, shown.sample(at)).reshape(-1) for at in range(len(shown))]
    )


def _shrunk(image: np.ndarray) -> np.ndarray:
    """Means of blocks: nothing is skipped, so a marker of one pixel leaves its trace."""
    for axis, size in enumerate(image.shape):
        wanted = min(size, THUMBNAIL[image.ndim])
        edges = np.linspace(0, size, wanted + 1).round().astype(int)
        sums = np.add.reduceat(image, edges[:-1], axis=axis)
        shape = [1] * image.ndim
        shape[axis] = wanted
        image = sums / np.diff(edges).reshape(shape)
    return image
