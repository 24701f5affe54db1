"""What holds for every gate: a verdict with a sentence, and no benefit of the doubt."""

from __future__ import annotations

from preceptor.core.evidence import Evidence, Verdict

from .material import evidence
from .plugins import each, example


@each("gates")
def test_decides_in_a_sentence(slot, name):
    for given in (evidence(), evidence(0.2, (0.1, 0.3)), evidence(interval=None)):
        verdict = example(slot, name)(given)
        assert isinstance(verdict, Verdict) and verdict.gate == name
        assert isinstance(verdict.passed, bool) and len(verdict.sentence) > 10
        assert verdict == example(slot, name)(given)


@each("gates")
def test_what_was_not_measured_does_not_pass(slot, name):
    gate = example(slot, name)
    if not hasattr(gate, "finding"):
        return
    assert not gate(Evidence({})).passed, "the finding is missing"
    assert not gate(evidence(float("nan"), None)).passed, "the finding is undefined"


@each("gates")
def test_a_bound_that_was_asked_for_and_is_missing_does_not_pass(slot, name):
    gate = example(slot, name)
    if getattr(gate, "bound", "value") == "value":
        return
    assert not gate(evidence(interval=None)).passed
