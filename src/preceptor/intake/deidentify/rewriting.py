"""A data set written anew, element by element, by the rules of a profile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from .codes import is_public_code, is_public_scheme
from .dates import capped_age, moved
from .elements import Coding, Element, dictionary_vr, encode, encode_items
from .profile import Rule, Settings
from .pseudonyms import Key
from .safe_private import safe_creators, safe_private_rule
from .wording import cleaned, is_code_string, without_own, words_of

_NUMBERS = re.compile(rb"[0-9+\-.eE \\\0]*")
#: As of a helical pitch.
_RATIO = re.compile(rb" *\d{1,2}\.\d{1,4}:1[ \0]*")
_UID = re.compile(rb"[0-9.]{1,64}")
_SCHEME, _LONG_CODE, _MEANING = 0x00080102, 0x00080119, 0x00080104
_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_SCHEME_UID = 0x0008010C
_INSTANCE = 0x00080018
_PUBLIC_SCHEMES = ("2.16.840.1.113883.", "1.2.840.10008.")
#: Whatever else names the patient or those around them: identifiers, addresses, telephones, institutions.
_TELLING = frozenset(
    (
        *(0x00100020, 0x00101000, 0x00101040, 0x00102154, 0x00102155, 0x00080050, 0x00080080, 0x00080081, 0x00081040),
        *(0x00081010, 0x00181000, 0x00200010, 0x00380010, 0x00401001, 0x00402016, 0x00402017, 0x00080092, 0x00080094),
        *(0x00102160, 0x001021F0, 0x00380300, 0x00120040),
    )
)
_INSTITUTION = frozenset((0x00080080, 0x00080081, 0x00081040))
_DEVICE = frozenset((0x00081010, 0x00181000))
_DUMMIES = {
    **dict.fromkeys(("DA",), b"19000101"),
    **dict.fromkeys(("TM",), b"000000"),
    **dict.fromkeys(("DT",), b"19000101000000"),
    **dict.fromkeys(("AS",), b"000Y"),
    **dict.fromkeys(("DS", "IS"), b"0"),
    **dict.fromkeys(("UR",), b"urn:anonymized"),
    **dict.fromkeys(("OB", "OW", "UN"), b"\0\0"),
    **dict.fromkeys(("US", "SS"), b"\0\0"),
    **dict.fromkeys(("UL", "SL", "FL", "AT", "OF", "OL"), b"\0\0\0\0"),
    **dict.fromkeys(("FD", "UV", "SV", "OD", "OV"), bytes(8)),
}
_DUMMY_TEXT = b"ANONYMIZED"


class Rewriting:
    """One file on its way out.

    Args:
        data: The bytes its elements lie in.
        elements: Of the whole data set.
        settings: The profile.
        key: Of the batch.
        types: Which attributes the object must hold, as `required_types` gives them; None where nobody knows.

    Attributes:
        counts: How often each rule was applied.
    """

    def __init__(
        self,
        data: bytes,
        elements: Sequence[Element],
        settings: Settings,
        key: Key,
        types: Mapping[tuple[int, int], str] | None,
    ) -> None:
        self.data, self.elements, self.settings, self.key, self.types = data, elements, settings, key, types
        self.counts: Counter[str] = Counter()
        self._safe_private = "safe-private" in settings.retain
        self.patient = self._identity()
        self.days = key.days(self.patient) if "modified-dates" in settings.retain else 0

    def text(self, tag: int) -> str:
        """A value of the outermost data set, bytes for characters; empty where it is not there."""
        for each in self.elements:
            if each.tag == tag:
                return self.value_of(each)
        return ""

    def value_of(self, element: Element) -> str:
        """An element's value, bytes for characters."""
        return self._value(element).decode("latin-1").strip(" \0")

    def written(self, coding: Coding) -> list[tuple[int, bytes]]:
        """The elements that stay, by tag."""
        return self._data_set(self.elements, coding, 0)

    @cached_property
    def own(self) -> frozenset[str]:
        """Words of the patient, and of whoever is named beside them, in lower case; not those that an option keeps."""
        words: set[str] = set()
        spared = set(_INSTITUTION) if "institution" in self.settings.retain else set()
        if "device" in self.settings.retain:
            spared |= _DEVICE
        self._gather(self.elements, words, spared)
        return frozenset(words)

    def _gather(self, elements: Sequence[Element], words: set[str], spared: set[int]) -> None:
        for each in elements:
            if each.items is not None:
                for item in each.items:
                    self._gather(item, words, spared)
            elif (each.vr == "PN" or each.tag in _TELLING) and each.tag not in spared:
                for value in self._value(each).split(b"\\"):
                    words |= words_of(value.decode("latin-1"))

    def _identity(self) -> str:
        """What a patient's pseudonym and shift hang on: the identifier, or in its absence the next best."""
        identifier = self.text(_PATIENT_ID)
        if identifier:
            return identifier
        name, born = self.text(_NAME), self.text(0x00100030)
        return f"name|{name}|{born}" if name.strip("^") else f"study|{self.text(0x0020000D)}"

    def _value(self, element: Element) -> bytes:
        return self.data[element.value_start : element.value_end]

    def _data_set(self, elements: Sequence[Element], coding: Coding, parent: int) -> list[tuple[int, bytes]]:
        kept: dict[int, bytes] = {}
        counts, rules = self.counts, self.settings.rules
        creators = safe_creators(elements, self._value) if self._safe_private else {}
        keeps = "uids" in self.settings.retain
        scheme = _scheme(elements, self._value)
        for each in elements:
            tag = each.tag
            rule = (
                safe_private_rule(each, creators, self._value, keeps_uids=keeps) if creators and tag >> 16 & 1 else None
            )
            if rule is None:
                choice = rules(tag, each.vr)
                rule = (
                    choice[0]
                    if len(choice) == 1 and choice[0] is not Rule.remove
                    else self._fitting(choice, tag, parent)
                )
            counts[rule.value] += 1
            if rule is Rule.keep:
                kept[tag] = self.data[each.start : each.end]
                continue
            if rule is Rule.remove:
                kept.pop(tag, None)
                continue
            written = self._ruled(each, rule, coding, parent, scheme)
            if written is not None:
                kept[tag] = written
            else:
                kept.pop(tag, None)
        return sorted(kept.items())

    def _fitting(self, choice: Sequence[Rule], tag: int, parent: int) -> Rule:
        """The first rule that the object's type for the attribute allows; the last, which is the safe one, where unknown."""
        type_ = None if self.types is None else self.types.get((parent, tag))
        if len(choice) == 1:
            if type_ is None or choice[0] is not Rule.remove or tag >> 16 & 1:
                return choice[0]
            if type_ == "1" or (type_ == "1C" and not self.settings.is_listed(tag)):
                return Rule.recurse if dictionary_vr(tag) == "SQ" else Rule.dummy
            return Rule.empty if type_[0] == "2" and (type_ == "2" or not self.settings.is_listed(tag)) else Rule.remove
        if type_ is None:
            safe = self.types is None or (parent and dictionary_vr(tag) != "SQ")  # a sequence without items is no safer
            return choice[-1] if safe else choice[0]
        if type_[0] == "2" and Rule.empty in choice:
            return Rule.empty
        return choice[-1]

    def _ruled(self, element: Element, rule: Rule, coding: Coding, parent: int, scheme: str | None) -> bytes | None:
        tag, vr = element.tag, element.vr
        if rule is Rule.recurse or element.items is not None:
            if rule is Rule.empty or element.items is None or element.coding is None:
                return encode(tag, vr, b"", coding)
            items = [[part for _, part in self._data_set(item, element.coding, tag)] for item in element.items]
            return encode_items(tag, vr, items, coding, element.coding)
        if rule is Rule.empty:
            return encode(tag, vr, b"", coding)
        if rule is Rule.dummy:
            return encode(tag, vr, self._dummy(element), coding)
        value = self._value(element)
        if not value.strip(b" \0\\"):
            return encode(tag, vr, b"", coding)
        new = self._new_value(element, value, rule, scheme)
        if new is None:  # the value can't stay; what stands for it follows from the object's type
            self.counts["unfit value"] += 1
            type_ = "3" if self.types is None else self.types.get((parent, tag), "3")
            if type_[0] == "3" and rule is not Rule.number:
                return None
            return encode(tag, vr, self._dummy(element) if type_[0] == "1" else b"", coding)
        return encode(tag, vr, new, coding)

    def _dummy(self, element: Element) -> bytes:
        vr = element.vr
        if vr == "UN":
            vr = dictionary_vr(element.tag)
        if vr == "UI":
            return (
                self._uids(self._value(element)) or self.key.uid(f"{element.tag:08x}|{self.text(_INSTANCE)}").encode()
            )
        return _DUMMIES.get(vr, _DUMMY_TEXT)

    def _new_value(self, element: Element, value: bytes, rule: Rule, scheme: str | None) -> bytes | None:
        vr, tag = element.vr, element.tag
        if rule is Rule.uid:
            return self._uids(value, tag)
        if rule is Rule.pseudonym:
            return self._pseudonym(tag, value).encode()
        if rule is Rule.shift:
            return moved(value, vr, self.days)
        if rule in (Rule.clean, Rule.technical):
            parts = [value] if vr in ("ST", "LT", "UT") else value.split(b"\\")
            new = [
                part
                if _RATIO.fullmatch(part)
                else cleaned(part.decode("latin-1"), self.own, technical=rule is Rule.technical).encode()
                for part in parts
            ]
            return b"\\".join(new) if any(new) else None
        if rule is Rule.code:
            text = value.decode("latin-1").strip(" \0")
            if tag == _SCHEME:
                return text.encode() if is_public_scheme(text) else None
            return text.encode() if scheme is not None and is_public_code(scheme, text) else None
        if rule is Rule.code_string:
            return self._code_strings(value)
        if rule is Rule.number:
            whole = value.strip(b" \0")
            if not _NUMBERS.fullmatch(value) or (len(whole) >= 5 and whole.decode() in self.own):
                return None
            return value
        if rule is Rule.binary:
            return None if self._is_text(value) else value
        if rule is Rule.age:
            return capped_age(value.strip(b" \0"))
        return self._retained(vr, value)

    def _uids(self, value: bytes, tag: int = 0) -> bytes:
        """Mapped UIDs; what is no UID is mapped like one, so that equal values stay equal and none is kept."""
        new = []
        for each in value.split(b"\\"):
            text = each.decode("latin-1").strip(" \0")
            public = tag == _SCHEME_UID and text.startswith(_PUBLIC_SCHEMES) and _UID.fullmatch(text.encode("latin-1"))
            new.append(text if public or not text else self.key.uid(text))
        return "\\".join(new).encode()

    def _pseudonym(self, tag: int, value: bytes) -> str:
        text = value.decode("latin-1").strip(" \0")
        return self.key.pseudonym(text if tag == _PATIENT_ID else self.patient)

    def _code_strings(self, value: bytes) -> bytes | None:
        new = []
        for each in value.split(b"\\"):
            word = each.decode("latin-1").strip(" \0").lower()
            own = any(char.isdigit() for char in word) and len(word) >= 5 and word in self.own
            new.append(each if is_code_string(each) and not own else b"")
        return b"\\".join(new) if any(new) else None

    def _is_text(self, value: bytes) -> bool:
        """Whether bytes that should be numbers are written text, or hold a word of the patient's."""
        whole = value.strip(b" \0")
        if whole.isascii() and all(32 <= byte < 127 for byte in whole):
            return True
        low = value.lower()
        words = [word for word in self.own if len(word) >= 5]
        return any(word.encode("latin-1") in low or word.encode("utf-16-le") in low for word in words)

    def _retained(self, vr: str, value: bytes) -> bytes | None:
        if vr in ("DA", "DT", "TM"):
            return moved(value, vr, 0)
        if vr == "UI":
            return (
                value.rstrip(b"\0 ") if all(_UID.fullmatch(e) for e in value.rstrip(b"\0 ").split(b"\\") if e) else None
            )
        dates = "full-dates" in self.settings.retain
        new = [without_own(part.decode("latin-1"), self.own, dates).encode("latin-1") for part in value.split(b"\\")]
        return b"\\".join(new) if any(new) else None


def _scheme(elements: Sequence[Element], value) -> str | None:  # noqa: ANN001
    """The coding scheme of an item that holds a code."""
    for each in elements:
        if each.tag > _LONG_CODE:
            return None
        if each.tag == _SCHEME:
            return str(value(each).decode("latin-1").strip(" \0"))
    return None
