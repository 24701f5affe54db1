"""Networks that a method draws from one training, written beside it as if each had been trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from preceptor.core.batch import Batch
from preceptor.core.plugins import Fitted

from . import checkpoint
from .call import call


def write_members(
    folder: Path,
    network: nn.Module,
    drawn: Iterable[Mapping[str, Tensor]],
    batches: Callable[[], Iterable[Batch]],
    facts: Mapping[str, Any],
) -> int:
    """Write ``<folder>/<number>/best`` for every network that was drawn; the network is afterwards as it was.

    Args:
        folder: Of the training.
        network: Takes the drawn weights one after the other.
        drawn: ``{name: tensor}`` of some or all weights each.
        batches: An epoch of training batches, on the network's device, for the statistics of batch normalisation.
        facts: Stored with each.

    Returns:
        How many there are.
    """
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    number = 0
    try:
        for number, weights in enumerate(drawn, 1):
            network.load_state_dict({**kept, **weights})
            refresh_statistics(network, batches)
            place = folder / str(number - 1)
            place.mkdir(parents=True, exist_ok=True)
            checkpoint.save_weights(place / "best", network, {**facts, "member": number - 1})
    finally:
        network.load_state_dict(kept)
    return number


def members_of(whole: Fitted, members: int) -> list[Fitted]:
    """The members in place of the training they were drawn from; nobody scored one of them alone."""
    above = whole.path or (0,)
    return [
        replace(whole, path=(*above, number), folder=whole.folder / str(number), score=None)
        for number in range(members)
    ]


def refresh_statistics(network: nn.Module, batches: Callable[[], Iterable[Batch]]) -> None:
    """Estimate the statistics of batch normalisation anew: the mean over an epoch's batches, all else evaluating.

    Dropout stays off, as it is when the network predicts.

    Args:
        network: Whose weights were changed; one without batch normalisation is left as it is.
        batches: On the network's device.

    Source: Izmailov 2018 (arXiv:1803.05407), section 3.2.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    if not norms:
        return
    with _averaging(network, norms), torch.no_grad():
        for batch in batches():
            call(network, batch.images, batch.present, batch.fields)


@contextmanager
def _averaging(network: nn.Module, norms: list[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training
