"""A few answers explained: what was scored, each explainer's maps, and the image they lie on, kept for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.core.cohort import Sample
from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded, Inputs
from preceptor.core.slots import build, parameters, spec
from preceptor.learn.call import call
from preceptor.maths.resampling import cut
from preceptor.prove.explaining.explanation import Explanation

if TYPE_CHECKING:
    from preceptor.learn.model import Model


class BoundNetwork:
    """A network with the rest of the batch tied on: what explainers call ``model``.

    Args:
        network: The network.
        batch: Whose `present` and `fields` go with every call. Images may hold the batch several times over; they
            are then repeated alike.
        background: ``{view: (case, channel, *space)}`` other cases that explainers may compare with.
    """

    def __init__(self, network: torch.nn.Module, batch: Batch, background: Mapping[str, Tensor] | None = None) -> None:
        self.network = network
        self.background: Mapping[str, Tensor] = background or {}
        self._batch = batch

    def __call__(self, images: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        times = len(next(iter(images.values()))) // max(len(self._batch), 1)
        present = {view: each.repeat(times) for view, each in self._batch.present.items()}
        fields = {name: each.repeat(times) for name, each in self._batch.fields.items()}
        return call(self.network, dict(images), present, fields)


def explain_cases(
    model: Model, samples: Sequence[Sample], explainers: Sequence[Any], folder: Path, first: int = 0
) -> None:
    """Explain cases and write ``<folder>/000.npz``, ``001.npz`` …; several structures of one, ``000.1.npz``, ``000.2.npz``.

    Where several networks vote, the maps are the mean of theirs. Dense answers are explained inside one training
    patch around what was found: that is what the network sees at once.

    Args:
        model: The run's model.
        samples: On the prepared grid.
        explainers: The recipe's `explain` section.
        folder: Where to write.
        first: Number of the first file, where other folds wrote theirs before.

    Raises:
        RecipeError: An explainer does not fit the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Any] = {spec(each)[0]: build("explainers", each) for each in explainers}
    settings = {name: {key: getattr(each, key) for key in parameters(each.__class__)} for name, each in made.items()}
    for number, sample in enumerate(samples):
        batch = batch_of(sample, model.inputs, patch_corner(model, sample)).to(model.device)
        others = background_of(model, samples, sample.key)
        images = {view: batch.images[view][0].cpu().numpy() for view in sample.images}
        scores = scores_of(model, batch)
        for place, (score, words) in enumerate(scores, start=1):
            maps: dict[str, dict[str, np.ndarray]] = {name: {} for name in made}
            for name, explainer in made.items():
                found = [explainer(BoundNetwork(network, batch, others), batch, score) for network in model.networks]
                for view in sample.images:
                    mean = torch.stack([each[view][0].detach().float() for each in found]).mean(0)
                    maps[name][view] = mean.cpu().numpy()
            file = f"{first + number:03d}{f'.{place}' if len(scores) > 1 else ''}.npz"
            Explanation(sample.key, words, images, maps, settings).write(folder / file)


def batch_of(sample: Sample, inputs: Inputs, corner: Sequence[int] | None = None) -> Batch:
    """A batch of one case.

    Args:
        sample: On the prepared grid.
        inputs: What the network is fed.
        corner: First voxel of the patch to take; None takes the whole image. What lies outside is 0.
    """
    shape = sample.reference.shape if corner is None else inputs.patch
    images, present = {}, {}
    for view in inputs.views:
        image = sample.images.get(view)
        present[view] = torch.tensor([image is not None])
        pixels = np.zeros((inputs.channels, *shape), np.float32)
        if image is not None:
            pixels = np.array(image.array if corner is None else cut(image.array, corner, shape), np.float32)
        images[view] = torch.from_numpy(np.ascontiguousarray(pixels))[None]
    fields = {name: torch.tensor([float(sample.fields.get(name, float("nan")))]) for name in inputs.fields}
    return Batch(images, present, {}, torch.zeros(1, dtype=torch.long), [sample.key], fields)


def background_of(model: Model, samples: Sequence[Sample], without: str, number: int = 8) -> dict[str, Tensor]:
    """Other cases to compare with, as explainers that need references get them.

    Args:
        model: Says how cases are fed.
        samples: On the prepared grid; of different sizes where the network sees patches.
        without: Key of the case that is explained.
        number: At most so many.

    Returns:
        ``{view: (case, channel, *space)}``; empty where no other case has every view, or sizes differ.
    """
    batches: list[Batch] = []
    for sample in samples:
        if sample.key != without and set(sample.images) >= set(model.inputs.views) and len(batches) < number:
            batches.append(batch_of(sample, model.inputs, patch_corner(model, sample)))
    if len({tuple(each.images[view].shape) for each in batches for view in each.images}) != 1:
        return {}
    return {view: torch.cat([each.images[view] for each in batches]).to(model.device) for view in model.inputs.views}


