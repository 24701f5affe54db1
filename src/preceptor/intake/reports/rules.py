"""Labels from the text of reports: mentions found by phrases, negated or hedged by the words around them.

The rules, in order, for each sentence of the findings and the impression (indication, history, technique and comparison
are not read):

1. A mention is a phrase of the label as whole words, whatever the case and the spaces. A longer phrase of another label
   takes precedence over a shorter one it contains.
2. A cue before a mention reaches forward until the sentence ends, a word such as *but* or *however* comes, or a comma is
   followed by a word that asserts (*small*, *there is*, *new* …). A cue after a mention reaches back over six words, but
   not over another mention's cue, comma or conjunction other than *and*, *or*.
3. What only looks like a negation is none (*no change in*, *not only*, *not without*: two that cancel each other).
4. Cues of doubt (*possible*, *cannot exclude*, *may represent*; *not excluded*) are looked for before cues of absence (*no*,
   *without*, *free of*; *has resolved*), so *cannot be ruled out* is doubt.
5. A phrase may deny by itself (*heart size is normal* of cardiomegaly).
6. A report says of a label: present if any mention is plain, else uncertain if any is doubted, else absent if any is
   negated, else nothing.

English alone. How often such rules are wrong depends on the hospital, so a sample has to be read again: see
`preceptor.intake.reports.rereading`.

Source: own rules, after the ideas of NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029) and the CheXpert labeller (Irvin
et al. 2019, arXiv:1901.07031).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

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


#: What begins like a negation and is none, and what one negation takes back from another.
_NO_NEGATION = re.compile(
    r"\b(?:(?:no|without|not|nor)\s+(?:any\s+|a\s+)?(?:(?:significant|significantly|interval|appreciable|appreciably|substantial|"
    r"substantially|definite|obvious|large|major|relevant|real)\s+)*"
    r"(?:changes?|changed|change\s+since|increased?|decreased?|improvement|improved|progression|progressed|worsening|worsened|"
    r"resolution|resolved)"
    r"|not\s+only|not\s+just|no\s+doubt|not\s+without|not\s+free\s+of|not\s+clear\s+of|not\s+negative\s+for|not\s+absent"
    r"|no\s+absence\s+of|no\s+lack\s+of|never\s+without|not\s+resolved)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """A label's phrases, which are text and no expressions."""
    return _phrases(*(re.escape(each.strip()).replace("\\ ", " ") for each in phrases if each.strip()))


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
    *("unable to exclude", "does not exclude", "cannot confirm absence of", "unlikely", "not certain", "uncertain"),
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
        "is unlikely",
        "are unlikely",
        "is considered",
        "is uncertain",
        "cannot be entirely excluded",
        "cannot be completely excluded",
        "is not excluded",
        "versus",
        "vs",
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
#: After a mention these assert it, whatever was denied before the comma.
_STANDS = re.compile(
    r"\s+(?:persists?|remains?|(?:is|are)\s+(?:again\s+)?(?:present|unchanged|stable|new|larger|smaller|noted)|"
    r"ha(?:s|ve)\s+(?:increased|decreased|developed|improved|worsened))\b",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:,|and|or|,\s*(?:and|or)|/)\s*")
_WORDS_BACK = 6
_LONGEST = 2000


