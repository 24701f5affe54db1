"""Each augmentation of pixel values on a patch of 32 x 40 x 32, beside MONAI's and TorchIO's where they have one.

    python -m benchmarks.augmentations [rounds]

One thread. What is timed is drawing and applying, on a patch copied anew each time (the copy is not counted); every
transform of every library takes its turn in each round, and the median over rounds is told, in microseconds of processor time.
Equivalent means the same kind of artefact, not the same code: what differs is told in docs/results/speed_augment.md.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from preceptor.core.applied import Intensity, parts
from preceptor.core.cohort import Sample
from preceptor.core.image import Image
from preceptor.core.slots import build

PATCH = (1, 32, 40, 32)
PICTURE = (3, 224, 224)
REPEATS = 5

VOLUME = [
    *("noise", "rician_noise", "poisson_noise", "speckle", "gamma", "contrast", "brightness", "blur", "sharpen"),
    *("bias_field", "motion", "ghosting", "spike", "anisotropy", "low_dose", "jpeg", "cutout"),
    *("ultrasound_shadow", "ultrasound_gain"),
]
PICTURES = ["stain_jitter", "screen_photograph", "jpeg"]


def ours(name: str, shape: tuple[int, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Draw and apply, as the loader does."""
    transform = build("transforms", {"jpeg": {"colour": True}} if (name, len(shape)) == ("jpeg", 3) else name)
    grid = np.broadcast_to(np.float32(np.nan), shape)
    sample = Sample("a", {"image": Image(grid, np.eye(4))})
    rng = np.random.default_rng(0)

    def apply(image: torch.Tensor) -> torch.Tensor:
        for applied in parts(transform.draw(rng, sample)):
            if isinstance(applied, Intensity):
                image = applied.function(image)
        return image

    return apply


def monai() -> dict[str, Callable[[torch.Tensor], Any]]:
    from monai import transforms as of

    return {
        "noise": of.RandGaussianNoise(prob=1, std=0.1),
        "rician_noise": of.RandRicianNoise(prob=1, std=0.1),
        "gamma": of.RandAdjustContrast(prob=1, gamma=(0.7, 1.5)),
        "contrast": of.RandScaleIntensityFixedMean(prob=1, factors=0.25, preserve_range=True),
        "brightness": of.RandShiftIntensity(offsets=0.3, prob=1),
        "blur": of.RandGaussianSmooth((0, 1), (0, 1), (0, 1), prob=1),
        "sharpen": of.RandGaussianSharpen(prob=1),
        "bias_field": of.RandBiasField(prob=1),
        "spike": of.RandKSpaceSpikeNoise(prob=1),
        "anisotropy": of.RandSimulateLowResolution(prob=1),
        "cutout": of.RandCoarseDropout(holes=1, spatial_size=10, fill_value=0, prob=1),
    }


def torchio() -> dict[str, Callable[[torch.Tensor], Any]]:
    import torchio as of

    return {
        "noise": of.RandomNoise(std=(0, 0.1)),
        "gamma": of.RandomGamma(),
        "blur": of.RandomBlur(std=(0, 1)),
        "bias_field": of.RandomBiasField(),
        "motion": of.RandomMotion(degrees=3, translation=3, num_transforms=2),
        "ghosting": of.RandomGhosting(num_ghosts=(2, 6)),
        "spike": of.RandomSpike(),
        "anisotropy": of.RandomAnisotropy(downsampling=(1, 5)),
    }


def others(name: str, dims: int) -> Callable[[torch.Tensor], Any] | None:
    """A plain way with another library, where neither has one."""
    from PIL import Image as Picture

    def slices(image: torch.Tensor) -> list[np.ndarray]:
        levels = ((image - image.min()) / (image.max() - image.min()) * 255).to(torch.uint8)[0].numpy()
        found = []
        for number in range(levels.shape[-1]):
            kept = io.BytesIO()
            Picture.fromarray(np.ascontiguousarray(levels[..., number])).save(kept, "JPEG", quality=70)
            found.append(np.asarray(Picture.open(kept)))
        return found

    def stains(image: torch.Tensor) -> np.ndarray:
        from skimage.color import hed2rgb, rgb2hed

        dyes = rgb2hed(image.movedim(0, -1).numpy() / 255)
        return hed2rgb(dyes * np.array([1.03, 0.98, 1.01]) + 0.01)

    return {("jpeg", 3): slices, ("stain_jitter", 2): stains}.get((name, dims))


def microseconds(function: Callable[[torch.Tensor], Any], image: torch.Tensor) -> float:
    """Mean over a few calls."""
    copies = [image.clone() for _ in range(REPEATS)]
    begin = time.process_time()
    for each in copies:
        function(each)
    return (time.process_time() - begin) / REPEATS * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    volume = torch.randn(PATCH, generator=torch.Generator().manual_seed(0))
    picture = torch.rand(PICTURE, generator=torch.Generator().manual_seed(0)).mul_(255)
    peers = {"MONAI": monai(), "TorchIO": torchio()}
    timed: dict[tuple[str, int, str], tuple[Callable, torch.Tensor]] = {}
    for names, image, shape, dims in ((VOLUME, volume, PATCH, 3), (PICTURES, picture, PICTURE, 2)):
        for name in names:
            timed[name, dims, "preceptor"] = ours(name, shape), image
            for library, having in peers.items():
                if dims == 3 and name in having:
                    timed[name, dims, library] = having[name], image
            plain = others(name, dims)
            if plain:
                timed[name, dims, "plain"] = plain, image
    found: dict[tuple[str, int, str], list[float]] = {key: [] for key in timed}
    for number in range(rounds + 1):
        for key, (function, image) in timed.items():
            took = microseconds(function, image)
            if number:  # the first warms up
                found[key].append(took)
    print("| microseconds | preceptor | MONAI | TorchIO | another way | preceptor is |")
    print("|---|---|---|---|---|---|")
    for names, dims in ((VOLUME, 3), (PICTURES, 2)):
        for name in names:
            medians = {
                library: statistics.median(found[name, dims, library])
                for library in ("preceptor", "MONAI", "TorchIO", "plain")
                if (name, dims, library) in found
            }
            mine = medians.pop("preceptor")
            cells = [f"{medians[each]:.0f}" if each in medians else "" for each in ("MONAI", "TorchIO", "plain")]
            ratio = f"{min(medians.values()) / mine:.1f} x" if medians else ""
            print(f"| `{name}`{' (picture)' if dims == 2 else ''} | **{mine:.0f}** | {' | '.join(cells)} | {ratio} |")


if __name__ == "__main__":
    main()
