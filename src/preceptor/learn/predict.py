"""Predict one prepared case: whole, or window by window with a memory that does not grow with the scan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded, Inputs, Pass, Prediction
from preceptor.maths.resampling import cut

from .agreement import Agreement
from .call import call
from .passes import bring_back, vary
from .window import Box, Mosaic, Window

__all__ = ["VOXELS_KEPT", "Window", "predict"]

#: Voxels of a dense answer that are kept with all their probabilities.
VOXELS_KEPT = 4096

_Decode = Callable[[Tensor], Decoded]
_Pointwise = Callable[[Tensor], Tensor]


def predict(
    networks: Sequence[nn.Module],
    sample: Sample,
    *,
    inputs: Inputs,
    question: Question,
    decode: _Decode,
    window: Window,
    passes: Sequence[Pass] = (Pass(),),
    recalibrate: _Pointwise | None = None,
    device: torch.device | str = "cpu",
    precision: str = "32",
    voxels: np.random.Generator | None = None,
) -> Prediction:
    """Predict one prepared case.

    The probabilities of all networks and passes are averaged, and recalibrated after that. The uncertainty is the
    objective's own where it has one, else the entropy of the averaged probabilities, 1 where all classes are alike.

    Args:
        networks: They vote with equal say. Their modes are restored afterwards.
        sample: On the prepared grid.
        inputs: What the networks are fed. A view that the sample lacks is marked as absent.
        question: What was asked.
        decode: ``(batch, channel, *space)`` to probabilities; voxel by voxel where the question is dense.
        window: How scans are walked through (dense questions; others see the whole image).
        passes: Forward passes of each network: plain, mirrored, with dropout. Dropout draws the same for the same
            pass whatever the case, so that a prediction can be repeated.
        recalibrate: ``(batch, class, *space)`` to the same, voxel by voxel.
        device: Where the networks are.
        precision: "32", or "bf16" for the networks' own arithmetic; everything after is float32.
        voxels: For dense questions: draws the voxels that are kept with all their probabilities.

    Returns:
        The answer on the prepared grid; see `Prediction`.

    Raises:
        RecipeError: A pass asks for dropout, and a network has none.
        PrepareError: The sample has none of the views, or views on different grids where the question is dense.
    """
    device = torch.device(device)
    if not any(view in sample.images for view in inputs.views):
        raise PrepareError(
            "the case has none of the views that the networks look at",
            where=sample.key,
            expected=f"at least one of {', '.join(inputs.views)}",
            code="no_view",
        )
    runs = [_Run(network, each, index, device, precision) for network in networks for index, each in enumerate(passes)]
    with torch.no_grad(), _evaluating(networks):
        if question.dense:
            return _predict_dense(runs, sample, inputs, question, decode, window, recalibrate, device, voxels)
        return _predict_whole(runs, sample, inputs, question, decode, recalibrate, device)


# -------------------------------------------------------------------- one answer a case


def _predict_whole(
    runs: Sequence[_Run],
    sample: Sample,
    inputs: Inputs,
    question: Question,
    decode: _Decode,
    recalibrate: _Pointwise | None,
    device: torch.device,
) -> Prediction:
    arrays = {view: np.array(sample.images[view].array, np.float32) for view in inputs.views if view in sample.images}
    batch = _Batch.of([arrays], sample, inputs, sample.reference.shape, device)
    answers = [decode(run(batch, 0).float()) for run in runs]
    each = torch.stack([answer.probability[0] for answer in answers])
    probability = each.mean(0)
    if recalibrate is not None:
        probability = recalibrate(probability[None])[0]
    affine_mm = sample.reference.affine_mm
    prediction = Prediction(sample.key, question, probability.double().cpu().numpy(), affine_mm=affine_mm)
    prediction.passes = each.double().cpu().numpy()
    own = [answer.uncertainty.float().mean() for answer in answers if answer.uncertainty is not None]
    if own:
        prediction.uncertainty = float(torch.stack(own).mean())
        prediction.pass_uncertainty = torch.stack(own).double().cpu().numpy()
    elif not question.is_regression:
        prediction.uncertainty = float(_entropy(probability, question.exclusive))
    curves = [answer.survival[0] for answer in answers if answer.survival is not None]
    if curves:
        prediction.survival = torch.stack(curves).mean(0).double().cpu().numpy()
    noise = [answer.variance[0] for answer in answers if answer.variance is not None]
    if noise:
        prediction.pass_variance = torch.stack(noise).double().cpu().numpy()
    return prediction


# -------------------------------------------------------------------- an answer a voxel


def _predict_dense(
    runs: Sequence[_Run],
    sample: Sample,
    inputs: Inputs,
    question: Question,
    decode: _Decode,
    window: Window,
    recalibrate: _Pointwise | None,
    device: torch.device,
    voxels: np.random.Generator | None,
) -> Prediction:
    arrays = {view: sample.images[view].array for view in inputs.views if view in sample.images}
    shape = sample.reference.shape
    if any(array.shape[1:] != shape for array in arrays.values()):
        raise PrepareError(
            "the views of the case lie on different grids",
            where=sample.key,
            expected="one grid for all views where there is an answer per voxel",
            remedy="resample the views onto one grid in `prepare`",
            code="views_differ",
        )
    answer = _Answer(shape, question, recalibrate, voxels)
    mosaic = Mosaic(window, shape, answer.keep, device, even=len(question.classes) > 8)

    def channels(output: Tensor) -> Tensor:
        """Probabilities, and the objective's own uncertainty as one more channel."""
        decoded = decode(output.float())
        if decoded.uncertainty is None:
            return decoded.probability
        return torch.cat([decoded.probability, decoded.uncertainty[:, None]], 1)

    waiting: list[tuple[tuple[int, ...], dict[str, np.ndarray]]] = []
    number = 0
    agreement = Agreement(len(runs), len(question.classes)) if len(runs) > 1 and question.exclusive else None

    def flush() -> None:
        batch = _Batch.of([patch for _, patch in waiting], sample, inputs, window.patch, device)
        for index, run in enumerate(runs):
            output = run(batch, number)
            if agreement is not None:
                agreement.add(index, decode(output.float()).probability.argmax(1))
            for position, (corner, _) in enumerate(waiting):
                mosaic.add(corner, output[position : position + 1], channels, 1 / len(runs))
        for corner, _ in waiting:
            mosaic.done(corner)
        waiting.clear()

    for corner in mosaic.corners():
        patch = {
            view: cut(array, corner, window.patch).astype(np.float32, copy=False) for view, array in arrays.items()
        }
        if window.skip_span is not None and all(np.ptp(each) <= window.skip_span for each in patch.values()):
            mosaic.done(corner)
            continue
        waiting.append((corner, patch))
        if len(waiting) == window.batch:
            flush()
            number += 1
    if waiting:
        flush()
    prediction = answer.prediction(sample)
    if agreement is not None:
        prediction.pass_agreement = agreement.mean_dice()
    return prediction


