"""The journal: lines for machines, lines for people, and the trackers that people already use."""

from __future__ import annotations

import io
import json
import sys
from types import ModuleType

import pytest

from preceptor.core.errors import MissingExtra
from preceptor.learn.journal import Journal


def written(folder, *trackers):
    journal = Journal(folder, None, trackers)
    for epoch in range(3):
        journal.record("epoch", fit="0", epoch=epoch, loss=1.0 / (epoch + 1), shares={"data": 0.25}, best=True)
    journal.close()


def test_every_epoch_is_a_line_and_nothing_is_lost_when_a_run_goes_on(tmp_path):
    written(tmp_path)
    written(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 0, 1, 2]
    assert lines[1]["loss"] == 0.5 and lines[1]["kind"] == "epoch"


def test_a_log_gets_plain_lines_and_no_bar():
    stream = io.StringIO()
    journal = Journal(None, stream)
    journal.bar("epoch 1/2", 1, 2)
    journal.say("done")
    assert stream.getvalue() == "done\n"


def test_a_terminal_gets_a_bar_with_the_time_left_that_goes_when_a_line_comes():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    journal = Journal(None, stream)
    journal.bar("epoch 1/2", 1, 2)
    journal.say("done")
    assert "1/2" in stream.getvalue() and "left" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[Kdone\n")


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    written(tmp_path, "tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"epoch/epoch", "epoch/loss", "epoch/shares/data"}
    assert [(each.step, round(each.value, 4)) for each in events.Scalars("epoch/loss")] == [
        (0, 1.0),
        (1, 0.5),
        (2, 0.3333),
    ]


def test_mlflow_is_given_numbers_alone_with_their_epoch(tmp_path, monkeypatch):
    told = []
    stand_in = ModuleType("mlflow")
    stand_in.set_tracking_uri = lambda uri: told.append(uri)
    stand_in.start_run = lambda run_name: told.append(run_name)
    stand_in.log_metrics = lambda metrics, step: told.append((step, metrics))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    written(tmp_path, "mlflow")
    assert told[0] == f"sqlite:///{tmp_path / 'mlflow.db'}" and told[1] == tmp_path.name
    assert told[3] == (1, {"epoch.epoch": 1.0, "epoch.loss": 0.5, "epoch.shares/data": 0.25})


def test_a_tracker_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtra, match="mlflow"):
        written(tmp_path, "mlflow")
