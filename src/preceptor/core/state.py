"""Trees of tensors and JSON on disk: optimizer states, fitted transforms, fitted safeguards. Never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BundleError
from .files import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor


def write_state(path: Path, tree: Any, **facts: Any) -> None:
    """Write a tree of dicts, lists, numbers, text, tensors and arrays as safetensors + JSON.

    Args:
        path: ``….safetensors``; the JSON lies beside it.
        tree: What to write. Keys may be any JSON scalar; tuples come back as lists, arrays as arrays.
        facts: Further JSON in the record.
    """
    tensors: dict[str, Tensor] = {}
    record = {**facts, "tree": take_apart(tree, tensors)}
    write_tensors(path, tensors, record)


def read_state(path: Path) -> tuple[Any, Mapping[str, Any]]:
    """Read what `write_state` wrote.

    Returns:
        The tree, and the record with the facts.

    Raises:
        BundleError: The file is damaged.
    """
    tensors, record = read_tensors(path)
    try:
        return put_together(record["tree"], tensors), record
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(
            "a state's record does not say how its tensors belong together",
            where=Path(path).name,
            expected="the tree that was written",
            remedy="use another copy, or write it anew",
            code="state_damaged",
        ) from error


def take_apart(tree: Any, tensors: dict[str, Any]) -> Any:
    """A tree as JSON; its tensors and arrays go into `tensors` and leave a reference behind."""
    if isinstance(tree, (np.ndarray, np.generic)) and np.ndim(tree):
        import torch

        return {"array": _keep(torch.from_numpy(np.ascontiguousarray(tree)), tensors)}
    if isinstance(tree, np.generic):
        return tree.item()
    if hasattr(tree, "detach"):
        return {"tensor": _keep(tree.detach().cpu().contiguous().clone(), tensors)}
    if isinstance(tree, Mapping):
        return {"pairs": [[key, take_apart(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return {"list": [take_apart(value, tensors) for value in tree]}
    return tree


def put_together(tree: Any, tensors: Mapping[str, Any]) -> Any:
    """The tree that `take_apart` took apart."""
    if not isinstance(tree, Mapping):
        return tree
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    if "array" in tree:
        return tensors[tree["array"]].numpy()
    if "pairs" in tree:
        return {key: put_together(value, tensors) for key, value in tree["pairs"]}
    return [put_together(value, tensors) for value in tree["list"]]


def _keep(tensor: Any, tensors: dict[str, Any]) -> str:
    name = str(len(tensors))
    tensors[name] = tensor
    return name
