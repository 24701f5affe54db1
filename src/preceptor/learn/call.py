"""How a network is called: it gets those of images, present and fields that its `forward` names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from preceptor.core.errors import RecipeError

_NAMES = ("images", "present", "fields")


def call(
    network: torch.nn.Module, images: Mapping[str, Tensor], present: Mapping[str, Tensor], fields: Mapping[str, Any]
) -> dict[str, Tensor]:
    """One forward pass.

    Args:
        network: Any module. One whose `forward` takes a single tensor gets the only view.
        images: ``{view: (batch, channel, *space)}``.
        present: ``{view: (batch,)}`` bool.
        fields: ``{column: (batch,)}``.

    Returns:
        ``{name: tensor}`` with ``answer`` among them.

    Raises:
        RecipeError: The network takes one image and there are several views, or it gives no ``answer``.
    """
    kind: Any = type(network)  # Any, since mypy sees no hash on a class
    wanted = _wanted(kind)
    if wanted is None:
        if len(images) != 1:
            raise RecipeError(
                f"the network takes one image, and the cohort has the views {', '.join(images)}",
                where="network",
                expected="a network that takes several views, such as hemis or dual_net",
                code="network_one_view",
            )
        outputs = network(next(iter(images.values())))
    else:
        given = {"images": images, "present": present, "fields": fields}
        outputs = network(**{name: given[name] for name in wanted})
    if isinstance(outputs, Tensor):
        return {"answer": outputs}
    if "answer" not in outputs:
        raise RecipeError(
            f"the network's outputs are {', '.join(outputs)}",
            where="network",
            expected="'answer' among them",
            code="network_no_answer",
        )
    return dict(outputs)


@lru_cache(maxsize=64)
def _wanted(cls: type[torch.nn.Module]) -> tuple[str, ...] | None:
    """The names that `forward` takes, or None where it takes one tensor under a name of its own."""
    parameters = list(inspect.signature(cls.forward).parameters)[1:]
    named = tuple(name for name in parameters if name in _NAMES)
    return named or None
