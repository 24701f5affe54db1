"""The recipe's methods in one fixed order, whatever the recipe's order: sums come out bit-identical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from preceptor.core.errors import RecipeError
from preceptor.core.slots import build, spec


class Methods:
    """The methods of one training.

    Args:
        given: The recipe's `methods` section.
        seed: Of this fit; each method draws from its own generator, seeded by (seed, name).
        reserved: ``inputs`` and ``root``, for the methods whose constructor asks for them.

    Raises:
        RecipeError: ``before`` and ``after`` ask for a circle, or two methods answer a hook that only one may.
    """

    def __init__(self, given: Sequence[Any], seed: int, **reserved: Any) -> None:
        made = {}
        for each in given:
            name, _ = spec(each)
            if name in made:
                raise RecipeError(
                    f"the method '{name}' stands twice in the recipe", where="methods", code="method_twice"
                )
            torch.manual_seed(_seed(seed, name))
            made[name] = build("methods", each, **reserved)
        self.by_name = {name: made[name] for name in _ordered(made)}
        for name, method in self.by_name.items():
            method.generator = torch.Generator().manual_seed(_seed(seed, name))
        for hook in ("sampler", "weights", "members_of"):
            if len(list(self.having(hook))) > 1:
                rivals = [name for name, _ in self.having(hook)]
                raise RecipeError(
                    f"{' and '.join(rivals)} both answer the hook '{hook}'",
                    where="methods",
                    expected="at most one",
                    remedy="remove one of them",
                    code=f"two_{hook}",
                )

    def having(self, hook: str) -> Iterator[tuple[str, Any]]:
        """Those that define a hook, in order. A parameter of the same name (a penalty's ``weight``) is no hook."""
        return ((name, method) for name, method in self.by_name.items() if callable(getattr(method, hook, None)))

    def call(self, hook: str, *arguments: Any) -> dict[str, Any]:
        """Call a hook on every method that defines it."""
        return {name: getattr(method, hook)(*arguments) for name, method in self.having(hook)}

    def parameters(self) -> list[torch.nn.Parameter]:
        """What joins the optimizer."""
        return [
            parameter
            for method in self.by_name.values()
            if not getattr(method, "own_optimizer", False)
            for parameter in method.parameters()
        ]

    def to(self, device: torch.device) -> None:
        for method in self.by_name.values():
            method.to(device)

    def state(self) -> dict[str, Any]:
        return {
            name: {"module": method.state_dict(), "generator": method.generator.get_state()}
            for name, method in self.by_name.items()
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for name, method in self.by_name.items():
            method.load_state_dict(state[name]["module"])
            method.generator.set_state(state[name]["generator"])


class Taps:
    """What every named module answered in the last forward pass: ``taps("encoder.0")``."""

    def __init__(self, network: torch.nn.Module, wanted: bool) -> None:
        self._seen: dict[str, Any] = {}
        self._handles = [
            module.register_forward_hook(self._note(name))
            for name, module in network.named_modules()
            if wanted and name
        ]

    def _note(self, name: str):
        def hook(module, inputs, output):
            self._seen[name] = output

        return hook

    def __call__(self, name: str) -> torch.Tensor:
        if name not in self._seen:
            raise RecipeError(
                f"the network has no module '{name}', or it did not take part in this pass",
                expected=f"one of {', '.join(list(self._seen)[:20])} …",
                code="activation_unknown",
            )
        return self._seen[name]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Another pass through the network leaves what was seen as it was."""
        kept = dict(self._seen)
        try:
            yield
        finally:
            self._seen = kept

    def clear(self) -> None:
        self._seen.clear()

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self.clear()


def _seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:7], "big")


def _ordered(methods: dict[str, Any]) -> list[str]:
    """Name order, but for what `before` and `after` ask."""
    earlier: dict[str, set[str]] = {name: set() for name in methods}
    for name, method in methods.items():
        for other in getattr(method, "after", ()):
            if other in methods:
                earlier[name].add(other)
        for other in getattr(method, "before", ()):
            if other in methods:
                earlier[other].add(name)
    order: list[str] = []
    while len(order) < len(methods):
        free = sorted(name for name in methods if name not in order and earlier[name] <= set(order))
        if not free:
            raise RecipeError(
                f"the methods {', '.join(sorted(set(methods) - set(order)))} each ask to run before the other",
                where="methods",
                code="method_circle",
            )
        order.append(free[0])
    return order
