"""One training."""

from __future__ import annotations

from preceptor.core.plugins import Fit


class Once:
    """Train once, on the split as it stands.

    Source: none needed; it is `fit` itself.

    Example:
        >>> Once().bind(fit) is fit  # doctest: +SKIP
        True
    """

    @classmethod
    def example(cls) -> Once:
        return cls()

    def bind(self, fit: Fit) -> Fit:
        return fit
