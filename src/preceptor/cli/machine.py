"""What the machine has, for `preceptor doctor`: nothing is guessed, what cannot be found out says so."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

#: Extra: the modules it brings, and what it is for.
EXTRAS = {
    "export": (("onnx", "onnxscript", "onnxruntime"), "ONNX export"),
    "pathology": (("tiffslide", "openslide", "imagecodecs"), "whole slides"),
    "ocr": (("rapidocr", "onnxruntime"), "text burned into pixels"),
    "video": (("av",), "videos read, cleaned of the patient, and stored"),
    "dicom": (("highdicom",), "segmentations written as DICOM"),
    "track": (("tensorboard",), "run --track tensorboard"),
    "mlflow": (("mlflow",), "run --track mlflow"),
    "jpeg-gpl": (("libjpeg",), "12-bit lossy JPEG in DICOM (GPL-3.0)"),
}

_LIBRARIES = ("torch", "lightning-fabric", "monai", "numpy", "scipy", "SimpleITK", "nibabel", "pydicom", "python-gdcm")


def examine() -> dict[str, dict[str, str]]:
    """Machine, devices, versions and extras as ``{heading: {entry: what was found}}``."""
    return {"machine": _machine(), "devices": _devices(), "versions": _versions(), "extras": _extras()}


def _machine() -> dict[str, str]:
    disk = shutil.disk_usage(Path.cwd())
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": f"{usable_cores()} usable of {os.cpu_count()}",
        "memory": _memory(),
        "disk here": f"{disk.free / 2**30:.0f} GiB free",
        "processor": _processor(),
        "16-bit numbers": _sixteen_bits(),
        "OMP_WAIT_POLICY": os.environ.get(
            "OMP_WAIT_POLICY", "not set: `export OMP_WAIT_POLICY=passive` on shared cores"
        ),
    }


def usable_cores() -> int:
    """Cores this process may use, quotas of containers included."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        return max(1, min(cores, int(quota[0]) // int(quota[1])))
    return cores


def _memory() -> str:
    lines = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    if "MemTotal" not in lines:
        return "unknown on this system"
    total, free = (int(lines[key].split()[0]) / 2**20 for key in ("MemTotal", "MemAvailable"))
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    bound = f", limited to {int(limit) / 2**30:.1f} GiB" if limit.isdigit() else ""
    return f"{free:.1f} GiB free of {total:.1f}{bound}"


def _processor() -> str:
    name = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return name[1] if name else platform.processor() or "unknown"


def _sixteen_bits() -> str:
    """Whether bfloat16 is fast here: AMX and avx512_bf16 compute with it, other processors emulate it."""
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    if not flags:
        return "unknown on this system"
    have = [name for name in ("amx_bf16", "amx_tile", "avx512_bf16", "avx512f", "bf16") if name in flags[1].split()]
    fast = any(name in have for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return f"{', '.join(have) or 'none'}: train.precision bf16 is {'fast' if fast else 'slow'} on this processor"


def _devices() -> dict[str, str]:
    try:
        import torch
    except ImportError as error:
        return {"torch": f"cannot be imported: {error}"}
    found = {"cpu": f"{torch.get_num_threads()} threads"}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            found[f"cuda:{index}"] = f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB"
    else:
        built = torch.version.cuda
        found["cuda"] = f"none usable (torch built for CUDA {built})" if built else "none (torch built for the CPU)"
    found["mps"] = "available" if torch.backends.mps.is_available() else "none"
    found["--device auto"] = "cuda" if torch.cuda.is_available() else "mps" if found["mps"] == "available" else "cpu"
    return found


def _versions() -> dict[str, str]:
    from preceptor import __version__

    return {"preceptor": __version__} | {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing: reinstall preceptor"


def _extras() -> dict[str, str]:
    found = {}
    for extra, (modules, purpose) in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        state = f"missing: pip install 'preceptor[{extra}]'" if missing else "installed"
        found[extra] = f"{state}  ({purpose})"
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
