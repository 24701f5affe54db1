"""A device that this machine does not have: its tensors hold their values on the CPU, and mix with nothing else.

It refuses what a GPU refuses: tensors of both devices in one operation, a generator of the CPU, NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

#: What the tensors say of themselves; torch knows no values there.
DEVICE = torch.device("meta")


class _Held(torch.Tensor):
    """A tensor on the device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> _Held:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: Any, kwargs: Any) -> Any:
    flat = [each for each in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    here = [each for each in flat if isinstance(each, _Held)]
    to = kwargs.get("device")
    moves = function is torch.ops.aten._to_copy.default or function is torch.ops.aten.copy_.default
    if here and not moves:
        if any(each.dim() > 0 for each in flat if not isinstance(each, _Held)):
            raise RuntimeError(f"{function}: tensors of two devices")
        if kwargs.get("generator") is not None:
            raise RuntimeError(f"{function}: a generator of the CPU")
    known = {id(each.held): each for each in here}
    inner = tree_map(lambda each: each.held if isinstance(each, _Held) else each, (args, kwargs))
    made = function(*inner[0], **{**inner[1], **({"device": torch.device("cpu")} if to is not None else {})})
    stays = to == DEVICE or (bool(here) and to is None)
    if not stays or function is torch.ops.aten._local_scalar_dense.default:
        return made
    return tree_map(lambda each: known[id(each)] if id(each) in known else _as_held(each), made)


def _as_held(value: Any) -> Any:
    return _Held(value) if isinstance(value, torch.Tensor) else value


@contextmanager
def accelerator() -> Iterator[torch.device]:
    """The device, inside the block."""
    with _Mode():
        yield DEVICE


def brought_back(tensor: torch.Tensor) -> torch.Tensor:
    """The values of a tensor of the device.

    Raises:
        AssertionError: It lies elsewhere.
    """
    assert isinstance(tensor, _Held), "it lies on the CPU"
    return tensor.held
