"""Transfer: begin from weights that were learnt elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from preceptor.core.batch import Directive, EpochEnd
from preceptor.core.cohort import Cohort
from preceptor.core.errors import BundleError, Problem, RecipeError
from preceptor.core.files import refuse_bundle
from preceptor.core.state import read_state
from preceptor.maths.first_layer import for_channels


class Transfer(nn.Module):
    """Loads the body of a network, and trains its head alone, all of it, or first the one and then the other.

    The head (the network's attribute ``head``, else its last module with parameters) always begins anew. A frozen body
    is in evaluation mode too: neither its parameters nor its running statistics move. Every other tensor of the network
    must be in the file with the same shape; only a first convolution for another number of channels is made to fit,
    without changing the answer to grey images. Transfer can hurt: compare with a training from scratch.

    Args:
        weights: A ``.safetensors`` file, or the folder of a run or a fit (its best weights), relative to the recipe.
        mode: "fine_tune" trains everything, "extractor" the head alone, "two_stage" the head, then everything.
        unfreeze_after: Epochs of the first of two stages; the optimizer is made anew then.
        second_rate: What the learning rates are multiplied by in the second of two stages.
        head: Dotted name of the head, where the network does not say.
        root: Folder that `weights` is relative to.

    Returns:
        From `after_epoch`: a `Directive` to rebuild the optimizer when the body is set free, else None.

    Raises:
        RecipeError: There is no such file, or tensors are missing or of another shape.
        BundleError: The file is damaged.

    Source: Yosinski 2014 (arXiv:1411.1792); two stages as in Howard & Ruder 2018 (arXiv:1801.06146), section 3.3.

    Example:
        >>> Transfer(weights="runs/source", mode="two_stage", unfreeze_after=5).mode
        'two_stage'
    """

    network: nn.Module

    def __init__(
        self,
        weights: str,
        mode: Literal["fine_tune", "extractor", "two_stage"] = "fine_tune",
        unfreeze_after: Annotated[int, Ge(1)] = 10,
        second_rate: Annotated[float, Gt(0), Le(1)] = 0.1,
        head: str | None = None,
        root: Path | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.mode = mode
        self.unfreeze_after = unfreeze_after
        self.second_rate = second_rate
        self.head = head
        self.root = root

    @classmethod
    def example(cls) -> Transfer:
        return cls(weights="source.safetensors")

    def warn(self) -> Problem | None:
        """The weights may still be made, by a run that comes first: then they must be there when this one starts."""
        try:
            self._file()
        except RecipeError as error:
            return replace(error.problem, severity="warning")
        return None

    def setup(self, network: Any, cohort: Cohort) -> None:
        object.__setattr__(self, "network", network)  # a reference: its parameters are not this method's
        head = self.head or _head_of(network)
        _load_body(network, _read_weights(self._file()), head)
        self._body = [(name, module) for name, module in network.named_modules() if _is_body(name, head)]
        if self.mode != "fine_tune":
            for parameter in self._body_parameters(head):
                parameter.requires_grad_(False)
            for _, module in self._body:
                module.training = False

    def after_epoch(self, end: EpochEnd) -> Directive | None:
        if self.mode != "two_stage" or end.epoch + 1 != self.unfreeze_after:
            return None
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        for _, module in self._body:
            module.training = True
        return Directive(rebuild_optimizer=True, learning_rate_factor=self.second_rate)

    def _body_parameters(self, head: str) -> Iterator[nn.Parameter]:
        for name, parameter in self.network.named_parameters():
            if not _inside(name, head):
                yield parameter

    def _file(self) -> Path:
        path = (self.root or Path()) / self.weights
        for candidate in (path, path / "best.safetensors", path / "fits" / "0" / "best.safetensors"):
            if candidate.is_file():
                return candidate
        raise RecipeError(
            "transfer finds no weights",
            where="methods.transfer.weights",
            expected="a .safetensors file, or the folder of a run that has ended",
            remedy="give the path relative to the recipe's folder",
            code="weights_missing",
        )


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    """Tensors by name, from weights that preceptor wrote or from any safetensors file.

    Raises:
        BundleError: The file is damaged.
    """
    refuse_bundle(path)
    if path.with_suffix(".json").is_file():
        return read_state(path)[0]
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(
            "the file of weights is damaged or no safetensors file",
            where="methods.transfer.weights",
            expected="a .safetensors file",
            code="weights_damaged",
        ) from error


def _load_body(network: nn.Module, weights: Mapping[str, Tensor], head: str) -> None:
    state = network.state_dict()
    wanted = {name: tensor for name, tensor in state.items() if not _inside(name, head)}
    wrong = []
    for position, (name, tensor) in enumerate(wanted.items()):
        given = weights.get(name)
        if given is not None and position == 0 and _differs_in_channels(given, tensor):
            given = for_channels(given, tensor.shape[1])
        if given is None or given.shape != tensor.shape:
            there = "absent" if given is None else "x".join(map(str, given.shape))
            wrong.append(f"{name} ({there}, wanted {'x'.join(map(str, tensor.shape)) or 'a number'})")
        else:
            state[name] = given.to(tensor.dtype)
    if wrong:
        raise RecipeError(
            f"{len(wrong)} of {len(wanted)} tensors do not come from the weights: {', '.join(wrong[:4])}",
            where="methods.transfer.weights",
            expected="weights of the same network, its head aside",
            remedy="compare `network` in both recipes, or name the head with `head`",
            code="weights_do_not_fit",
        )
    network.load_state_dict(state)


def _differs_in_channels(given: Tensor, wanted: Tensor) -> bool:
    """A convolution of the same kernels for another number of channels, one of them being one."""
    same = given.ndim == wanted.ndim >= 3 and given.shape[0] == wanted.shape[0] and given.shape[2:] == wanted.shape[2:]
    return same and 1 in (given.shape[1], wanted.shape[1])


def _inside(name: str, head: str) -> bool:
    return name == head or name.startswith(f"{head}.")


def _is_body(name: str, head: str) -> bool:
    """Neither in the head nor around it: the network itself goes on training."""
    return name != "" and not _inside(name, head) and not _inside(head, name)


def _head_of(network: nn.Module) -> str:
    """What the network calls its head, a module of that name, or its last module with parameters of its own."""
    named = getattr(network, "head", None)
    if named is not None:
        return named if isinstance(named, str) else "head"
    return [name for name, module in network.named_modules() if name and list(module.parameters(recurse=False))][-1]
