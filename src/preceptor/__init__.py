"""From the scanner to a model a clinic can trust: sealed with its evidence, or refused with a reason.

The public names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "run": "api",
    "seal": "api",
    "evaluate": "api",
    "open_bundle": "api",
    "open_run": "api",
    "predict": "api",
    "compare": "api",
    "audit": "api",
    "Run": "runs",
    "Bundle": "deliver.bundle",
    "Recipe": "recipe.resolve",
    "Image": "core.image",
    "Case": "core.cohort",
    "Sample": "core.cohort",
    "Cohort": "core.cohort",
    "Evidence": "core.evidence",
    "Finding": "core.evidence",
    "Predictions": "core.evidence",
    "Problem": "core.errors",
    "PreceptorError": "core.errors",
    "RecipeError": "core.errors",
    "CohortError": "core.errors",
    "PrepareError": "core.errors",
    "TrainError": "core.errors",
    "BundleError": "core.errors",
    "MissingExtra": "core.errors",
    "Refusal": "core.errors",
}
__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from .api import audit, compare, evaluate, open_bundle, open_run, predict, run, seal  # noqa: F401
    from .core.cohort import Case, Cohort, Sample  # noqa: F401
    from .core.errors import (  # noqa: F401
        BundleError,
        CohortError,
        MissingExtra,
        PreceptorError,
        PrepareError,
        Problem,
        RecipeError,
        Refusal,
        TrainError,
    )
    from .core.evidence import Evidence, Finding, Predictions  # noqa: F401
    from .core.image import Image  # noqa: F401


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'preceptor' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
