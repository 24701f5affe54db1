"""A training, and a second one at a constant rate whose wandering says how far the weights are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from annotated_types import Ge, Gt, Le

from preceptor.core.plugins import Fit
from preceptor.core.slots import spec


class Swag:
    """Stochastic weight averaging, Gaussian: networks drawn about one solution vote together.

    The recipe's training comes first. From the weights it kept (the best on the tune cases, or the last without any) a
    tail goes on at a constant learning rate; the method `swag` collects its weights after every epoch, and draws the
    `members` at its end. It costs one training and its tail, whatever the number of members; each member costs a
    prediction. The members lie about one solution and differ less than those of `ensemble`: their disagreement
    (``epistemic``) understates what is not known. Several such solutions: ``{ensemble: {each: swag}}``.

    The published form trains by SGD with momentum; the tail keeps the recipe's optimizer, begun anew.

    Args:
        members: Networks to draw.
        rank: Deviations that are kept, each as large as the network.
        tail: Length of the tail as a share of ``train.epochs``; two epochs at least.
        rate: Learning rate of the tail, as a share of the recipe's.

    Raises:
        TrainError: A method ended the tail before its second epoch.

    Source: Maddox 2019 (arXiv:1902.02476), algorithm 1; several solutions: Wilson & Izmailov 2020 (arXiv:2002.08791).

    Example:
        >>> Swag(members=5).members
        5
    """

    def __init__(
        self,
        members: Annotated[int, Ge(2)] = 20,
        rank: Annotated[int, Ge(2)] = 20,
        tail: Annotated[float, Gt(0), Le(10)] = 0.5,
        rate: Annotated[float, Gt(0), Le(10)] = 0.5,
    ) -> None:
        self.members = members
        self.rank = rank
        self.tail = tail
        self.rate = rate

    @classmethod
    def example(cls) -> Swag:
        return cls(members=2, rank=2)

    def bind(self, fit: Fit) -> Fit:
        def swag(recipe, cohort, start=None, path=()):
            first = fit(recipe, cohort, start=start, path=(*path, 0))
            return fit(self._tail_of(recipe), cohort, start=first[-1].folder / "best", path=(*path, 1))

        return swag

    def _tail_of(self, recipe):
        name, settings = spec(recipe.train.optimizer)
        train = replace(
            recipe.train,
            epochs=max(2, math.ceil(self.tail * recipe.train.epochs)),
            optimizer={name: {**settings, "lr": self.rate * settings["lr"]}},
            schedule={"constant": {}},
        )
        collecting = {"swag": {"members": self.members, "rank": self.rank}}
        kept = [each for each in recipe.methods if spec(each)[0] != "swag"]
        return replace(recipe, train=train, methods=(*kept, collecting))
