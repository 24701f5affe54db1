"""`Explanation`: one case's maps beside the image they lie on, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.files import write_aside


@dataclass(frozen=True)
class Explanation:
    """One case's maps, as they lie in ``explanations/<number>.npz``.

    Args:
        key: The case.
        target: What was scored, in words.
        images: ``{view: (channel, *space)}`` prepared pixels under the maps.
        maps: ``{explainer: {view: (*space,)}}``.
        settings: ``{explainer: {parameter: value}}`` with defaults written out.
    """

    key: str
    target: str
    images: Mapping[str, np.ndarray]
    maps: Mapping[str, Mapping[str, np.ndarray]]
    settings: Mapping[str, Mapping[str, Any]]

    def write(self, path: Path) -> None:
        """Write aside and rename. Half precision: maps are looked at, not measured."""
        arrays: dict[str, Any] = {f"image/{view}": image.astype(np.float16) for view, image in self.images.items()}
        for explainer, maps in self.maps.items():
            arrays |= {f"map/{explainer}/{view}": each.astype(np.float32) for view, each in maps.items()}
        facts = {"key": self.key, "target": self.target, "settings": self.settings}
        with write_aside(path) as aside, aside.open("wb") as stream:
            np.savez_compressed(stream, facts=np.array(json.dumps(facts, default=str)), **arrays)

    @classmethod
    def read(cls, path: Path) -> Explanation:
        """Read what `write` wrote; nothing in the file is executed."""
        images: dict[str, np.ndarray] = {}
        maps: dict[str, dict[str, np.ndarray]] = {}
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            for name in stored.files:
                kind, _, rest = name.partition("/")
                if kind == "image":
                    images[rest] = stored[name].astype(np.float32)
                elif kind == "map":
                    explainer, _, view = rest.partition("/")
                    maps.setdefault(explainer, {})[view] = stored[name]
        return cls(facts["key"], facts["target"], images, maps, facts["settings"])
