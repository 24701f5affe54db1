"""Monte Carlo dropout: how much the answer depends on which units happen to be there."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from preceptor.core.evidence import Question
from preceptor.core.plugins import Pass, Prediction
from preceptor.maths.uncertainty import decompose


class McDropout:
    """Averages passes with dropout on, and says how far they disagree.

    Leaves in `parts`, in nats: ``aleatoric`` (mean entropy of the passes: what the image leaves open) and
    ``epistemic`` (their mutual information with the pass: what the model does not know). All passes of all members
    enter, those that other safeguards ask for too. Dense answers are averaged voxel by voxel and get no parts: their
    passes are not kept.

    It ranks errors; it does not promise better probabilities (the mean of the passes often scores worse than the plain
    pass).

    Args:
        samples: Passes with dropout, beside the plain one.

    Raises:
        RecipeError: At prediction, where the network has no dropout.

    Source: Gal & Ghahramani 2016 (arXiv:1506.02142); parts: Depeweg 2018 (arXiv:1710.07283), eq. 9.

    Example:
        >>> len(McDropout(samples=5).passes())
        5
    """

    def __init__(self, samples: Annotated[int, Ge(2)] = 20) -> None:
        self.samples = samples

    @classmethod
    def example(cls) -> McDropout:
        return cls(samples=2)

    def suits(self, question: Question) -> bool:
        return True

    def passes(self) -> list[Pass]:
        return [Pass(dropout=True, index=index) for index in range(self.samples)]

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.passes is None:
            return prediction
        if prediction.question.is_regression:
            prediction.parts.setdefault("epistemic", float(prediction.passes[:, 0].std(ddof=1)))
            return prediction
        parts = decompose(prediction.passes, prediction.question.exclusive)
        # What stands there already was told apart by an objective that knows more (evidential, gaussian).
        found = {"aleatoric": float(parts.aleatoric), "epistemic": float(parts.epistemic)}
        prediction.parts = found | prediction.parts
        return prediction
