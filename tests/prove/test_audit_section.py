"""The report's section on shortcuts and gaps, from a run's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from preceptor.core.evidence import Evidence
from preceptor.prove.evaluators.group_gaps import GroupGaps
from preceptor.prove.report.audit_section import audit_section, render
from preceptor.prove.report.record import Record
from preceptor.prove.shortcuts.audit import Audit
from preceptor.prove.shortcuts.mean_images import MeanImage
from preceptor.prove.shortcuts.suspicion import Trial, judge

from .answered import NOBODY, binary
from .run_folder import multilabel_folder


def _gaps():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    sex = np.where(rng.random(200) < 0.5, "F", "<M>")
    score = 1 / (1 + np.exp(-((2 * truth - 1) * np.where(sex == "F", 0.0, 2.0) + rng.normal(size=200))))
    return GroupGaps(resamples=100)(binary(truth, score, **{"field:sex": sex}), NOBODY)


def _record(folder: Path) -> Record:
    record = Record.read(multilabel_folder(folder))
    return replace(record, evidence=Evidence({"group_gaps": _gaps()}))


def test_a_run_without_either_has_no_section(tmp_path):
    assert audit_section(Record.read(multilabel_folder(tmp_path / "run"))) is None


def test_suspicions_gaps_and_mean_images_are_shown_and_names_are_escaped(tmp_path):
    record = _record(tmp_path / "run")
    trials, suspicions = judge(
        [
            Trial("features.site", "site", "Can site be read?", "Site <b>can</b> be read.", 0.9, None, 0.5, 1e-4, True),
            Trial("only.low-pass", "low-pass", "What is left?", "Little.", 0.6),
        ],
        0.05,
    )
    means = (MeanImage("north", "present", "image", 8, np.random.default_rng(0).random((14, 14))),)
    Audit(tuple(suspicions), tuple(trials), ("one note",), means, 0.05).write(record.folder)
    section = audit_section(record)
    assert [about for about, _ in section.suspicions] == ["site"]
    assert [row.stands_out for row in section.trials] == [True, False] and section.trials[1].p == "–"
    assert section.gaps.rows[0].stands_out and "more than chance" in section.gaps.summary
    page = str(render(section))
    assert "Site &lt;b&gt;can&lt;/b&gt; be read." in page and "<b>" not in page and "<M>" not in page
    assert "north, present (8 patients)" in page and "data:image/png;base64," in page
    assert "equal opportunity" in page and page.count("<section") == page.count("</section>") == 1


def test_gaps_alone_make_a_section(tmp_path):
    section = audit_section(_record(tmp_path / "run"))
    assert section.sentence == "" and section.gaps.criteria
    assert "Everything the audit asked" not in render(section)
