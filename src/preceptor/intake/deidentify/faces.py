"""From which images a face could be rebuilt: thin slices of a head, and what does not say which part of the body it shows.

No face is taken out here: PS3.15's option to clean recognisable visual features asks for work on pixels, by whoever knows the
study.
"""

from __future__ import annotations

import re

#: Slices from this on show a face in steps, which an acquaintance may still know.
THICK_MM = 3.0

#: Modalities whose slices can be put together to a surface.
_IN_SLICES = ("CT", "MR", "PT")

_HEAD = re.compile(
    r"head|brain|skull|sinus|crani|orbit|cereb|hirn|kopf|sch(?:ä|ae|a)del|hippocamp|pituit|maxill|mandib|nasal|dental|whole.?body|"
    r"c.?spine|cervic|mprage|flair|stroke|cabeza|cerveau|\b(?:face|facial|neck|ears?|iac|jaw|t[eê]te|testa)\b"
)
_ELSEWHERE = re.compile(
    r"chest|thora|lung|abdom|pelvi|liver|kidney|renal|prostat|breast|mamm|heart|card|knee|\bhips?\b|ankle|foot|feet|hand|wrist|elbow|"
    r"\blegs?\b|\barms?\b|extrem|shoulder|lumbar|sacr|[lt].?spine|colon|bowel|rect|uter|bladder|femur|tibia|pancrea|aort|lower|upper.?limb"
)


def face_flag(modality: str, words: str, thickness_mm: float | None) -> str:
    """What a person should know of an image that may show a face; empty where it can't.

    Args:
        modality: As DICOM names it.
        words: What the file says of the part of the body, in any case.
        thickness_mm: Of a slice, or the distance between slices; None where the file does not say.
    """
    if modality not in _IN_SLICES:
        return "a photograph may show a face" if modality == "XC" else ""
    low = words.lower()
    if _HEAD.search(low):
        if thickness_mm is None:
            return "a face may be rebuilt from it: slices of unknown thickness"
        if thickness_mm >= THICK_MM:
            return f"a face may be rebuilt from it, in steps: slices of {thickness_mm:.3g} mm"
        return f"a face may be rebuilt from it: slices of {thickness_mm:.3g} mm"
    if _ELSEWHERE.search(low):
        return ""
    return "may show a face: it does not say what part of the body it shows"


def volume_face_flag(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> str:
    """The same of a volume whose file can't say what it shows: whether a face would fit into it.

    Args:
        shape: Voxels along x, y, z.
        spacing_mm: Of a voxel along each.
    """
    fits = len(shape) == 3 and all(size * step >= 120 for size, step in zip(shape, spacing_mm, strict=True))
    if not fits or max(spacing_mm) >= 10:
        return ""
    return "may show a face: a NIfTI file does not say what part of the body it shows"
