"""A recipe from a stranger may ask for a network of any size: it is measured on paper before memory is allocated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.errors import BundleError, PreceptorError
from preceptor.core.evidence import Question
from preceptor.core.plugins import Inputs
from preceptor.core.slots import build, spec


def refuse_oversize(
    recipe: Any, question: Question, inputs: Inputs, weights: Sequence[Path], networks: Mapping[str, Any]
) -> None:
    """Refuse a recipe whose network is larger than the weights that came with it.

    Args:
        recipe: With `network` and `objective`.
        question: Of the task.
        inputs: What the network is fed.
        weights: A ``.safetensors`` a member; only their headers are read.
        networks: Networks handed in from Python: they are there already, and nothing is made.

    Raises:
        BundleError: The network has other numbers than the weights, or the weights are no tensors.
    """
    import torch

    from preceptor.learn.weighted_sum import WeightedSum

    if spec(recipe.network)[0] in networks:
        return
    width = WeightedSum(recipe.objective, question).width
    try:
        with torch.device("meta"):
            network = build("networks", recipe.network, inputs=inputs, width=width)
    except PreceptorError:
        raise
    except (RuntimeError, NotImplementedError, TypeError):
        return  # a network that computes with its own weights while it is made can't be made on paper
    needed = sum(tensor.numel() for tensor in network.state_dict().values())
    for path in weights:
        given = _numbers(path)
        if needed != given:
            raise BundleError(
                f"the recipe's network has {needed:,} numbers and the weights {given:,}",
                where=path.name,
                expected="weights of this network",
                remedy="ask for the bundle anew; its parts do not belong together",
                code="weights_do_not_fit",
            )


def _numbers(path: Path) -> int:
    """Numbers in a file of tensors, by its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stream:
            return sum(math.prod(stream.get_slice(name).get_shape()) for name in stream.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BundleError(
            "the weights in the bundle are no tensors",
            where=path.name,
            expected="safetensors",
            remedy="ask for the bundle anew",
            code="weights_no_tensors",
        ) from error
