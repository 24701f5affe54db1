"""Energy: cases that the network has little to say of are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.outliers import energy
from preceptor.prove.foreign_cases import limit_of


class Energy:
    """Refuses a case whose raw outputs are low over all classes.

    A softmax throws away how strong the outputs were; the free energy ``-T log sum exp(output / T)`` keeps it. The
    threshold is set on held-out calibration cases. Members of an ensemble are averaged. Of an evidential network with
    exponential evidence the energy (T = 1) is minus the logarithm of all evidence: the same order as its own doubt, and
    no more of a detector than that.

    Leaves ``energy`` in `parts`, and refuses where it is above the threshold. It needs raw outputs ``(member, class)``
    in the prediction, and costs one plain pass of each network.

    Args:
        temperature: The T, above 0.
        refused_share: Of cases of the right kind that may be refused. Promised where there are 1 / refused_share
            held-out cases, estimated where there are fewer.

    Raises:
        Refusal: At the fit, where there are no held-out cases.
        RecipeError: At the fit, where the network does not say where its last features are.

    Source: Liu 2020 (arXiv:2010.03759), eq. 4 and section 3.2, without fine-tuning on outliers; independent labels:
        Wang 2021 (arXiv:2109.14162).

    Example:
        >>> Energy(temperature=2.0).temperature
        2.0
    """

    fit_role = "calibrate"
    reads_features = True

    def __init__(
        self, temperature: Annotated[float, Gt(0)] = 1.0, refused_share: Annotated[float, Gt(0), Lt(1)] = 0.05
    ) -> None:
        self.temperature = temperature
        self.refused_share = refused_share
        self.limit: float | None = None

    @classmethod
    def example(cls) -> Energy:
        return cls()

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def fit(
        self,
        predictions: Predictions,
        samples: Callable[..., Iterator[Sample]],
        answers: Callable[[str], Predictions],
    ) -> dict[str, Any]:
        """The energy beyond which a case is refused.

        Args:
            predictions: Of the calibration cases, with raw outputs.
            samples: Not looked at.
            answers: Not asked: what the network says of training cases is too sure.
        """
        if predictions.outputs is None:
            raise Refusal(
                "no calibration case holds what the network said before it was read as probabilities",
                where="safeguards.energy",
                expected="calibration cases, predicted with their raw outputs",
                remedy="give `split` a calibrate share",
                code="outputs_missing",
            )
        found = self._energy(predictions.outputs, predictions.question)
        # The threshold takes distances above 0 that are about log-normal: those of energies are their exponentials.
        middle = float(np.median(found))
        return {"limit": middle + float(np.log(limit_of(np.exp(found - middle), self.refused_share)))}

    def with_state(self, state: Mapping[str, Any]) -> Energy:
        fitted = Energy(self.temperature, self.refused_share)
        fitted.limit = float(state["limit"])
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if prediction.outputs is None or self.limit is None:
            return prediction
        (found,) = self._energy(prediction.outputs[None], prediction.question)
        prediction.parts["energy"] = float(found)
        if found > self.limit:
            prediction.refuse(
                f"the network has too little to say of it (energy {found:.2f}, and {self.limit:.2f} is accepted)"
            )
        return prediction

    def _energy(self, outputs: np.ndarray, question: Question) -> np.ndarray:
        """``(case,)`` mean over the members."""
        return energy(outputs, question.exclusive, self.temperature).mean(1)
