"""Labels from the text of reports: mentions found by phrases, negated or hedged by the words around them.

The rules, in order, for each sentence of the findings and the impression (indication, history, technique and comparison
are not read):

1. A mention is a phrase of the label as whole words, whatever the case and the spaces. A longer phrase of another label
   takes precedence over a shorter one it contains.
2. A cue before a mention reaches forward until the sentence ends, a word such as *but* or *however* comes, or a comma is
   followed by a word that asserts (*small*, *there is*, *new* …). A cue after a mention reaches back over six words, but
   not over another mention's cue, comma or conjunction other than *and*, *or*.
3. Cues of doubt (*possible*, *cannot exclude*, *may represent*; *not excluded*) are looked for before cues of absence (*no*,
   *without*, *free of*; *has resolved*), so *cannot be ruled out* is doubt.
4. A report says of a label: present if any mention is plain, else uncertain if any is doubted, else absent if any is
   negated, else nothing.

English alone. How often such rules are wrong depends on the hospital, so a sample has to be read again: see
`draw_sample` and `estimate_error`.

Source: own rules, after the ideas of NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029) and the CheXpert labeller (Irvin
et al. 2019, arXiv:1901.07031).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from preceptor.core.errors import CohortError

Said = Literal["present", "uncertain", "absent"]

_UNREAD = re.compile(
    r"\b(?:indication|clinical information|history|technique|comparison|exam(?:ination)?|reason for exam(?:ination)?)\s*:"
    r".*?(?=\b(?:findings?|impression|conclusion|report)\s*:|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SENTENCE = re.compile(r"(?<!\bdr)(?<!\bmr)(?<!\bvs)(?<=[.;:!?])\s+|\n\s*\n", re.IGNORECASE)


def _phrases(*words: str) -> re.Pattern[str]:
    longest = sorted(words, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(word.replace(" ", r"\s+") for word in longest) + r")\b", re.IGNORECASE)


_DOUBT_BEFORE = _phrases(
    *(
        "possible",
        "possibly",
        "probable",
        "probably",
        "likely",
        "suspected",
        "suspicion for",
        "suspicious for",
        "suspicion of",
    ),
    *(
        "concern for",
        "concerning for",
        "questionable",
        "question of",
        "may represent",
        "may reflect",
        "may be",
        "might be",
    ),
    *(
        "could represent",
        "could reflect",
        "could be",
        "cannot exclude",
        "can not exclude",
        "cannot rule out",
        "not exclude",
    ),
    *("difficult to exclude", "equivocal", "versus", "suggestive of", "worrisome for", "rule out", "evaluate for"),
)
_DOUBT_AFTER = _phrases(
    *(
        "cannot be excluded",
        "can not be excluded",
        "not excluded",
        "cannot be ruled out",
        "not ruled out",
        "is possible",
    ),
    *(
        "are possible",
        "is suspected",
        "is not entirely excluded",
        "is questioned",
        "is difficult to exclude",
        "is likely",
    ),
)
_ABSENT_BEFORE = _phrases(
    *(
        "no",
        "not",
        "without",
        "free of",
        "negative for",
        "absence of",
        "absent",
        "denies",
        "resolved",
        "clear of",
        "neither",
    ),
    *("resolution of", "never", "ruled out", "interval removal of"),
)
_ABSENT_AFTER = _phrases(
    *(
        "is not seen",
        "are not seen",
        "not seen",
        "not identified",
        "is absent",
        "are absent",
        "has resolved",
        "have resolved",
    ),
    *("is excluded", "are excluded", "ruled out", "not present", "not appreciated", "not visualized", "no longer seen"),
)
_BREAK = _phrases(
    *("but", "however", "although", "though", "except", "apart from", "aside from", "which", "with", "yet", "there is"),
    *("there are", "demonstrates", "showing"),
)
#: After a comma these begin an assertion of its own.
_ASSERTS = re.compile(
    r",\s*(?:and\s+)?(?:an?|the|small|tiny|mild|moderate|large|severe|new|increased|increasing|worsening|stable|unchanged|"
    r"persistent|bilateral|left|right)\b",
    re.IGNORECASE,
)
_WORDS_BACK = 6


@dataclass(frozen=True)
class Labeller:
    """Phrases of each label.

    Args:
        phrases: ``{label: [phrases]}`` as whole words, such as ``{"effusion": ["pleural effusion", "effusions"]}``.

    Raises:
        CohortError: A label has no phrase.

    Example:
        >>> labeller = Labeller({"effusion": ["effusion", "effusions"], "pneumothorax": ["pneumothorax"]})
        >>> labeller.read("No pneumothorax. Small left effusion.")
        {'effusion': 'present', 'pneumothorax': 'absent'}
    """

    phrases: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        empty = [label for label, phrases in self.phrases.items() if not [each for each in phrases if each.strip()]]
        if empty or not self.phrases:
            raise CohortError(
                f"no phrase is given for {', '.join(empty) or 'any label'}",
                expected="{label: [phrases]}",
                code="report_phrases",
            )

    def read(self, report: str) -> dict[str, Said | None]:
        """What a report says of each label; None where it does not mention it."""
        said: dict[str, set[Said]] = defaultdict(set)
        for sentence in _SENTENCE.split(_UNREAD.sub(" ", report)):
            mentions = self._mentions(sentence)
            for start, end, label in mentions:
                said[label].add(_meant(sentence, start, end, [(s, e) for s, e, _ in mentions if s != start]))
        order: tuple[Said, ...] = ("present", "uncertain", "absent")
        return {label: next((each for each in order if each in said[label]), None) for label in self.phrases}

    def _mentions(self, sentence: str) -> list[tuple[int, int, str]]:
        """``(start, end, label)`` in order; of two that overlap the longer."""
        found = [
            (match.start(), match.end(), label)
            for label, phrases in self.phrases.items()
            for match in _phrases(*(re.escape(each).replace("\\ ", " ") for each in phrases)).finditer(sentence)
        ]
        kept: list[tuple[int, int, str]] = []
        for start, end, label in sorted(found, key=lambda each: each[0] - each[1]):
            if all(end <= s or start >= e for s, e, named in kept if named != label or (s, e) != (start, end)):
                kept.append((start, end, label))
        return sorted(kept)


def _meant(sentence: str, start: int, end: int, others: Sequence[tuple[int, int]]) -> Said:
    before = sentence[:start]
    last = max(
        [0, *(match.end() for match in _BREAK.finditer(before)), *(m.start() + 1 for m in _ASSERTS.finditer(before))]
    )
    # "no effusion, small pneumothorax": what asserts may itself stand right before the mention.
    before = before[last:]
    following = min([len(sentence), *(s for s, _ in others if s >= end)])
    after = re.split(r"[,;]|\b(?:but|however|although|with|while)\b", sentence[end:following], maxsplit=1)[0]
    after = " ".join(after.split()[:_WORDS_BACK])
    if following < len(sentence):
        joined = re.fullmatch(r"\s*(?:,|and|or|,\s*(?:and|or)|/)\s*", sentence[end:following])
        if joined:  # "effusion or edema cannot be excluded": the words after the last one speak of all
            rest = next(e for s, e in others if s == following)
            return _meant(sentence, start, rest, [each for each in others if each[0] >= rest])
    if _DOUBT_AFTER.search(after) or _DOUBT_BEFORE.search(before):
        return "uncertain"
    if _ABSENT_AFTER.search(after) or _ABSENT_BEFORE.search(before):
        return "absent"
    return "present"


# ------------------------------------------------------------------ how often it is wrong


@dataclass(frozen=True)
class ErrorEstimate:
    """How often a labeller errs, from a sample read again.

    Args:
        error: Share of all reports whose label is wrong.
        low, high: Its interval.
        by_said: ``{what was said: (wrong, read again, in all)}``.
    """

    error: float
    low: float
    high: float
    by_said: Mapping[str, tuple[int, int, int]]


def draw_sample(said: Mapping[str, Said | None], each: int, seed: int = 0) -> list[str]:
    """Reports to be read again: the same number of each verdict, for rare verdicts are where rules err.

    Args:
        said: ``{report: what the rules say of one label}``.
        each: Reports of each verdict (all, where there are fewer).
        seed: Of the draw.

    Returns:
        Keys of the reports, shuffled, so that the order does not tell the reader what the rules said.
    """
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = defaultdict(list)
    for key in sorted(said):
        groups[str(said[key])].append(key)
    drawn = [key for name in sorted(groups) for key in rng.permutation(groups[name])[:each]]
    return [str(key) for key in rng.permutation(drawn)]


def estimate_error(
    said: Mapping[str, Said | None], read: Mapping[str, Said | None], confidence: float = 0.95, seed: int = 0
) -> ErrorEstimate:
    """The share of reports that are labelled wrongly, each verdict weighted by how often it was given.

    Args:
        said: What the rules say of every report.
        read: What a reader says of those drawn with `draw_sample`.
        confidence: Of the interval.
        seed: Of the draws from the posterior.

    Returns:
        The estimate, its interval the quantiles of the weighted sum of independent Beta posteriors (Jeffreys' prior),
        which holds where no error was seen as well.

    Raises:
        CohortError: A verdict was given and none of its reports was read again.

    Source: stratified sampling as in Cochran 1977, chapter 5; Brown, Cai & DasGupta 2001 (Jeffreys' interval).
    """
    rng = np.random.default_rng(seed)
    names = sorted({str(value) for value in said.values()})
    counted: dict[str, tuple[int, int, int]] = {}
    draws, error = np.zeros(20_000), 0.0
    for name in names:
        of_it = [key for key, value in said.items() if str(value) == name]
        again = [key for key in of_it if key in read]
        if not again:
            raise CohortError(
                f"none of {len(of_it)} reports labelled {name} was read again",
                expected="some of each verdict",
                remedy="draw the reports with `draw_sample`",
                code="report_sample",
            )
        wrong = sum(read[key] != said[key] for key in again)
        counted[name] = (wrong, len(again), len(of_it))
        share = len(of_it) / len(said)
        error += share * wrong / len(again)
        whole = len(again) == len(of_it)
        draws += share * (wrong / len(again) if whole else rng.beta(wrong + 0.5, len(again) - wrong + 0.5, draws.size))
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ErrorEstimate(error, min(float(low), error), max(float(high), error), counted)