class _Answer:
    """A dense answer as it comes in: eight bits a voxel for the label, its probability and the doubt."""

    def __init__(
        self,
        shape: tuple[int, ...],
        question: Question,
        recalibrate: _Pointwise | None,
        voxels: np.random.Generator | None,
    ) -> None:
        self._question, self._recalibrate = question, recalibrate
        self._label, self._top, self._doubt = (np.empty(shape, np.uint8) for _ in range(3))
        self._found, self._found_doubt, self._all_doubt = 0, 0.0, 0.0
        size = int(np.prod(shape))
        number = 0 if voxels is None else min(VOXELS_KEPT, size)
        chosen = np.sort(voxels.choice(size, number, replace=False)) if voxels is not None else np.empty(0, np.int64)
        self._chosen, self._places = chosen, np.stack(np.unravel_index(chosen, shape))
        self._kept = np.zeros((number, len(question.classes)), np.float32)

    def keep(self, box: Box, channels: Tensor | None) -> None:
        """Take in a finished cell: ``(class [+ uncertainty], *box)``, or None for background that was skipped."""
        classes = len(self._question.classes)
        if channels is None:
            self._label[box], self._top[box], self._doubt[box] = 0, 255, 0
            background = torch.zeros((classes, *(1 for _ in box)))
            background[0] = 1
            self._keep_chosen(box, background.expand(-1, *(side.stop - side.start for side in box)))
            return
        probability = channels[:classes]
        if self._recalibrate is not None:
            probability = self._recalibrate(probability[None])[0]
        own = len(channels) > classes
        doubt = channels[classes] if own else _entropy(probability, self._question.exclusive)
        top, label = probability.max(0)
        self._label[box] = label.to(torch.uint8).cpu().numpy()
        self._top[box], self._doubt[box] = _eight_bits(top), _eight_bits(doubt)
        structure = label > 0
        self._found += int(structure.sum())
        self._found_doubt += float((doubt * structure).sum(dtype=torch.float64))
        self._all_doubt += float(doubt.sum(dtype=torch.float64))
        self._keep_chosen(box, probability)

    def _keep_chosen(self, box: Box, probability: Tensor) -> None:
        if not len(self._chosen):
            return
        low = np.array([side.start for side in box])[:, None]
        high = np.array([side.stop for side in box])[:, None]
        here = np.flatnonzero(((self._places >= low) & (self._places < high)).all(0))
        if len(here):
            places = (torch.from_numpy(line).to(probability.device) for line in self._places[:, here] - low)
            index: tuple[slice | Tensor, ...] = (slice(None), *places)
            self._kept[here] = probability[index].T.cpu().numpy()

    def prediction(self, sample: Sample) -> Prediction:
        prediction = Prediction(sample.key, self._question, affine_mm=sample.reference.affine_mm)
        prediction.label, prediction.top_probability, prediction.doubt = self._label, self._top, self._doubt
        prediction.uncertainty = (
            self._found_doubt / self._found if self._found else self._all_doubt / max(self._label.size, 1)
        )
        if len(self._chosen):
            prediction.voxel_sample = {"index": self._chosen, "probability": self._kept}
        return prediction


