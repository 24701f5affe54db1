"""The command line: one file per verb, loaded when it is used, so that ``--help`` imports no torch.

Results go to stdout, messages and progress to stderr; ``--json`` makes stdout one JSON object. Exit codes: 0 done,
1 internal, 2 recipe or usage, 3 data, 4 refused by a gate, 5 missing extra.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

#: Verb: where it lies, and its line in ``--help``.
VERBS = {
    "demo": ("demo:demo", "Watch the whole path on phantoms made on the spot (under five minutes)."),
    "new": ("new:new", "Write a commented recipe, or a plug-in with its test, to start from."),
    "check": ("check:check", "Tell every problem of a recipe at once."),
    "run": ("run:run", "Prepare, train, evaluate and report what a recipe says."),
    "report": ("report:report", "Write a run's report anew."),
    "seal": ("seal:seal", "Seal a run into a bundle, if its gates hold."),
    "predict": ("predict:predict", "Predict images with a sealed bundle."),
    "evaluate": ("evaluate:evaluate", "Measure a bundle on a cohort, or anyone's stored predictions."),
    "compare": ("compare:compare", "Compare two models on the same cases, or one recipe's seeds."),
    "checklist": ("checklist:checklist", "Fill a reporting checklist, model card or data sheet from a run's record."),
    "readers": ("readers:readers", "Reader studies: allocate cases to readers, analyse their answers."),
    "audit": ("audit:audit", "Seek shortcuts in a finished run: site, scanner, sex, borders, corners, labels."),
    "selfcheck": ("selfcheck:selfcheck", "Try a recipe's parts on trivial data (a bug?) and on noise (a leak?)."),
    "synthesise": ("synthesise:synthesise", "Draw a study of phantoms whose truth is known: NIfTI, PNG or DICOM."),
    "explain": ("explain:explain", "What answers rest on: cover regions, withhold views, ask the table."),
    "samplesize": ("samplesize:samplesize", "How many patients a study needs."),
    "scan": ("scan:scan", "Find every DICOM series in a folder, DICOMDIR or zip: taken, split or refused, and why."),
    "deidentify": (
        "deidentify:deidentify",
        "Write a folder anew without its patients: headers, names, dates, file names.",
    ),
    "audit-phi": ("audit_phi:audit_phi", "Search every byte of a folder for names and numbers that must not be in it."),
    "convert": ("convert:convert", "Convert DICOM series to NIfTI, and tell what was not converted and why."),
    "tags": ("tags:tags", "Write what DICOM headers say to one table, units in the names of its columns."),
    "label-reports": (
        "label_reports:label_reports",
        "Label findings from the text of reports, and tell how often it errs.",
    ),
    "annotations": (
        "annotations:app",
        "Convert annotations between formats; compare several readers, make a consensus.",
    ),
    "slide": ("slide:app", "Whole slides: what they hold, their tiles, a bundle's heat map."),
    "cohort": ("cohort:cohort", "Build, check and split cohorts."),
    "clean-pixels": (
        "clean_pixels:clean_pixels",
        "Mask what is written in the pixels of images, for a person to sign.",
    ),
    "augment": ("augment:augment", "Write an enlarged cohort: training cases and varied copies of them."),
    "texture": ("texture:texture", "Which steps of a recipe wipe a planted texture out?"),
    "list": ("listing:list_plugins", "List the plug-ins a recipe can name."),
    "show": ("show:show", "Show a plug-in's documentation, what a bundle holds, or what augmentation looks like."),
    "schema": ("schema:schema", "Print the JSON Schema of recipes, for editors."),
    "doctor": ("doctor:doctor", "Print what this machine has, and which extras are missing."),
}


def make_app() -> App:
    """The application with every verb, none of them loaded."""
    from preceptor import __version__

    app = App(
        name="preceptor",
        help="Takes clinical images from the scanner to a model a clinic can trust: sealed, or refused with a reason.",
        help_epilogue="Every verb takes --json (stdout is one JSON object) and --debug (tracebacks).",
        help_format="plaintext",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    for name, (place, line) in VERBS.items():
        app.command(f"preceptor.cli.{place}", name=name, help=line)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Without the program's name; by default those of the process.
    """
    from preceptor.core.errors import PreceptorError

    from . import console

    # Threads that wait busily slow a shared machine several times over; it must be said before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    debug, as_json = "--debug" in options, "--json" in options
    tokens = [each for each in options if each != "--debug"] + given[len(options) :]
    try:
        code = make_app()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        return console.usage(error, as_json)
    except PreceptorError as error:
        return console.failure(error, as_json, debug)
    except KeyboardInterrupt:
        console.say("stopped; the same command goes on from here")
        return 130
    except BrokenPipeError:  # `preceptor list | head`
        console.close_stdout()
        return 0
    except Exception as error:
        return console.internal(error, as_json, debug)
