"""How far readers agree with one another: Fleiss' kappa, Cohen's of every pair, intraclass correlation of scores."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from preceptor.core.evidence import Finding
from preceptor.maths.agreement import Agreement, Form, cohen_kappa, cross_table, fleiss_kappa, icc

from .study import Study

#: Forms that ask whether readers could stand in for one another, and whether they rank alike.
_FORMS: dict[Form, str] = {
    "2,1": "one reader of many, strictness counts",
    "3,1": "these readers, strictness does not count",
}


def agreement_of_arms(study: Study) -> dict[str, Finding]:
    """``readers.agreement.<arm>``: Fleiss' kappa of findings (ICC of scores where none are told), and its parts.

    Parts: ``fleiss``, ``mean_kappa`` and a kappa for each pair of readers, ``icc_2_1`` and ``icc_3_1`` of the scores.
    Intervals take cases as independent: with several images a patient they are too narrow, and a note says so.
    """
    found = {}
    readings = study.readings
    if len(readings.readers) < 2:
        return {}
    repeated = len(readings.asked) > study.clusters
    notes = ("several images of a patient are taken as independent: the intervals are too narrow",) if repeated else ()
    for at, arm in enumerate(readings.arms):
        name, parts = f"readers.agreement.{arm}", dict[str, Finding]()
        if readings.told:
            parts |= _kappas(study, name, readings.said[at].astype(int), notes)
        if readings.scored and len(readings.asked) > 1:
            for form, told in _FORMS.items():
                part = f"icc_{form.replace(',', '_')}"
                agreed = icc(readings.score[at].T, form, study.level)
                parts[part] = _finding(study, f"{name}.{part}", f"{agreed.form} of the scores: {told}", agreed, notes)
        if parts:
            head = parts.get("fleiss") or parts["icc_2_1"]
            found[name] = Finding(
                name,
                head.value,
                f"agreement of {len(readings.readers)} readers beyond chance, {arm}: {head.definition}",
                head.interval,
                study.level,
                head.method,
                cases=head.cases,
                clusters=head.clusters,
                parts=parts,
                notes=notes,
            )
    return found


def _kappas(study: Study, name: str, said: np.ndarray, notes: tuple[str, ...]) -> dict[str, Finding]:
    """Of ``(reader, case)`` answers 0 or 1."""
    counts = np.stack([(said == 0).sum(0), (said == 1).sum(0)], axis=1)
    agreed = fleiss_kappa(counts, study.level)
    parts = {"fleiss": _finding(study, f"{name}.fleiss", "Fleiss' kappa of present and absent", agreed, notes)}
    pairs = {}
    for first, second in combinations(range(len(said)), 2):
        readers = f"{study.readings.readers[first]} and {study.readings.readers[second]}"
        kappa = cohen_kappa(cross_table(said[first], said[second], 2), "none", study.level)
        pairs[readers] = _finding(study, f"{name}.{readers}", f"Cohen's kappa of {readers}", kappa, notes)
    values = [each.value for each in pairs.values() if np.isfinite(each.value)]
    parts["mean_kappa"] = Finding(
        f"{name}.mean_kappa",
        float(np.mean(values)) if values else float("nan"),
        "mean of Cohen's kappa over all pairs of readers",
        level=study.level,
        method="no interval",
        cases=said.shape[1],
        clusters=study.clusters,
    )
    return parts | pairs


def _finding(study: Study, name: str, definition: str, agreed: Agreement, notes: tuple[str, ...]) -> Finding:
    defined = np.isfinite(agreed.value)
    return Finding(
        name,
        agreed.value,
        definition,
        (agreed.lower, agreed.upper) if np.isfinite(agreed.lower) else None,
        agreed.level,
        f"{agreed.form}, large-sample interval" if "kappa" in agreed.form else f"{agreed.form}, F interval",
        cases=len(study.readings.asked),
        clusters=study.clusters,
        notes=notes if defined else (*notes, "undefined: every reader gave the same answer to every case"),
    )