def score_of(model: Model, batch: Batch) -> tuple[Callable[[Mapping[str, Tensor]], Tensor], str]:
    """What is explained of a batch's answer: a class score, the mean score of a region, the value or risk.

    The class or the region is fixed by the answer to the whole image, so that it stays the same under occlusion.

    Args:
        model: Its first network answers.
        batch: The cases.

    Returns:
        ``target(outputs) -> (batch,)`` and what it is, in words.
    """
    question: Question = model.question
    with torch.no_grad():
        network = model.networks[0]
        decoded: Decoded = model.decode(BoundNetwork(network, batch)(batch.images)["answer"])
    probability = decoded.probability
    if question.is_regression:
        words = f"the {'risk' if question.task == 'survival' else 'value'} of {question.classes[0]}"
        return (lambda outputs: model.decode(outputs["answer"]).probability[:, 0]), words
    if not question.dense:
        chosen = probability.argmax(1)

        def class_score(outputs: Mapping[str, Tensor]) -> Tensor:
            scores = _scores(outputs["answer"], model, len(question.classes))
            index = chosen.repeat(len(scores) // len(chosen))
            return scores.gather(1, index[:, None])[:, 0]

        return class_score, f"the score of {question.classes[int(chosen[0])]}"
    label = probability.argmax(1)
    structures = [name for index, name in enumerate(question.classes) if index and bool((label == index).any())]
    marked = f"what was marked as {' and '.join(structures)}" if structures else "every structure"
    return _region_score(model, label, label > 0), f"the mean score of {marked}"


def scores_of(model: Model, batch: Batch) -> list[tuple[Callable[[Mapping[str, Tensor]], Tensor], str]]:
    """What is explained of one case, one by one: each structure that was marked, or the one score of `score_of`.

    Args:
        model: Its first network answers.
        batch: One case.
    """
    question: Question = model.question
    if not question.dense:
        return [score_of(model, batch)]
    with torch.no_grad():
        answer = BoundNetwork(model.networks[0], batch)(batch.images)["answer"]
        label = model.decode(answer).probability.argmax(1)
    found = [index for index in range(1, len(question.classes)) if bool((label == index).any())]
    if len(found) < 2:
        return [score_of(model, batch)]
    return [
        (_region_score(model, label, label == index), f"the mean score of what was marked as {question.classes[index]}")
        for index in found
    ]


def _region_score(model: Model, label: Tensor, region: Tensor) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The mean, over a region, of the score of what each voxel was marked as; where it is empty, of every structure.

    Args:
        model: Decodes.
        label: ``(batch, *space)`` of the answer to the whole image.
        region: ``(batch, *space)`` boolean.
    """

    def region_score(outputs: Mapping[str, Tensor]) -> Tensor:
        scores = _scores(outputs["answer"], model, len(model.question.classes))
        times = len(scores) // len(label)
        said = scores.gather(1, label.repeat(times, *[1] * (label.ndim - 1))[:, None])[:, 0].flatten(1)
        where = region.flatten(1).repeat(times, 1)
        structure = (said * where).sum(1) / where.sum(1).clamp(min=1)
        return torch.where(where.any(1), structure, scores[:, 1:].flatten(1).mean(1))

    return region_score


def _scores(answer: Tensor, model: Model, classes: int) -> Tensor:
    """The raw scores where there is one a class, else the probabilities."""
    return answer if answer.shape[1] == classes else model.decode(answer).probability


def patch_corner(model: Model, sample: Sample) -> tuple[int, ...] | None:
    """First voxel of the patch around what was found; None where the whole image is one patch."""
    patch, shape = model.inputs.patch, sample.reference.shape
    if tuple(patch) == tuple(shape):
        return None
    centre = np.array(shape) / 2
    if model.question.dense:
        label = model(sample).label
        if label is not None and (label > 0).any():
            centre = np.argwhere(label > 0).mean(0)
    slack = np.array(shape) - patch
    wanted = np.clip(np.round(centre - np.array(patch) / 2), 0, np.maximum(slack, 0))
    return tuple(int(start) for start in np.where(slack < 0, slack // 2, wanted))
