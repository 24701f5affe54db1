"""Starting: help and import stay light, wrong calls are told, exit codes are those promised."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from preceptor.cli import VERBS, main
from preceptor.core.errors import (
    BundleError,
    CohortError,
    MissingExtra,
    PreceptorError,
    PrepareError,
    RecipeError,
    Refusal,
    TrainError,
)

_HEAVY = ("torch", "numpy", "pandas", "monai", "scipy", "matplotlib", "SimpleITK", "pydantic", "lightning_fabric")


def _loaded(program: str) -> list[str]:
    """Which heavy libraries a fresh interpreter has loaded after a program."""
    tail = f"\nimport sys; import json; print(json.dumps([n for n in {_HEAVY!r} if n in sys.modules]), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program + tail], capture_output=True, text=True, timeout=60, check=True
    )
    return eval(done.stderr.strip().splitlines()[-1])  # noqa: S307  our own list


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["run", "--help"], ["cohort", "--help"], ["rnu"]])
def test_help_loads_nothing_heavy(arguments):
    assert _loaded(f"from preceptor.cli import main\nmain({arguments!r})") == []


def test_import_loads_nothing_heavy():
    assert _loaded("import preceptor\npreceptor.Problem, preceptor.RecipeError, dir(preceptor)") == []


def test_listing_plug_ins_does_not_import_torch():
    assert "torch" not in _loaded("from preceptor.cli import main\nmain(['list', 'networks'])")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"preceptor {verb}" in capsys.readouterr().out


def test_a_misspelt_verb_is_answered_with_the_right_one(capsys):
    assert main(["rnu"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert 'Did you mean "run"?' in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "a.yaml", "--rehearze"], "--rehearse"),
        (["run", "a.yaml", "--device", "tpu"], "auto"),
        (["seal", "run"], "--out"),
        (["run"], "RECIPE"),
        (["cohort", "biuld", "x"], "build"),
    ],
)
def test_a_wrong_call_exits_2_and_names_what_was_expected(arguments, words, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words.lower() in said.err.lower()
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecipeError("x"), 2),
        (CohortError("x"), 3),
        (PrepareError("x"), 3),
        (BundleError("x"), 3),
        (Refusal("x"), 4),
        (MissingExtra.of("export", "ONNX export"), 5),
        (TrainError("x"), 1),
        (PreceptorError("x"), 1),
        (ZeroDivisionError("Jane Doe"), 1),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(error, code, monkeypatch, capsys):
    from preceptor import api

    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(api, "report", fails)
    assert main(["report", "somewhere"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "Jane Doe" not in said.err


def test_debug_shows_the_traceback_wherever_it_stands(monkeypatch, capsys):
    from preceptor import api

    def fails(*args, **kwargs):
        raise CohortError("broken")

    monkeypatch.setattr(api, "report", fails)
    for arguments in (["--debug", "report", "somewhere"], ["report", "somewhere", "--debug"]):
        assert main(arguments) == 3
        assert "Traceback" in capsys.readouterr().err


def test_json_makes_stdout_one_object_even_when_it_fails(tmp_path, capsys):
    assert main(["check", str(tmp_path / "none.yaml"), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["code"] == "recipe_not_found"


def test_interrupting_says_how_to_go_on(monkeypatch, capsys):
    from preceptor import api

    def stops(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "report", stops)
    assert main(["report", "somewhere"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