@dataclass(frozen=True)
class Labeller:
    """Phrases of each label.

    Args:
        phrases: ``{label: [phrases]}`` as whole words, such as ``{"effusion": ["pleural effusion", "effusions"]}``.
        denials: ``{label: [phrases]}`` that say by themselves that it is absent, such as "heart size is normal".

    Raises:
        CohortError: A label has no phrase, or a denial is of no label.

    Example:
        >>> labeller = Labeller({"effusion": ["effusion", "effusions"], "pneumothorax": ["pneumothorax"]})
        >>> labeller.read("No pneumothorax. Small left effusion.")
        {'effusion': 'present', 'pneumothorax': 'absent'}
    """

    phrases: Mapping[str, Sequence[str]]
    denials: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        empty = [label for label, phrases in self.phrases.items() if not [each for each in phrases if each.strip()]]
        if empty or not self.phrases:
            raise CohortError(
                f"no phrase is given for {', '.join(empty) or 'any label'}",
                expected="{label: [phrases]}",
                code="report_phrases",
            )
        strange = [label for label in self.denials if label not in self.phrases]
        if strange:
            raise CohortError(
                f"a denial is given for {', '.join(strange)}, which has no phrase",
                expected=f"one of {', '.join(self.phrases)}",
                code="report_phrases",
            )

    def read(self, report: str) -> dict[str, Said | None]:
        """What a report says of each label; None where it does not mention it."""
        said: dict[str, set[Said]] = defaultdict(set)
        sentences = _SENTENCE.split(_UNREAD.sub(" ", report))
        # What is no sentence but a file pasted into a cell is read in pieces: the work grows with a piece's square.
        for written in (each[at : at + _LONGEST] for each in sentences for at in range(0, len(each), _LONGEST)):
            sentence = _NO_NEGATION.sub(lambda match: "_" * len(match[0]), written)
            for label, phrases in self.denials.items():
                if _pattern(tuple(phrases)).search(written):
                    said[label].add("absent")
            for label, meant in _verdicts(sentence, self._mentions(sentence)):
                said[label].add(meant)
        order: tuple[Said, ...] = ("present", "uncertain", "absent")
        return {label: next((each for each in order if each in said[label]), None) for label in self.phrases}

    def _mentions(self, sentence: str) -> list[tuple[int, int, str]]:
        """``(start, end, label)`` in order; of two that overlap the longer."""
        found = [
            (match.start(), match.end(), label)
            for label, phrases in self.phrases.items()
            for match in _pattern(tuple(phrases)).finditer(sentence)
        ]
        kept: list[tuple[int, int, str]] = []
        for start, end, label in sorted(found, key=lambda each: each[0] - each[1]):
            if all(end <= s or start >= e for s, e, named in kept if named != label or (s, e) != (start, end)):
                kept.append((start, end, label))
        return sorted(kept)


def _verdicts(sentence: str, mentions: Sequence[tuple[int, int, str]]) -> Iterator[tuple[str, Said]]:
    """What is said of each mention; in "effusion or edema cannot be excluded" the last words speak of all."""
    last = list(range(len(mentions)))  # of the list that a mention stands in
    for place in reversed(range(len(mentions) - 1)):
        if _JOINED.fullmatch(sentence, mentions[place][1], mentions[place + 1][0]):
            last[place] = last[place + 1]
    for place, (start, _, label) in enumerate(mentions):
        following = mentions[last[place] + 1][0] if last[place] + 1 < len(mentions) else len(sentence)
        yield label, _meant(sentence, start, mentions[last[place]][1], following, in_list=last[place] > place)


def _meant(sentence: str, start: int, end: int, following: int, *, in_list: bool) -> Said:
    before = sentence[:start]
    last = max(
        [0, *(match.end() for match in _BREAK.finditer(before)), *(m.start() + 1 for m in _ASSERTS.finditer(before))]
    )
    # "no effusion, small pneumothorax": what asserts may itself stand right before the mention.
    before = before[last:]
    own = before.rpartition(",")[2]
    if not in_list and _STANDS.match(sentence, end) and not re.search(r"\b(?:and|n?or)\b", own, re.IGNORECASE):
        before = own  # "no pneumothorax, effusion persists"
    after = re.split(r"[,;]|\b(?:but|however|although|with|while)\b", sentence[end:following], maxsplit=1)[0]
    after = " ".join(after.split()[:_WORDS_BACK])
    if _DOUBT_AFTER.search(after) or _DOUBT_BEFORE.search(before):
        return "uncertain"
    if _ABSENT_AFTER.search(after) or _ABSENT_BEFORE.search(before):
        return "absent"
    return "present"
