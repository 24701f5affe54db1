"""What MONAI's configuration of an exported bundle names: the sealed network, its preparation, and writing its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from preceptor.core.errors import RecipeError
from preceptor.intake.case import open_case
from preceptor.intake.write import write_map
from preceptor.prepare.compose import resample_like

from .bundle import Bundle
from .predicting import case_of, refuse_misfits
from .voting import Voting


class SealedNetwork(nn.Module):
    """A sealed bundle as a network: one prepared image in, probabilities out.

    Args:
        bundle: The sealed file; every byte is verified.

    Raises:
        BundleError: It is damaged, or can't be asked as one network.
        RecipeError: It looks at several views, and MONAI's inferers hand over one.
    """

    def __init__(self, bundle: str) -> None:
        super().__init__()
        self.bundle = Bundle.open(bundle)
        self.voting = Voting(self.bundle).eval()
        if len(self.voting.views) > 1:
            raise RecipeError(
                f"the model looks at the views {', '.join(self.voting.views)}, and MONAI's inferers hand over one",
                expected="a model of one view",
                remedy="predict with `preceptor predict`, or export ONNX",
                code="monai_one_view",
            )

    def forward(self, image: Tensor) -> Tensor:
        """``(batch, channel, *space)`` to ``(batch, class[, *space])``."""
        with torch.no_grad():
            return self.voting(image)


class Prepared:
    """Reads an image and prepares it as the model was trained.

    Args:
        network: With the bundle whose steps are taken.
    """

    def __init__(self, network: SealedNetwork) -> None:
        self.network = network

    def __call__(self, path: str | Path) -> Tensor:
        """``(1, channel, *space)`` float32 on the prepared grid.

        Raises:
            PrepareError: The image can't be read.
            Refusal: The model was not made for it.
        """
        bundle = self.network.bundle
        root, case = case_of(path, bundle.views, {})
        original = open_case(root, case, masks=())
        refuse_misfits(bundle, original)
        image = bundle.council("cpu").prepare(original).reference
        return torch.from_numpy(np.ascontiguousarray(image.array, np.float32))[None]


class Written:
    """Writes an answer: a label map on the image's own grid, or a table of probabilities.

    Args:
        network: With the bundle that answered.
        folder: Where to write.
    """

    def __init__(self, network: SealedNetwork, folder: str) -> None:
        self.network, self.folder = network, Path(folder)

    def __call__(self, probability: Tensor, path: str | Path) -> Any:
        """Write ``answer`` and give its path back.

        Args:
            probability: ``(1, class[, *space])``.
            path: Of the image.
        """
        bundle = self.network.bundle
        self.folder.mkdir(parents=True, exist_ok=True)
        if not bundle.question.dense:
            rows = [
                f"{name},{value}" for name, value in zip(bundle.question.classes, probability[0].tolist(), strict=True)
            ]
            out = self.folder / "answer.csv"
            out.write_text("\n".join(["class,probability", *rows]) + "\n", encoding="utf-8")
            return out
        root, case = case_of(path, bundle.views, {})
        original = open_case(root, case, masks=())
        affine_mm = bundle.council("cpu").prepare(original).reference.affine_mm
        label = probability[0].argmax(0).cpu().numpy().astype(np.uint8)
        native = resample_like(label[None], affine_mm, original.reference, nearest=True)[0]
        return write_map(self.folder / "answer", bundle.task.decode_mask(native), original.reference)
