"""Agreement of members: a segmentation on which an ensemble, or passes with dropout, disagree is likely wrong."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.evidence import Question
from preceptor.core.plugins import Pass, Prediction


class MemberAgreement:
    """Foretells the quality of a segmentation by the mean Dice between every two of the answers given to it.

    All answers enter: of an ensemble's members, of passes with dropout asked for here, and of passes that other
    safeguards ask for (mirrored ones). Leaves in `parts` ``member_agreement`` (mean over structures that any answer
    found) and ``member_agreement_<structure>``. With one member and one pass there is nothing to compare, and nothing
    is left.

    Members that learnt from the same cases share their mistakes: agreement ranks answers, and it does not promise a
    Dice. Compare it with the real one by ``predicted_quality: {part: member_agreement}``.

    Args:
        least: Mean agreement below which an answer is refused; None only measures.
        samples: Passes with dropout, beside those asked for anyway; 0 where a run has members.

    Shapes: the answers ``(*space,)`` on the prepared grid.

    Raises:
        RecipeError: At prediction, where passes with dropout are asked for and the network has none.

    Source: Roy 2019 (arXiv:1811.09800), section 2.4 (Dice between Monte Carlo samples); ensembles: Lakshminarayanan
        2017 (arXiv:1612.01474).

    Example:
        >>> len(MemberAgreement(samples=4).passes())
        4
    """

    def __init__(
        self,
        least: Annotated[float, Gt(0), Le(1)] | None = None,
        samples: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.least = least
        self.samples = samples

    @classmethod
    def example(cls) -> MemberAgreement:
        return cls(samples=2)

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression

    def passes(self) -> list[Pass]:
        return [Pass(dropout=True, index=index) for index in range(self.samples)]

    def __call__(self, prediction: Prediction) -> Prediction:
        found = prediction.pass_agreement
        if found is None:
            return prediction
        names = prediction.question.classes[1:]
        known = {name: float(each) for name, each in zip(names, found, strict=True) if not np.isnan(each)}
        # Answers that all find nothing agree, and their agreement tells nothing of what they missed.
        mean = float(np.mean(list(known.values()))) if known else float("nan")
        prediction.parts |= {f"member_agreement_{name}": each for name, each in known.items()}
        prediction.parts["member_agreement"] = mean
        if self.least is not None and not mean >= self.least:
            said = "none of them found a structure" if np.isnan(mean) else f"their mean Dice is {mean:.2f}"
            prediction.refuse(f"the answers given to this image disagree: {said}, and {self.least:g} is the least")
        return prediction
