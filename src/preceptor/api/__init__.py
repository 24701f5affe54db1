"""The verbs: what the command line calls, and what `preceptor.<name>` offers from Python."""

from __future__ import annotations

from .annotations import agreement_of_annotations, convert_annotations
from .augmenting import audit_texture, augment, show_augment
from .bundles import open_bundle, predict, seal
from .cohorts import build_cohort, check_cohort, check_made, split_cohort
from .demonstration import demo, packaged_recipe
from .evidence import audit, compare, evaluate, explain
from .intake import audit_phi, clean_pixels, convert, deidentify, label_reports, scan, tags
from .reporting import allocate_readers, analyse_readers, checklist, flow_of_runs
from .runs import check, open_run, report, run, selfcheck
from .slides import slide_heatmap, slide_info, slide_tiles
from .synthesis import show_phantoms, synthesise, synthesise_table

__all__ = [
    "agreement_of_annotations",
    "allocate_readers",
    "analyse_readers",
    "audit",
    "audit_phi",
    "audit_texture",
    "augment",
    "build_cohort",
    "check",
    "check_cohort",
    "check_made",
    "checklist",
    "clean_pixels",
    "compare",
    "convert",
    "convert_annotations",
    "deidentify",
    "demo",
    "evaluate",
    "explain",
    "flow_of_runs",
    "label_reports",
    "open_bundle",
    "open_run",
    "packaged_recipe",
    "predict",
    "report",
    "run",
    "scan",
    "seal",
    "selfcheck",
    "show_augment",
    "show_phantoms",
    "slide_heatmap",
    "slide_info",
    "slide_tiles",
    "split_cohort",
    "synthesise",
    "synthesise_table",
    "tags",
]
