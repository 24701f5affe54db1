"""The weights that a training at a constant rate wanders through, taken for draws from a normal distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from preceptor.core.batch import EpochEnd
from preceptor.core.cohort import Cohort
from preceptor.core.errors import TrainError


class SWAG(nn.Module):
    """Draws the networks that vote from a normal distribution fitted to the weights after each epoch.

    After every epoch the weights ``w`` enter a running mean, a running variance, and the last `rank` deviations from
    the mean as it was then. At the end `members` networks are drawn::

        w = mean + sqrt(variance / 2) * z1 + deviations @ z2 / sqrt(2 * (columns - 1))

    with standard normal ``z1`` (one number a weight) and ``z2`` (one a column), so that their covariance is ``(variance +
    deviations @ deviations.T / (columns - 1)) / 2``. The statistics of batch normalisation are then estimated anew for
    each of them, over the training cases. Draws are made once and sealed: a prediction can be repeated.

    It means what it should where the learning rate stays high and constant, after a training has come to rest: the
    strategy `swag` sees to that. Frozen weights have no variance and stay as they are.

    Args:
        members: Networks to draw.
        rank: Deviations that are kept, each as large as the network; at least 2.
        after_epochs: Epochs before the first whose weights enter.

    Returns:
        From `members_of`: ``{name: tensor}`` of the weights of one network after the other.

    Raises:
        TrainError: The training ended before the weights of two epochs had entered.

    Source: Maddox 2019 (arXiv:1902.02476), algorithm 1 and equation 1.

    Example:
        >>> method, network = SWAG(members=3), torch.nn.Linear(1, 1)
        >>> method.setup(network, None)
        >>> int(method.collected)
        0
    """

    collected: Tensor
    network: Any

    def __init__(
        self,
        members: Annotated[int, Ge(2)] = 20,
        rank: Annotated[int, Ge(2)] = 20,
        after_epochs: Annotated[int, Ge(0)] = 0,
    ) -> None:
        super().__init__()
        self.members = members
        self.rank = rank
        self.after_epochs = after_epochs
        self.names: list[str] = []
        self.generator = torch.Generator()
        self.register_buffer("collected", torch.zeros((), dtype=torch.long))

    @classmethod
    def example(cls) -> SWAG:
        return cls(members=2, rank=2)

    def setup(self, network: Any, cohort: Cohort) -> None:
        object.__setattr__(self, "network", network)
        self.names = [name for name, _ in network.named_parameters()]
        for index, (_, weight) in enumerate(network.named_parameters()):
            for kept in ("mean", "squares"):
                self.register_buffer(f"{kept}_{index}", torch.zeros_like(weight, requires_grad=False))
            self.register_buffer(f"deviations_{index}", weight.detach().new_zeros(self.rank, *weight.shape))

    def after_epoch(self, end: EpochEnd) -> None:
        if end.epoch >= self.after_epochs:
            self.collect()

    @torch.no_grad()
    def collect(self) -> None:
        """Let the network's weights, as they are, enter."""
        column = int(self.collected) % self.rank
        self.collected += 1
        for index, (_, weight) in enumerate(self.network.named_parameters()):
            mean, squares, deviations = self._moments(index)
            before = weight - mean
            mean += before / self.collected
            # Welford's sum of squares is `n` times the published `mean(w^2) - mean(w)^2`, without its cancellation.
            squares += before * (weight - mean)
            deviations[column] = weight - mean

    def members_of(self, network: Any) -> Iterator[Mapping[str, Tensor]]:
        columns = min(int(self.collected), self.rank)
        if columns < 2:
            raise TrainError(
                f"swag has seen the weights of {columns} epochs, and a spread needs two",
                where="methods.swag",
                expected="at least two epochs after `after_epochs`",
                remedy="train longer, collect earlier, or take early_stopping out",
                code="swag_too_short",
            )
        return (self._drawn(columns) for _ in range(self.members))

    def _drawn(self, columns: int) -> dict[str, Tensor]:
        drawn = {}
        along = self._normal(columns)
        for index, name in enumerate(self.names):
            mean, squares, deviations = self._moments(index)
            own = self._normal(*mean.shape).to(mean)
            spread = (squares / self.collected).clamp_min(0).sqrt()
            shared = torch.einsum("c,c...->...", along.to(mean), deviations[:columns])
            drawn[name] = mean + spread * own / 2**0.5 + shared / (2 * (columns - 1)) ** 0.5
        return drawn

    def _moments(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(getattr(self, f"{kept}_{index}") for kept in ("mean", "squares", "deviations"))

    def _normal(self, *shape: int) -> Tensor:
        """From the method's own generator, which is checkpointed: a training that was killed draws the same."""
        return torch.randn(shape, generator=self.generator)
