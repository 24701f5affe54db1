"""The experiment of the sanity checks: chest X-rays with a disc planted in half of them, and networks that find it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def discs(folder: Path, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, labels and where the disc is (radius 3, +0.35) in PneumoniaMNIST's training images.

    Returns:
        ``(case, 1, 28, 28)`` images, ``(case,)`` labels, ``(case, 28, 28)`` bool.
    """
    rng = np.random.default_rng(seed)
    with np.load(folder / "pneumoniamnist.npz") as stored:
        pixels = stored["train_images"]
    pixels = pixels[rng.permutation(len(pixels))[:count]].astype(np.float32) / 255
    rows, columns = np.mgrid[:28, :28]
    labels = (np.arange(count) % 2).astype(np.int64)
    masks = np.zeros(pixels.shape, dtype=bool)
    for index in np.flatnonzero(labels):
        x, y = rng.integers(4, 24, 2)
        masks[index] = (rows - x) ** 2 + (columns - y) ** 2 <= 9
    return (
        torch.from_numpy((pixels + np.float32(0.35) * masks)[:, None]),
        torch.from_numpy(labels),
        torch.from_numpy(masks),
    )


def shallow() -> nn.Module:
    """Network A: three convolutions, read at 14 x 14."""
    return _network((16, 32, 32), halved_after=(0,))


def deep() -> nn.Module:
    """Network B: eight convolutions with batch norms, without which they learn nothing in 250 steps; read at 7 x 7."""
    return _network((12, 12, 16, 16, 24, 24, 32, 32), halved_after=(1, 3), normalised=True)


def _network(channels: tuple[int, ...], halved_after: tuple[int, ...], normalised: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    entering = 1
    for index, leaving in enumerate(channels):
        layers.append(nn.Conv2d(entering, leaving, 3, padding=1))
        layers += [nn.BatchNorm2d(leaving), nn.ReLU()] if normalised else [nn.ReLU()]
        if index in halved_after:
            layers.append(nn.MaxPool2d(2))
        entering = leaving
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(entering, 2))
    network.last_features = str(len(layers) - 1)
    return network


def trained(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, steps: int, seed: int) -> nn.Module:
    """Adam 3e-3 on batches of 64.

    Without batch norms a start may never leave chance (network A with seed 1 had not after 400 steps): look at the
    accuracy before anything else.
    """
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            module.reset_parameters()
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        rows = torch.randint(0, len(images), (64,))
        loss = functional.cross_entropy(network(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()