def _eight_bits(share: Tensor) -> np.ndarray:
    return share.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()


def _entropy(probability: Tensor, exclusive: bool) -> Tensor:
    """Entropy over the first axis, divided by the largest there can be: 0 is certain, 1 knows nothing."""
    entropy = torch.special.entr(probability)
    if exclusive:
        return entropy.sum(0).div_(float(np.log(max(len(probability), 2)))).clamp_(0, 1)
    return (entropy + torch.special.entr(1 - probability)).mean(0).div_(float(np.log(2))).clamp_(0, 1)


# -------------------------------------------------------------------- a forward pass


class _Batch:
    """What goes into the networks: images or windows of one case."""

    def __init__(self, images: dict[str, Tensor], present: dict[str, Tensor], fields: dict[str, Tensor]) -> None:
        self.images, self.present, self.fields = images, present, fields

    @classmethod
    def of(
        cls,
        arrays: Sequence[dict[str, np.ndarray]],
        sample: Sample,
        inputs: Inputs,
        shape: Sequence[int],
        device: torch.device,
    ) -> _Batch:
        number = len(arrays)
        images, present = {}, {}
        for view in inputs.views:
            there = view in sample.images
            present[view] = torch.full((number,), there, device=device)
            if there:
                images[view] = torch.from_numpy(np.stack([each[view] for each in arrays])).to(device)
            else:  # pixels of a view that is not there mean nothing; networks read `present`
                images[view] = torch.zeros(number, inputs.channels, *shape, device=device)
        fields = {name: _number(sample.fields.get(name)) for name in inputs.fields}
        return cls(images, present, {name: torch.full((number,), each, device=device) for name, each in fields.items()})


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


class _Run:
    """One network in one pass: the batch in, its answer out, mirrored back."""

    def __init__(self, network: nn.Module, each: Pass, index: int, device: torch.device, precision: str) -> None:
        self._network, self._pass, self._index = network, each, index
        self._device, self._bf16 = device, precision == "bf16"
        self._dropouts = [module for module in network.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
        if each.dropout and not self._dropouts:
            raise RecipeError(
                "a safeguard asks for passes with dropout, and the network has no dropout: all would be alike",
                where="safeguards",
                expected="a network with dropout layers (parameter `dropout` above 0)",
                remedy="give the network dropout and train it so, or leave the safeguard out",
                code="no_dropout",
            )

    def __call__(self, batch: _Batch, number: int) -> Tensor:
        """Answer ``(batch, channel, *space)``; `number` counts the batches of a case, and dropout draws by it."""
        seed = (self._pass.index, self._index, number)
        images = {view: self._laid_out(vary(image, self._pass, seed)) for view, image in batch.images.items()}
        with self._dropping(number), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            answer = call(self._network, images, batch.present, batch.fields)["answer"]
        return bring_back(answer, self._pass)

    def _laid_out(self, image: Tensor) -> Tensor:
        """Channels last makes 2D convolutions in bf16 twice as fast; in 3D it slows them down."""
        if self._bf16 and image.ndim == 4:
            return image.contiguous(memory_format=torch.channels_last)
        return image

    @contextmanager
    def _dropping(self, number: int) -> Iterator[None]:
        """Dropout alone in training mode: batch normalisation keeps the statistics it learnt."""
        if not self._pass.dropout:
            yield
            return
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(np.random.SeedSequence([self._pass.index, self._index, number]).generate_state(1)[0]))
            for module in self._dropouts:
                module.training = True
            try:
                yield
            finally:
                for module in self._dropouts:
                    module.training = False


@contextmanager
def _evaluating(networks: Sequence[nn.Module]) -> Iterator[None]:
    """All networks in evaluation mode; every module's mode is put back afterwards."""
    modules = list(itertools.chain.from_iterable(network.modules() for network in networks))
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
