"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from preceptor.core.batch import Step
from preceptor.core.cohort import Cohort


class EMA(nn.Module):
    """Tunes, keeps and seals a running average of the weights instead of the last ones.

    After step t each averaged entry moves by ``1 - min(decay, (1 + t) / (10 + t))`` of its distance towards the entry
    as trained, so that the beginning is forgotten early in a short training. Floating-point buffers (running
    statistics) are averaged too, others copied.

    Args:
        decay: Share of the average that stays at each step; 0 follows the weights.

    Returns:
        From `weights`: ``{name: tensor}``, shaped as in the network's state.

    Raises:
        RuntimeError: A checkpoint holds the averages of another network.

    Source: Polyak & Juditsky 1992 (doi 10.1137/0330046); warm-up as in Tan & Le 2019 (arXiv:1905.11946).

    Example:
        >>> method, network = EMA(decay=0.0), torch.nn.Linear(1, 1)
        >>> method.setup(network, None)
        >>> sorted(method.weights(network))
        ['bias', 'weight']
    """

    steps: Tensor

    def __init__(self, decay: Annotated[float, Ge(0), Lt(1)] = 0.999) -> None:
        super().__init__()
        self.decay = decay
        self.names: list[str] = []
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @classmethod
    def example(cls) -> EMA:
        return cls(decay=0.9)

    def setup(self, network: Any, cohort: Cohort) -> None:
        state = network.state_dict()
        self.names = list(state)
        for index, tensor in enumerate(state.values()):
            self.register_buffer(f"average_{index}", tensor.detach().clone())

    def after_step(self, step: Step) -> None:
        self.steps += 1
        done = int(self.steps)
        decay = min(self.decay, (1 + done) / (10 + done))
        state = step.network.state_dict()
        with torch.no_grad():
            for average, name in zip(self._averages(), self.names, strict=True):
                if average.is_floating_point():
                    average.lerp_(state[name], 1 - decay)
                else:
                    average.copy_(state[name])

    def weights(self, network: Any) -> Mapping[str, Tensor]:
        return dict(zip(self.names, self._averages(), strict=True))

    def _averages(self) -> list[Tensor]:
        return [getattr(self, f"average_{index}") for index in range(len(self.names))]
