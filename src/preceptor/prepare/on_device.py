"""Augmentation on the device that the network runs on, with the draws it would have had on the CPU.

Whoever loads data cuts out what a patch will show; the device moves it through the map and changes its values. The
functions of the values can't travel between processes: where they are needed the dice are thrown again, and say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from preceptor.core.batch import Batch

from .decided import Told
from .examples import Examples
from .gathered import Cutter, Gathered


@dataclass(frozen=True)
class OnDevice:
    """Makes batches in two steps.

    Args:
        examples: Of the store's cases.
        device: Where they are varied.
    """

    examples: Examples
    device: torch.device

    def gather(self, told: Sequence[Told], *, shared: bool) -> Gathered:
        """Cut out what the examples of a batch will show.

        Args:
            told: Of each example.
            shared: Whether the memory shall be one that another process can map.

        Raises:
            PrepareError: A transform does not fit a case, which is named.
        """
        decided = [self.examples.decided(each) for each in told]
        cutter = Cutter()
        cuts = [
            [
                cutter.plan(*self.examples.sources(each, part), part.shape, part.first, part.spatial)
                for part in each.parts
            ]
            for each in decided
        ]
        places = [self.examples.places(each, known) for each, known in zip(told, decided, strict=True)]
        return Gathered(told, places, cuts, cutter.cut(shared=shared))

    def vary(self, gathered: Gathered) -> Batch:
        """Make a batch of what was cut out, on the device."""
        packed = gathered.packed.to(self.device, non_blocking=True)
        made = []
        for told, places, cuts in zip(gathered.told, gathered.places, gathered.cuts, strict=True):
            read = [cut.read(packed) for cut in cuts]
            made.append(self.examples.finished(told, self.examples.decided(told), read)._replace(places=places))
        return self.examples.assembled(gathered.told, made, {}).to(self.device)
