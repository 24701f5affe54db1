"""The hallucination audit: does a model that turns one image into another invent lesions, or lose them?

A translator that is trained to make its output look like a set of target images reproduces how often lesions occur in
that set. The audit measures that against known truth, as a function of the training mix, and beside the error of the
whole image, which does not show it. Plain translators serve as controls: one trained on pairs, one trained to match
distributions, and two that match them without any training, by quantiles of grey values and by mean and covariance. Any
translator can be audited in their place.

Source: Cohen, Luck & Honari 2018 (arXiv:1805.08841).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from preceptor.maths.distribution_matching import moment_map, quantile_map
from preceptor.maths.hallucination import lesion_patches, lesion_rates, sees_lesion
from preceptor.prove.report.svg import Chart

#: Above this rate of lesions that appear or vanish a translator is not for diagnosis.
LIMIT = 0.1

#: Above this rate of its own errors on true target images the detector can't judge anybody.
DETECTOR_LIMIT = 0.05

#: Of the images' scale.
_MIDDLE = 0.5

#: ``(image, 8, 8)`` source to ``(image, 8, 8)`` target.
Translate = Callable[[np.ndarray], np.ndarray]

#: Trains a translator on source and target images ``(image, 8, 8)``, with a seed.
Train = Callable[[np.ndarray, np.ndarray, int], Translate]


@dataclass(frozen=True)
class Audit:
    """What became of the lesions of images whose truth is known.

    Args:
        training_share: Share of target images with a lesion that the translator was trained on.
        appearance, disappearance: See `preceptor.maths.hallucination.LesionRates`.
        shown: Share of translations that show a lesion.
        there: Share of sources that have one.
        error: Mean absolute difference from the true target image: what such models are usually judged by.
        detector_error: The detector's own larger rate of errors on the true target images.
    """

    training_share: float
    appearance: float
    disappearance: float
    shown: float
    there: float
    error: float
    detector_error: float

    @property
    def verdict(self) -> str:
        """In words."""
        if self.detector_error > DETECTOR_LIMIT:
            return "not judged: the detector errs on true images"
        worst = max(self.appearance, self.disappearance)
        return "not for diagnosis" if worst > LIMIT else "no lesion in ten appears or vanishes"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def audit(translate: Translate, training_share: float, seed: int = 0, images: int = 1000) -> Audit:
    """Translate images of which every second has a lesion, and count what became of them.

    Args:
        translate: From source to target.
        training_share: Told in the result.
        seed: Of the images, which no translator was trained on.
        images: How many.
    """
    # A stream of its own: the same seed trains on other images.
    given = lesion_patches(images, 0.5, np.random.default_rng([seed, 1]))
    made = translate(given.source)
    seen = sees_lesion(made)
    rates = lesion_rates(given.lesion, seen)
    detector = lesion_rates(given.lesion, sees_lesion(given.target))
    return Audit(
        training_share,
        rates.appearance,
        rates.disappearance,
        float(seen.mean()),
        float(given.lesion.mean()),
        float(np.abs(made - given.target).mean()),
        detector.worst,
    )


def audit_training(train: Train, share: float, *, pairs: bool, seed: int = 0, images: int = 1500) -> Audit:
    """Train a translator on a mix of images and audit it.

    Args:
        train: For one, `train_paired` or `train_unpaired`.
        share: Of the target images that show a lesion.
        pairs: Whether source and target are the same tissue. Otherwise they are other people's, and every second
            source has a lesion.
        seed: Of everything.
        images: For training, a domain.
    """
    generator = np.random.default_rng([seed, 0])
    target = lesion_patches(images, share, generator)
    source = target if pairs else lesion_patches(images, 0.5, generator)
    return audit(train(source.source, target.target, seed), share, seed)


def train_paired(source: np.ndarray, target: np.ndarray, seed: int, steps: int = 600, batch: int = 96) -> Translate:
    """A translator that learns from pairs, by the absolute difference.

    Args:
        source, target: ``(image, 8, 8)``, the same tissue at the same position.
        seed: Of weights and batches.
        steps, batch: Of training.
    """

    def loss(made: Any, chosen: Any, back: Any) -> Any:
        return (made - chosen.target).abs().mean()

    return _train(source, target, seed, steps, batch, loss, paired=True, cycle=0.0)


def train_unpaired(
    source: np.ndarray,
    target: np.ndarray,
    seed: int,
    steps: int = 600,
    batch: int = 96,
    cycle: float = 0.0,
    middle: float = _MIDDLE,
) -> Translate:
    """A translator that learns to make its images, as a set, look like the target images.

    Args:
        source, target: ``(image, 8, 8)`` of other people.
        seed: Of weights and batches.
        steps, batch: Of training.
        cycle: Weight of the absolute difference after going there and back, both ways (CycleGAN's term).
        middle: Subtracted from what the networks are fed and added to what they make. It matters: fed values that are
            all positive (0), the networks first learn to make darker outputs of darker inputs, and lesions move from
            those who have one to those who have none. Both sets match, and nearly every image is wrong.
    """
    from preceptor.maths.mean_discrepancy import mean_discrepancy

    def loss(made: Any, chosen: Any, back: Any) -> Any:
        there = mean_discrepancy(made, chosen.target)
        if back is None:
            return there
        forth, other = back
        again = (other(made) - chosen.source).abs().mean() + (forth(other(chosen.target)) - chosen.target).abs().mean()
        return there + mean_discrepancy(other(chosen.target), chosen.source) + cycle * again

    return _train(source, target, seed, steps, batch, loss, paired=False, cycle=cycle, middle=middle)


#: How a control is made.
Kind = Literal["paired", "unpaired", "cycle", "off centre", "quantiles", "moments", "quantiles kept"]


def by_share(kind: Kind, shares: Sequence[float], seeds: Sequence[int]) -> list[list[Audit]]:
    """The controls audited over training mixes: ``[share][seed]``.

    Args:
        kind: How the translator is made. "off centre" is "unpaired" on pixels as they are; "quantiles" and "moments" match
            a histogram, or mean and covariance, told that contrast is turned over; "quantiles kept" is not told.
        shares: Of target images with a lesion.
        seeds: One training each.
    """

    def train(source: np.ndarray, target: np.ndarray, seed: int) -> Translate:
        if kind == "paired":
            return train_paired(source, target, seed)
        if kind == "moments":
            return moment_map(source, target, turned=True)
        if kind in ("quantiles", "quantiles kept"):
            return quantile_map(source, target, turned=kind == "quantiles")
        middle = 0.0 if kind == "off centre" else _MIDDLE
        return train_unpaired(source, target, seed, cycle=0.5 if kind == "cycle" else 0.0, middle=middle)

    return [[audit_training(train, share, pairs=kind == "paired", seed=seed) for seed in seeds] for share in shares]


def share_chart(audits: dict[str, list[list[Audit]]]) -> Markup:
    """Cohen's figure: lesions in the training images against lesions in the output, while half of the sources have one.

    Args:
        audits: ``{name: [share][seed]}``; the line is the median over seeds, the bars the least and the greatest.
    """
    chart = Chart(
        (-0.02, 1.02),
        (0, 1),
        "Lesions in the target images trained on (share)",
        "Translations that show a lesion (share)",
        "Share of translations with a lesion against the share of lesions in the training images, by kind of training",
    )
    chart.reference(0, 0.5, 1, 0.5)
    chart.text(0.99, 0.535, "in truth", anchor="end")
    for series, (name, rows) in enumerate(audits.items()):
        shares = [row[0].training_share for row in rows]
        shown = [[each.shown for each in row] for row in rows]
        chart.line(shares, [float(np.median(each)) for each in shown], series=series, name=name)
        for share, each in zip(shares, shown, strict=True):
            chart.whisker(share, min(each), max(each), series=series)
    return chart.render()


# -------------------------------------------------------------------- training


@dataclass(frozen=True)
class _Chosen:
    source: Any
    target: Any


def _flat(images: np.ndarray, torch: Any) -> Any:
    return torch.as_tensor(images.reshape(len(images), -1), dtype=torch.float32)


def _translator(torch: Any, middle: float) -> Any:
    """A linear map and a small network side by side, of values about the middle of the scale."""
    from torch import nn

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 64)
            self.bent = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))

        def forward(self, flat: Any) -> Any:
            centred = flat - middle
            return self.linear(centred) + self.bent(centred) + middle

    return Translator()


def _train(
    source: np.ndarray,
    target: np.ndarray,
    seed: int,
    steps: int,
    batch: int,
    loss: Callable[[Any, Any, Any], Any],
    *,
    paired: bool,
    cycle: float,
    middle: float = _MIDDLE,
) -> Translate:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        forth = _translator(torch, middle)
        other = _translator(torch, middle) if cycle else None
        generator = torch.Generator().manual_seed(seed)
        sides = _flat(source, torch), _flat(target, torch)
        networks = [forth] if other is None else [forth, other]
        optimizer = torch.optim.Adam([each for network in networks for each in network.parameters()], lr=2e-3)
        for _ in range(steps):
            first = torch.randint(len(sides[0]), (batch,), generator=generator)
            second = first if paired else torch.randint(len(sides[1]), (batch,), generator=generator)
            chosen = _Chosen(sides[0][first], sides[1][second])
            optimizer.zero_grad()
            loss(forth(chosen.source), chosen, None if other is None else (forth, other)).backward()
            optimizer.step()

    def translate(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            made: np.ndarray = forth(_flat(images, torch)).numpy().reshape(images.shape)
        return made

    return translate
