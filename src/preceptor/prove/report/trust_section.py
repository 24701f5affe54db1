"""The trust report as the page shows it: a row an explainer, a column a check, the control beneath."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.prove.explaining.trust import AGREEING, CHANCE, INSIDE, SAME, STEADY, TrustReport
from preceptor.prove.report.wording import called, listed

#: What each check asks, in the order of the columns.
QUESTIONS = {
    "layers": "Does the map change when the network's layers are replaced by random ones?",
    "each_layer": "Does it change when one layer alone is replaced?",
    "labels": "Does it change for a network that learnt from shuffled labels?",
    "edges": "Is it more than the edges of the image?",
    "region": "Does it lie where the finding is?",
    "removal": "Do the places it marks move the answer?",
    "noise": "Does it hold under noise too small to see?",
    "seeds": "Do other trainings of the same recipe show the same?",
    "right_and_wrong": "Could one tell from it that the answer is wrong?",
}


@dataclass(frozen=True)
class TrustCell:
    """One check of one explainer.

    Args:
        check: Its name.
        shown: The number, or "not made".
        verdict: ``passed``, ``failed``, ``told`` (not judged) or ``not made``.
        sentence: In words.
    """

    check: str
    shown: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class TrustRow:
    """One explainer.

    Args:
        explainer: Its name in the recipe; ``edges`` is a control.
        title: As the page calls it.
        verdict: ``passed``, ``failed``, ``not checked`` or ``control``.
        sentence: In words.
        cells: In the order of the columns.
        is_control: Whether it is known to explain nothing.
    """

    explainer: str
    title: str
    verdict: str
    sentence: str
    cells: tuple[TrustCell, ...]
    is_control: bool


@dataclass(frozen=True)
class TrustSection:
    """All that the page says about trust in explanations.

    Args:
        columns: ``(check, what it asks)`` of the checks that were made for any explainer.
        rows: The control last.
        warning: Which explainers failed, in one sentence; empty where none did.
        how: How the numbers were made, with their limits.
        cases: How many cases.
        seconds: How long it took.
        notes: What limits it.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[TrustRow, ...]
    warning: str
    how: str
    cases: int
    seconds: float
    notes: tuple[str, ...]


def trust_section(report: TrustReport) -> TrustSection:
    """The trust report as the page shows it.

    Args:
        report: As read from ``explanations/trust.json``.
    """
    columns = tuple(
        (name, asked)
        for name, asked in QUESTIONS.items()
        if any(
            name in trust.checks and trust.checks[name].value == trust.checks[name].value
            for trust in report.explainers.values()
        )
    )
    rows = []
    for name, trust in sorted(report.explainers.items(), key=lambda each: each[1].is_control):
        cells = []
        for check_name, _ in columns:
            check = trust.checks.get(check_name)
            if check is None or check.value != check.value:
                cells.append(TrustCell(check_name, "not made", "not made", "" if check is None else check.sentence))
                continue
            verdict = "told" if check.passed is None else "passed" if check.passed else "failed"
            cells.append(TrustCell(check_name, _rounded(check.value), verdict, check.sentence))
        verdict = "passed" if trust.passed else "failed" if trust.failed else "not checked"
        title = called("explainers", name)
        if trust.is_control:
            title = f"{'Edge detector' if name == 'edges' else title} (control)"
        shown = "control" if trust.is_control else verdict
        rows.append(TrustRow(name, title, shown, trust.sentence, tuple(cells), trust.is_control))
    failing = [called("explainers", name) for name in report.failing]
    warning = ""
    if failing:
        warning = (
            f"{listed(failing, 'and')} failed: {'its' if len(failing) == 1 else 'their'} maps are shown for comparison only "
            "and say nothing about this model by themselves."
        )
    how = (
        f"Maps are compared by Spearman's correlation of their sizes: {SAME} or more with layers replaced, labels "
        f"shuffled or the image's edges is a failure, as is less than {STEADY} under noise of 5 % and less than "
        f"{AGREEING} between trainings. In a region a map must have {INSIDE:g} times an even share of its energy and "
        "more than the edges have. Removal compares insertion less deletion with that of smooth random maps: better in "
        f"half of the cases or fewer is a failure, and in so many that chance does it in less than {CHANCE:.0%} a pass. An edge "
        "detector, which knows nothing of the model, goes through the same checks: where it passes one, that check "
        "proves nothing here."
    )
    return TrustSection(columns, tuple(rows), warning, how, len(report.cases), report.seconds, report.notes)


def _rounded(value: float) -> str:
    """Two decimals, no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
