"""Sums over the processes of a training: counts before going backward, gradients after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Processes:
    """The processes that share a training's batches; one of them alone sums nothing.

    Args:
        fabric: Lightning Fabric.
        accumulate: Micro-batches each process takes a step.
    """

    def __init__(self, fabric: Any, accumulate: int) -> None:
        self._fabric = fabric
        self.accumulate = accumulate
        self.per_step = accumulate * fabric.world_size

    @property
    def share(self) -> tuple[int, int, int]:
        """This process's rank, how many there are, and the batches each takes a step."""
        return self._fabric.global_rank, self._fabric.world_size, self.accumulate

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, which each of them gets."""
        if self._fabric.world_size == 1:
            return tensor
        return self._fabric.all_reduce(tensor.to(self._fabric.device), reduce_op="sum")

    def total_counts(self, counts: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> dict[str, float]:
        """Labelled entries of a whole step, over all its micro-batches and processes.

        Args:
            counts: ``{objective: (batch,)}`` of each micro-batch of this process.
            names: Of the objectives, in one order everywhere.
        """
        sums = torch.zeros(len(names), dtype=torch.float64)
        for each in counts:
            sums += torch.stack([each[name].double().sum() for name in names]).cpu()
        return dict(zip(names, self.sum(sums).tolist(), strict=True))

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Add up the gradients of everything the optimizer owns; where a process had no batch, its share is zero."""
        if self._fabric.world_size == 1:
            return
        for parameter in parameters:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self.sum(gradient)
