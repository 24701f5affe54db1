"""Optimizers by name, and the learning rate as a pure function of progress: nothing to restore but the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from preceptor.core.errors import RecipeError
from preceptor.core.slots import spec

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def make_optimizer(given: str | Mapping[str, Any], parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that ``train.optimizer`` names, over the parameters that are not frozen.

    Raises:
        RecipeError: Nothing is left to train.
    """
    name, settings = spec(given)
    if isinstance(settings.get("betas"), list):
        settings["betas"] = tuple(settings["betas"])
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise RecipeError("every parameter is frozen: there is nothing to train", code="nothing_to_train")
    return _OPTIMIZERS[name](trainable, **settings)


def learning_rate_factor(
    given: str | Mapping[str, Any], *, epoch: float, epochs: int, scores: list[float], higher_is_better: bool
) -> float:
    """What the optimizer's learning rate is multiplied with.

    Args:
        given: ``train.schedule``: ``constant``, ``cosine`` ``{warmup_epochs, floor}``, ``poly`` ``{power,
            warmup_epochs}``
            or ``plateau`` ``{patience, factor, warmup_epochs}``.
        epoch: Position in the training, in epochs and parts of one.
        epochs: Length of the training.
        scores: On the tune cases so far (plateau).
        higher_is_better: Of the scores.

    Source: cosine: Loshchilov & Hutter 2017 (arXiv:1608.03983) without restarts; poly: nnU-Net (Isensee 2021).
    """
    name, settings = spec(given)
    warmup = settings.get("warmup_epochs", 0)
    if epoch < warmup:
        return max(epoch / warmup, 1e-3)
    done = min((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0)
    if name == "cosine":
        floor = settings.get("floor", 0.0)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
    if name == "poly":
        return (1 - done) ** settings.get("power", 0.9)
    if name == "plateau":
        return settings.get("factor", 0.5) ** _plateaus(scores, settings.get("patience", 5), higher_is_better)
    return 1.0


def _plateaus(scores: list[float], patience: int, higher_is_better: bool) -> int:
    best, waited, found = -math.inf, 0, 0
    for score in scores:
        signed = score if higher_is_better else -score
        best, waited = (signed, 0) if signed > best else (best, waited + 1)
        if waited > patience:
            found, waited = found + 1, 0
    return found
