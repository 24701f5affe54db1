"""What a run was made with: ``environment.json``."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("preceptor", "torch", "numpy", "scipy", "lightning-fabric", "monai", "pydicom", "nibabel", "SimpleITK")


def environment(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Versions, machine and command, without a user's name or a path.

    Args:
        facts: Further entries (device, seconds, hashes).
    """
    import torch

    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": " ".join(["preceptor", *(arg if "/" not in arg else Path(arg).name for arg in sys.argv[1:])]),
        "packages": {name: _version(name) for name in _PACKAGES},
        **facts,
    }


def write_environment(folder: Path, facts: Mapping[str, Any]) -> None:
    (folder / "environment.json").write_text(json.dumps(environment(facts), indent=1, default=str), encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
