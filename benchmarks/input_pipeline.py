"""Patches a second out of the input pipeline, beside MONAI, TorchIO and batchgeneratorsv2.

Hippocampus MRI, patches of 32 x 40 x 32 voxels in batches of 4, each mirrored (chance 1/2), turned, scaled, deformed, with noise
and gamma; images linearly, labels by nearest neighbour, in every pipeline; torch on one thread. Every pipeline runs in turn in
each round, so that whatever else the machine does falls on all alike; the medians of the rounds' ratios are printed, by the
clock and by processor time (which other users of the machine disturb less).

    python -m benchmarks.input_pipeline FOLDER_OF_HIPPOCAMPUS [--rounds 9] [--first | --plain]

``--first`` measures instead, each in a process of its own, the time to the first 178 patches and the memory it took. ``--plain``
measures our loader without spatial augmentation beside nothing but copying the same patches.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch

PATCH, BATCH = (32, 40, 32), 4
DEGREES, SCALE, SPACING, DISPLACEMENT, SIGMA, GAMMA = 10.0, 0.1, 16.0, 2.0, 0.1, (0.7, 1.5)


def pairs(root: Path) -> list[tuple[Path, Path]]:
    return [(image, root / "labels" / image.name) for image in sorted((root / "images").glob("*.nii.gz"))]


AUGMENT: list[dict[str, Any]] = [
    {"flip": {"axes": ["left-right"], "chance": 0.5}},
    {"affine": {"degrees": DEGREES, "scale": SCALE}},
    {"elastic": {"spacing_mm": SPACING, "sigma_mm": DISPLACEMENT}},
    {"noise": {"sigma": SIGMA}},
    {"gamma": {"lowest": GAMMA[0], "highest": GAMMA[1]}},
]


def our_loader(root: Path, workers: int, scratch: Path, augment: list[dict[str, Any]]) -> Any:
    from preceptor.core.cohort import Case, Cohort
    from preceptor.core.slots import build
    from preceptor.prepare.loader import Loader
    from preceptor.prepare.store import prepare

    cases = tuple(
        Case(image.name[:-7], {"mri": f"images/{image.name}"}, masks={"label": f"labels/{label.name}"}, role="train")
        for image, label in pairs(root)
    )
    task = build("tasks", {"segmentation": {"labels": {"anterior": 1, "posterior": 2}}})
    store = prepare(Cohort(cases, root), [build("transforms", "zscore")], task, scratch / "prepared", fit_on=cases)
    return Loader(
        store,
        cases,
        task,
        views=("mri",),
        batch_size=BATCH,
        seed=0,
        augment=[build("transforms", each) for each in augment],
        patch=PATCH,
        foreground_share=0.0,
        workers=workers,
    )


def endless(loader: Any) -> Iterator[int]:
    epoch = 0
    while True:
        for batch in loader.epoch(epoch):
            yield len(batch)
        epoch += 1


def preceptor(root: Path, workers: int, scratch: Path) -> Iterator[int]:
    yield from endless(our_loader(root, workers, scratch, AUGMENT))


def monai(root: Path, workers: int, scratch: Path) -> Iterator[int]:
    from monai.data import CacheDataset, DataLoader
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        LoadImaged,
        NormalizeIntensityd,
        RandAdjustContrastd,
        RandAffined,
        RandFlipd,
        RandGaussianNoised,
        RandGridDistortiond,
        RandSpatialCropd,
        SpatialPadd,
    )

    turn = np.deg2rad(DEGREES)
    both = ["image", "label"]
    moved = {"keys": both, "mode": ("bilinear", "nearest"), "padding_mode": "zeros"}
    transform = Compose(
        [
            LoadImaged(both),
            EnsureChannelFirstd(both),
            NormalizeIntensityd("image"),
            SpatialPadd(both, PATCH),
            RandSpatialCropd(both, PATCH, random_size=False),
            RandFlipd(both, prob=0.5, spatial_axis=0),
            RandAffined(prob=1.0, rotate_range=(turn,) * 3, scale_range=(SCALE,) * 3, **moved),
            RandGridDistortiond(
                num_cells=2, prob=1.0, distort_limit=0.1, **moved
            ),  # five times faster than Rand3DElasticd
            RandGaussianNoised("image", prob=1.0, std=SIGMA),
            RandAdjustContrastd("image", prob=1.0, gamma=GAMMA),
        ]
    )
    files = [{"image": str(image), "label": str(label)} for image, label in pairs(root)]
    data = CacheDataset(files, transform, cache_rate=1.0, num_workers=2, progress=False)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    while True:
        for batch in loader:
            yield len(batch["image"])


def torchio(root: Path, workers: int, scratch: Path) -> Iterator[int]:
    import SimpleITK
    import torchio as tio
    from torch.utils.data import DataLoader

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    subjects = []
    for image, label in pairs(root):
        subject = tio.Subject(image=tio.ScalarImage(image), label=tio.LabelMap(label))
        shape = tuple(max(size, width) for size, width in zip(subject.spatial_shape, PATCH, strict=True))
        subjects.append(tio.Compose([tio.ZNormalization(), tio.CropOrPad(shape)])(subject))
    transform = tio.Compose(
        [
            tio.RandomFlip(axes=("LR",), flip_probability=0.5),
            tio.RandomAffine(scales=SCALE, degrees=DEGREES),
            tio.RandomElasticDeformation(num_control_points=5, max_displacement=DISPLACEMENT * 2),
            tio.RandomNoise(std=(0, SIGMA)),
            tio.RandomGamma(log_gamma=tuple(np.log(GAMMA))),
        ]
    )
    data = tio.SubjectsDataset(subjects, transform=transform)
    queue = tio.Queue(
        # Eight patches share one varied volume: what its queue is for. With one each it makes an eighth of the patches.
        data,
        max_length=64,
        samples_per_volume=8,
        sampler=tio.UniformSampler(PATCH),
        num_workers=workers,
        verbose=False,
    )
    loader = DataLoader(
        queue,
        batch_size=BATCH,
        num_workers=0,
        collate_fn=lambda patches: torch.stack([p["image"].data for p in patches]),
    )
    while True:
        for batch in loader:
            yield len(batch)


class _Batchgenerators(torch.utils.data.Dataset):
    """Whole normalised cases in memory; the spatial transform cuts the patch out of them, as it is fastest."""

    def __init__(self, root: Path) -> None:
        import nibabel
        from batchgeneratorsv2.helpers.scalar_type import RandomScalar  # noqa: F401
        from batchgeneratorsv2.transforms.intensity.contrast import BGContrast
        from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
        from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
        from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
        from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
        from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

        self.cases = []
        for image, label in pairs(root):
            array = np.asarray(nibabel.load(image).dataobj, dtype=np.float32)
            array = (array - array.mean()) / array.std()
            truth = np.asarray(nibabel.load(label).dataobj).astype(np.int16)
            self.cases.append((torch.from_numpy(array[None]), torch.from_numpy(truth[None])))
        turn = np.deg2rad(DEGREES)
        self.transform = ComposeTransforms(
            [
                SpatialTransform(
                    PATCH,
                    patch_center_dist_from_border=[each // 2 for each in PATCH],
                    random_crop=True,
                    p_elastic_deform=1,
                    elastic_deform_scale=(0.2, 0.25),
                    elastic_deform_magnitude=(0, DISPLACEMENT),
                    p_rotation=1,
                    rotation=(-turn, turn),
                    p_scaling=1,
                    scaling=(1 - SCALE, 1 + SCALE),
                    p_synchronize_scaling_across_axes=1,
                    bg_style_seg_sampling=False,
                    mode_seg="nearest",
                ),
                MirrorTransform(allowed_axes=(0,)),
                GaussianNoiseTransform(noise_variance=(0, SIGMA), p_per_channel=1, synchronize_channels=True),
                GammaTransform(
                    gamma=BGContrast(GAMMA),
                    p_invert_image=0,
                    synchronize_channels=True,
                    p_per_channel=1,
                    p_retain_stats=0,
                ),
            ]
        )

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, case: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, truth = self.cases[case]
        done = self.transform(image=image, segmentation=truth)
        return done["image"], done["segmentation"]


def batchgeneratorsv2(root: Path, workers: int, scratch: Path) -> Iterator[int]:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Batchgenerators(root), batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        for image, _ in loader:
            yield len(image)


def bare_crops(loader: Any) -> Iterator[int]:
    """Nothing but copying the patches of image and label that the loader cuts, from arrays in memory, to where they are known."""
    examples = loader._examples
    sources, boxes = [], []
    for key in loader.index.keys:
        prepared = examples._store.prepared(key)
        sources.append((np.array(prepared.image("mri").array), np.array(prepared.mask("label").array)))
    for told in (each for batch in loader._draws(0, None) for each in batch):
        shape = sources[told.case][0].shape[1:]
        first = [int(u * max(size - width + 1, 1)) for u, size, width in zip(told.place[1:], shape, PATCH, strict=True)]
        box = tuple(slice(a, a + width) for a, width in zip(first, PATCH, strict=True))
        boxes.append((told.case, (slice(None), *box)))
    while True:
        for case, box in boxes:
            image, label = sources[case]
            image[box].copy(), label[box].copy()
            yield 1


def compare_plain(root: Path, rounds: int, seconds: float) -> None:
    """Our loader without augmentation, and with intensities alone, beside bare copies of the same patches."""
    with tempfile.TemporaryDirectory() as folder:
        loaders = {
            "preceptor, crops": our_loader(root, 0, Path(folder), []),
            "preceptor, crops, noise and gamma": our_loader(root, 0, Path(folder), AUGMENT[3:]),
        }
        streams = {name: endless(loader) for name, loader in loaders.items()}
        streams["bare copies"] = bare_crops(loaders["preceptor, crops"])
        speeds: dict[str, list[Speed]] = {name: [] for name in streams}
        for stream in streams.values():
            rate(stream, seconds, 60)
        for _ in range(rounds):
            for name, stream in streams.items():
                speeds[name].append(rate(stream, seconds))
    print(f"\n{rounds} rounds, medians: ours as a share of bare copies, by the clock / by processor time")
    for name in loaders:
        against = speeds["bare copies"]
        print(f"  {name:36} {_ratio(speeds[name], against, 'wall'):.0%} / {_ratio(speeds[name], against, 'work'):.0%}")


PIPELINES: dict[str, Callable[[Path, int, Path], Iterator[int]]] = {
    "preceptor": preceptor,
    "batchgeneratorsv2": batchgeneratorsv2,
    "TorchIO queue": torchio,
    "MONAI cached": monai,
}


def bare_passes() -> dict[str, Callable[[], int]]:
    """The work that can't be avoided, one patch of it: what a perfect pipeline out of torch's own parts would take."""

    def counted(once: Callable[[], Any]) -> Callable[[], int]:
        def one() -> int:
            once()
            return 1

        return one

    image, label = torch.randn(1, 1, 35, 51, 35), torch.randint(0, 3, (1, 1, 35, 51, 35)).float()
    theta = torch.eye(3, 4)[None] + 0.05 * torch.randn(1, 3, 4)
    grid = torch.nn.functional.affine_grid(theta, [1, 1, *PATCH], align_corners=True)
    patch = torch.rand(PATCH)
    sample = torch.nn.functional.grid_sample
    return {
        "linear resampling": counted(lambda: sample(image, grid, align_corners=True)),
        "nearest resampling": counted(lambda: sample(label, grid, mode="nearest", align_corners=True)),
        "noise": counted(lambda: patch + torch.randn(PATCH) * 0.1),
        "gamma": counted(lambda: patch.pow(1.2)),
    }


@dataclass
class Speed:
    """Of one pipeline in one round.

    Args:
        wall: Patches in a second of the clock.
        work: Patches in a second of processor time, this process and its workers together.
    """

    wall: float
    work: float


def rate(stream: Iterator[int], seconds: float, unmeasured: int = 0) -> Speed:
    """How fast a pipeline is over some time, after some batches that do not count."""
    for _ in range(unmeasured):
        next(stream)
    began, worked, patches = time.perf_counter(), processor_seconds(), 0
    while time.perf_counter() - began < seconds or patches < 40:
        patches += next(stream)
    wall, work = time.perf_counter() - began, processor_seconds() - worked
    return Speed(patches / wall, patches / work)


def processor_seconds() -> float:
    """Of this process and its children."""
    total = time.process_time()
    for pid in descendants()[1:]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def descendants() -> list[int]:
    """This process and those it started."""
    found, waiting = [], [os.getpid()]
    while waiting:
        found.append(pid := waiting.pop())
        for task in Path(f"/proc/{pid}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def compare(root: Path, workers: int, rounds: int, seconds: float) -> dict[str, list[Speed]]:
    """Every pipeline in every round; the bare passes too where nobody helps."""
    speeds: dict[str, list[Speed]] = {name: [] for name in PIPELINES}
    with tempfile.TemporaryDirectory() as folder:
        streams = {name: make(root, workers, Path(folder)) for name, make in PIPELINES.items()}
        for stream in streams.values():
            rate(stream, seconds, 45)  # an epoch, so that what is kept is kept
        bare = bare_passes()
        for _ in range(rounds):
            for name, stream in streams.items():
                # What workers had laid by while the others ran does not count: two batches each, ours four.
                speeds[name].append(rate(stream, seconds, 10 if workers else 1))
            if not workers:
                for name, once in bare.items():
                    speeds.setdefault(f"bare: {name}", []).append(rate(iter(once, None), seconds / 4))
    return speeds


def show(speeds: dict[str, list[Speed]], workers: int) -> None:
    """Print medians, and the median over the rounds of our ratio to each."""
    ours = speeds["preceptor"]
    print(f"\n{workers} workers, {len(ours)} rounds, medians: patches in a second of the clock / of processor time")
    for name, theirs in speeds.items():
        line = (
            f"  {name:26} {_median(each.wall for each in theirs):7.0f} / {_median(each.work for each in theirs):5.0f}"
        )
        if name != "preceptor" and not name.startswith("bare"):
            line += f"   preceptor is {_ratio(ours, theirs, 'wall'):5.2f} x / {_ratio(ours, theirs, 'work'):5.2f} x"
        print(line)
    bare = [values for name, values in speeds.items() if name.startswith("bare")]
    if bare:
        together = [
            Speed(1 / sum(1 / each.wall for each in row), 1 / sum(1 / each.work for each in row))
            for row in zip(*bare, strict=True)
        ]
        print(
            f"  {'bare passes added up':26} {_median(each.wall for each in together):7.0f} / "
            f"{_median(each.work for each in together):5.0f}   preceptor reaches {_ratio(ours, together, 'wall'):.0%} / "
            f"{_ratio(ours, together, 'work'):.0%} of it"
        )


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _ratio(ours: list[Speed], theirs: list[Speed], of: str) -> float:
    return _median(getattr(a, of) / getattr(b, of) for a, b in zip(ours, theirs, strict=True))


def first(root: Path, name: str, workers: int) -> dict[str, float]:
    """Time to the first 178 patches and memory, in this process and its workers, beyond what torch itself takes."""
    before, began = proportional_memory(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        stream = PIPELINES[name](root, workers, Path(folder))
        patches = 0
        while patches < 178:
            patches += next(stream)
        seconds = time.perf_counter() - began
        rate(stream, 2.0)
        return {"seconds": seconds, "mb": proportional_memory() - before}


def proportional_memory() -> float:
    """MB of this process and its children, what they share divided among them (PSS)."""
    total = 0.0
    for pid in descendants():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1024
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.8, help="for each pipeline in each round")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.only:
        print(json.dumps(first(given.root, given.only, given.workers[0])))
    elif given.plain:
        compare_plain(given.root, given.rounds, given.seconds)
    elif given.first:
        for workers in given.workers:
            print(f"\n{workers} workers: first 178 patches from nothing, imports included; memory beyond torch (PSS)")
            for name in PIPELINES:
                command = [sys.executable, "-m", "benchmarks.input_pipeline", str(given.root), "--only", name]
                runs = []
                for _ in range(3):
                    done = subprocess.run(
                        [*command, "--workers", str(workers)], capture_output=True, text=True, check=True
                    )
                    runs.append(json.loads(done.stdout.splitlines()[-1]))
                seconds, memory = (statistics.median(run[key] for run in runs) for key in ("seconds", "mb"))
                print(f"  {name:20} {seconds:6.1f} s   {memory:6.0f} MB")
    else:
        print(f"{torch.__version__=}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for workers in given.workers:
            show(compare(given.root, workers, given.rounds, given.seconds), workers)


if __name__ == "__main__":
    main()
