"""A digit is turned: what a softmax and what an evidential network say of it, from upright to upside down.

python -m benchmarks.rotated_digit [FIGURE.svg]

Sensoy 2018 (arXiv:1806.01768), figure 1, made anew with scikit-learn's own digits (8 x 8 pixels, no download). Both
networks are the same but for their objective. Five seeds; both refuse the doubt that 5 % of upright test digits exceed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from preceptor.core.evidence import Question
from preceptor.core.slots import build
from preceptor.maths.roc import auroc

QUESTION = Question("classification", "digit", tuple(map(str, range(10))))
ANGLES = tuple(range(0, 181, 10))
SEEDS, EPOCHS = range(5), 100


def main(figure: Path | None) -> None:
    began = time.perf_counter()
    digits = load_digits()
    found: dict[str, list[dict[str, np.ndarray]]] = {"cross_entropy": [], "evidential": []}
    shown: dict[str, np.ndarray] = {}
    for seed in SEEDS:
        train, test, truth, asked = train_test_split(
            digits.images / 16, digits.target, train_size=0.5, random_state=seed, stratify=digits.target
        )
        turned = np.stack([turn(test, angle) for angle in ANGLES])
        for name in found:
            probability, doubt = answers(name, train, truth, turned, seed)
            found[name].append(measured(probability, doubt, asked))
            if seed == 0:
                shown |= {"pictures": turned, "truth": asked, name: probability, f"{name} doubt": doubt}
    for name, each in found.items():
        print(f"\n### {name}\n")
        table({key: np.stack([seed[key] for seed in each]) for key in each[0]})
    print(f"\n{time.perf_counter() - began:.0f} s")
    if figure is not None:
        means = {name: {k: np.mean([s[k] for s in each], 0) for k in each[0]} for name, each in found.items()}
        draw(figure, means, of_one(shown))


def of_one(shown: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first test digit 1 that both networks answer rightly when it is upright."""
    right = shown["truth"] == 1
    for name in ("cross_entropy", "evidential"):
        right &= shown[name][0].argmax(-1) == 1
    one = int(np.flatnonzero(right)[0])
    return {name: each[:, one] for name, each in shown.items() if name != "truth"}


def turn(images: np.ndarray, angle: float) -> np.ndarray:
    """The images turned about their centre, on the same grid."""
    return ndimage.rotate(images, angle, axes=(1, 2), reshape=False, order=1)


def answers(name: str, train: np.ndarray, truth: np.ndarray, turned: np.ndarray, seed: int) -> tuple[Any, Any]:
    """``(angle, image, class)`` probabilities and ``(angle, image)`` doubt of a network trained with an objective.

    The doubt of the evidential network is its own; of the softmax it is the entropy of the probabilities.
    """
    torch.manual_seed(seed)
    layers = (nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    network = nn.Sequential(nn.Flatten(), *layers)
    objective = build("objectives", name)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    given, labels = torch.from_numpy(train).float(), torch.from_numpy(truth).long()
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(given)).split(32):
            objective.progress = epoch / EPOCHS
            optimizer.zero_grad()
            objective.loss(network(given[rows]), labels[rows]).mean().backward()
            optimizer.step()
    with torch.no_grad():
        decoded = objective.decode(network(torch.from_numpy(turned).float().reshape(-1, 8, 8)), QUESTION)
    probability = decoded.probability.double().numpy().reshape(*turned.shape[:2], 10)
    entropy = -(probability * np.log(np.maximum(probability, 1e-12))).sum(-1) / np.log(10)
    own = decoded.uncertainty
    return probability, entropy if own is None else own.numpy().reshape(turned.shape[:2])


def measured(probability: np.ndarray, doubt: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Of every angle: how good, how sure, and what is left once the doubtful are refused."""
    right = probability.argmax(-1) == asked
    accepted = doubt <= np.quantile(doubt[0], 0.95)
    upright = np.zeros(len(asked))
    return {
        "accuracy": right.mean(1),
        "mean top probability": probability.max(-1).mean(1),
        "mean doubt": doubt.mean(1),
        "refused": 1 - accepted.mean(1),
        "given and wrong": (accepted & ~right).mean(1),
        "wrong at p >= 0.9": ((probability.max(-1) >= 0.9) & ~right).mean(1),
        "AUROC, wrong": np.array([auroc(1.0 - one, each) for one, each in zip(right, doubt, strict=True)]),
        "AUROC, turned": np.array([auroc(np.r_[upright, upright + 1], np.r_[doubt[0], each]) for each in doubt]),
    }


def table(values: dict[str, np.ndarray]) -> None:
    """The mean over seeds, with the smallest and the largest in brackets, at six angles."""
    print(f"| angle | {' | '.join(values)} |\n|{'---|' * (len(values) + 1)}")
    for at in (0, 3, 6, 9, 12, 18):
        cells = [f"{v[:, at].mean():.3f} ({v[:, at].min():.3f} to {v[:, at].max():.3f})" for v in values.values()]
        print(f"| {ANGLES[at]}° | {' | '.join(cells)} |")


def draw(path: Path, curves: dict[str, dict[str, np.ndarray]], shown: dict[str, np.ndarray]) -> None:
    """One digit with what both say of it, and below all test digits."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams |= {"svg.hashsalt": "digit", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    figure = pyplot.figure(figsize=(7.2, 6.4))
    grid = figure.add_gridspec(3, 2, height_ratios=(0.5, 2, 2), hspace=0.55, wspace=0.25)
    strip = figure.add_subplot(grid[0, :])
    strip.imshow(np.concatenate([np.pad(each, 1) for each in shown["pictures"][::2]], axis=1), cmap="gray_r")
    strip.set(xticks=5 + 10 * np.arange(10), xticklabels=[f"{each}°" for each in ANGLES[::2]], yticks=[])
    strip.set_title("one test digit, turned", loc="left")
    titles = {"cross_entropy": "softmax", "evidential": "evidential"}
    for column, (name, title) in enumerate(titles.items()):
        axes = figure.add_subplot(grid[1, column])
        for digit in np.flatnonzero(shown[name].max(0) > 0.25):
            axes.plot(ANGLES, shown[name][:, digit], color=f"C{digit}", label=f"says {digit}")
        axes.plot(ANGLES, shown[f"{name} doubt"], "k--", label="doubt")
        axes.set(
            title=f"{title}: this digit (seed 0)", ylim=(0, 1), xticks=range(0, 181, 30), ylabel="probability, doubt"
        )
        axes.legend(fontsize=6, frameon=False, loc="center right")
    for column, (key, title) in enumerate(
        (("refused", "all test digits: refused"), ("given and wrong", "all test digits: answered, and wrong"))
    ):
        axes = figure.add_subplot(grid[2, column])
        for name, label in titles.items():
            axes.plot(ANGLES, curves[name][key], label=label)
        for angle in (30, 90):
            axes.axvline(angle, color="0.8", zorder=0)
        axes.set(title=title, ylim=(0, 1), xticks=range(0, 181, 30), xlabel="angle in degrees", ylabel="share")
        axes.legend(fontsize=6, frameon=False)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
