"""What an MR image is weighted by, told from its tags: by name first, then by its times, else unknown."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_LOCALIZER = re.compile(r"(?<![a-z])loc(?![a-z])|locali[sz]er|scout|survey", re.IGNORECASE)
_ACQUISITION_CONTRAST = {
    "T1": "T1",
    "T2": "T2",
    "T2_STAR": "T2*",
    "PROTON_DENSITY": "PD",
    "FLUID_ATTENUATED": "FLAIR",
    "STIR": "STIR",
}
_NAMES = (
    ("FLAIR", re.compile(r"flair|dark[ _-]?fluid", re.IGNORECASE)),
    ("STIR", re.compile(r"(?<![a-z])stir(?![a-z])", re.IGNORECASE)),
    ("T1", re.compile(r"mp2?rage|(?<![a-z0-9])t1(?![0-9])", re.IGNORECASE)),
    ("T2*", re.compile(r"(?<![a-z0-9])t2[ _-]?(\*|star)", re.IGNORECASE)),
    ("T2", re.compile(r"(?<![a-z0-9])t2(?![0-9]|[ _-]?(\*|star))", re.IGNORECASE)),
    ("PD", re.compile(r"(?<![a-z])pdw?(?![a-z])|proton[ _-]?density", re.IGNORECASE)),
)


@dataclass(frozen=True)
class MrTags:
    """What is asked of an MR file.

    Args:
        sequences: ScanningSequence: SE, GR, IR, EP, RM.
        repetition_ms, echo_ms, inversion_ms, flip_deg: None where absent; 0 counts as absent.
        acquisition_contrast: Of enhanced files.
        names: SequenceName, PulseSequenceName, SeriesDescription, ProtocolName.
        image_type: ImageType.
    """

    sequences: Collection[str] = ()
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    flip_deg: float | None = None
    acquisition_contrast: str = ""
    names: Sequence[str] = ()
    image_type: Sequence[str] = ()


def mr_contrast(tags: MrTags) -> tuple[str, str]:
    """The weighting and what it is told by.

    Args:
        tags: Of one file.

    Returns:
        ``T1, T2, PD, FLAIR, STIR, T2*, localizer`` or ``unknown``, and ``name, tag, times`` or an empty text. Names of
        two weightings tell none. An unknown one is an answer: nothing is guessed.

    Source: DICOM PS3.3 C.8.3.1, C.8.13.3.1; times of spin and gradient echo as in Bernstein, King, Zhou, "Handbook of
    MRI Pulse Sequences" (2004), chapters 14 and 15. The rules are ours: see `docs/reference/dicom-tags.md`.
    """
    if any("LOCALIZER" in each.upper() for each in tags.image_type) or any(map(_LOCALIZER.search, tags.names)):
        return "localizer", "name"
    told = _ACQUISITION_CONTRAST.get(tags.acquisition_contrast.strip().upper())
    if told:
        return told, "tag"
    named = {weighting for weighting, pattern in _NAMES for name in tags.names if pattern.search(name)}
    if named == {"T2", "FLAIR"}:  # the usual name of FLAIR
        named = {"FLAIR"}
    if len(named) == 1:
        return named.pop(), "name"
    timed = _by_times(tags)
    return (timed, "times") if timed else ("unknown", "")


def _by_times(tags: MrTags) -> str:
    """The first condition that holds; an empty text where none does."""
    kinds = {each.strip().upper() for each in tags.sequences}
    tr, te, ti, flip = (each or 0.0 for each in (tags.repetition_ms, tags.echo_ms, tags.inversion_ms, tags.flip_deg))
    has_spin_echo, is_gradient = bool(kinds & {"SE", "RM"}), "GR" in kinds
    inverts = "IR" in kinds or (ti > 0 and "SE" in kinds)
    rules = (
        ("FLAIR", inverts and 1500 <= ti <= 3000 and te >= 70 and tr >= 4000),
        ("STIR", inverts and 80 <= ti <= 300),
        ("T1", is_gradient and 600 <= ti <= 1400),
        ("T1", has_spin_echo and 0 < te <= 40 and 100 <= tr <= 1000),
        ("T2", has_spin_echo and te >= 70 and tr >= 1500),
        ("PD", has_spin_echo and 0 < te <= 40 and tr >= 1500),
        ("T1", is_gradient and flip >= 15 and 0 < te <= 10 and 0 < tr <= 800 and not ti),
        ("T2*", is_gradient and 0 < flip <= 20 and te >= 15 and tr >= 200),
    )
    return next((weighting for weighting, holds in rules if holds), "")


def field_strength_t(value: float | None) -> tuple[float | None, tuple[str, ...]]:
    """Field strength in tesla, of a number that may be in gauss, and the note that it was."""
    if not value or value < 0:
        return None, ()
    return (value / 10_000, ("field_strength_in_gauss",)) if value > 100 else (value, ())
