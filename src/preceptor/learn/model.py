"""`Model`: trained networks with all that is needed to read their answer; the run and the bundle predict with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded, Inputs, Pass, Prediction
from preceptor.core.slots import build, spec

from .checkpoint import load_weights
from .predict import Window, predict
from .weighted_sum import WeightedSum


def inputs_of(cohort: Cohort, sample: Sample, patch: Sequence[int] | None) -> Inputs:
    """What networks are fed, from one prepared sample.

    Args:
        cohort: Names the views.
        sample: On the prepared grid.
        patch: The recipe's ``train.patch``; None takes whole images.
    """
    image = sample.reference
    return Inputs(cohort.views, image.channels, image.space_dims, tuple(patch or image.shape))


@dataclass(frozen=True)
class Model:
    """Networks that vote together.

    Args:
        networks: In evaluation mode, on `device`.
        inputs: What they are fed.
        question: What was asked.
        decode: Reads an output as probabilities.
        window: How whole scans are walked through.
        device: Where the networks are.
        precision: ``32`` or ``bf16``.
    """

    networks: Sequence[torch.nn.Module]
    inputs: Inputs
    question: Question
    decode: Callable[[torch.Tensor], Decoded]
    window: Window
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "32"

    @classmethod
    def load(
        cls,
        recipe: Any,
        question: Question,
        inputs: Inputs,
        weights: Sequence[Path],
        *,
        device: torch.device | str = "cpu",
        networks: dict[str, Any] | None = None,
    ) -> Model:
        """The model of a resolved recipe with the weights of its fits.

        Args:
            recipe: With `network`, `objective` and `train`.
            question: Of the task.
            inputs: As at training.
            weights: A ``.safetensors`` per member.
            device: Where to put the networks.
            networks: Networks of the caller's own, by name.
        """
        objectives = WeightedSum(recipe.objective, question)
        members = []
        for path in weights:
            name, _ = spec(recipe.network)
            own = (networks or {}).get(name)
            if own is None:
                network = build("networks", recipe.network, inputs=inputs, width=objectives.width)
            else:
                network = own if isinstance(own, torch.nn.Module) else own(inputs, objectives.width)
            load_weights(network, path)
            members.append(network.to(device).eval())
        window = Window(inputs.patch, recipe.train.overlap, recipe.train.batch_size)
        precision = recipe.train.precision
        return cls(members, inputs, question, objectives.decode, window, torch.device(device), precision)

    def __call__(
        self,
        sample: Sample,
        *,
        passes: Sequence[Pass] = (Pass(),),
        recalibrate: Callable[[torch.Tensor], torch.Tensor] | None = None,
        voxels: np.random.Generator | None = None,
    ) -> Prediction:
        """Predict one prepared sample.

        Args:
            sample: On the prepared grid.
            passes: Forward passes to average.
            recalibrate: Pointwise on the averaged probabilities.
            voxels: For dense answers, draws the sample of voxels that is kept with all probabilities.
        """
        return predict(
            list(self.networks),
            sample,
            inputs=self.inputs,
            question=self.question,
            decode=self.decode,
            window=self.window,
            passes=tuple(passes),
            recalibrate=recalibrate,
            device=self.device,
            precision=self.precision,
            voxels=voxels,
        )
