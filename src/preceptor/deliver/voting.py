"""A bundle's networks as one module: prepared images in, averaged and recalibrated probabilities out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from preceptor.core.errors import BundleError
from preceptor.core.plugins import Pass
from preceptor.learn.call import call
from preceptor.prove.answering import Answering

if TYPE_CHECKING:
    from .bundle import Bundle


class Voting(nn.Module):
    """What every program can run of a bundle: networks, decoding, mirrored passes and recalibration.

    What stands around that is no part of it: preparation, safeguards that look at the whole answer (largest component,
    refusal), and passes with dropout, noise or moved images.

    Args:
        bundle: Its networks are asked on the CPU.

    Attributes:
        names: Of the inputs, in order: each view; then ``present_<view>`` where the networks can do without one.

    Raises:
        BundleError: The panels of a cross-validation prepare an image in different ways, so there is no one input.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        council = bundle.council("cpu")
        if len({_written(panel.states) for panel in council.panels}) > 1:
            raise BundleError(
                "the networks of this bundle each prepare the image in their own way: no one input fits them all",
                where=bundle.recipe.study,
                expected="steps of preparation that are not fitted, or one group of networks",
                remedy="seal a run with the strategy `once` or `ensemble` to export it",
                code="export_several_inputs",
            )
        self.views = bundle.views
        self.takes_present = len(self.views) > 1
        self.names = [*self.views, *(f"present_{view}" for view in self.views if self.takes_present)]
        self.members = nn.ModuleList(network for panel in council.panels for network in panel.answering.model.networks)
        self._readings = [_Reading(panel.answering) for panel in council.panels]

    def forward(self, *tensors: Tensor) -> Tensor:
        """One batch.

        Args:
            tensors: ``(batch, channel, *space)`` float32 of each view; then ``(batch,)`` bool of each, see `names`.

        Returns:
            ``(batch, class[, *space])`` probabilities, or ``(batch, quantity)`` values.
        """
        number = len(self.views)
        images = dict(zip(self.views, tensors[:number], strict=True))
        # `shape[0]`, not `len`: an export would take the latter for a constant
        alike = torch.ones(tensors[0].shape[0], dtype=torch.bool, device=tensors[0].device)
        given = tensors[number:] or [alike] * number
        present = dict(zip(self.views, given, strict=True))
        answers = [reading.read(images, present) for reading in self._readings]
        return torch.stack(answers).mean(0)


class _Reading:
    """How the answers of one panel are read."""

    def __init__(self, answering: Answering) -> None:
        self._networks, self._decode = answering.model.networks, answering.model.decode
        self._passes: list[Pass] = [each for each in answering.passes if each.is_fixed]
        self._recalibrate = answering.recalibrate

    def read(self, images: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        parts = []
        for network in self._networks:
            for each in self._passes:
                axes = [axis + 2 for axis in each.flip]
                turned = {view: image.flip(axes) if axes else image for view, image in images.items()}
                answer = call(network, turned, present, {})["answer"].float()
                parts.append(
                    self._decode(answer.flip(axes) if axes and answer.ndim > max(axes) else answer).probability
                )
        probability = torch.stack(parts).mean(0)
        return probability if self._recalibrate is None else self._recalibrate(probability)


def _written(states: Any) -> str:
    """Fitted states as text, to see whether two are the same."""

    def plain(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else str(value)

    return json.dumps(states, default=plain, sort_keys=True)
