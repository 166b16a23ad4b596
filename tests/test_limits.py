# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Runs that would not end by themselves end with an error, from Python and from the command line."""
import threading
import time

import numpy as np
import pytest
import small_models
from command import build, penstock as command

import penstock


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.endless_loop(tmp_path_factory.mktemp("limits") / "endless.onnx")


@pytest.fixture(scope="module")
def engine(model):
    return penstock.Engine(penstock.build(model, optimization_level=0))


def inputs(start=True):
    return {"start": np.array(start), "x": np.ones(1, np.float32)}


def test_a_loop_without_end_is_an_error_and_the_context_goes_on(engine):
    context = engine.create_context(max_loop_iterations=100)
    with pytest.raises(penstock.CancelledError, match="'forever'.*100 iterations.*max_loop_iterations"):
        context.run(inputs())
    assert context.run(inputs(False))["y"] == [1]


def test_memory_is_limited(engine):
    context = engine.create_context(max_memory_bytes=64)
    with pytest.raises(penstock.OutOfMemoryError, match="max_memory_bytes"):
        context.run(inputs())


def test_negative_limits_are_refused(engine):
    with pytest.raises(penstock.InvalidArgumentError, match="max_loop_iterations is -1"):
        engine.create_context(max_loop_iterations=-1)


def test_cancel_ends_a_run_from_another_thread(engine):
    context = engine.create_context(max_loop_iterations=0)
    context.cancel()  # nothing runs: the next run is not touched
    assert context.run(inputs(False))["y"] == [1]
    errors = []

    def run():
        try:
            context.run(inputs())
        except penstock.Error as error:
            errors.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        context.cancel()
        time.sleep(0.01)
    assert isinstance(errors[0], penstock.CancelledError)
    assert context.run(inputs(False))["y"] == [1]


def test_the_command_line_sets_the_limits(model, tmp_path):
    build(model, tmp_path / "endless.plan", level=0)
    np.save(tmp_path / "start.npy", np.array(True))
    given = ["run", tmp_path / "endless.plan", "-i", f"start={tmp_path / 'start.npy'}"]
    assert "100 iterations" in command(*given, "--max-loop-iterations", "100", exit_code=1).stderr
    assert "max_memory_bytes" in command(*given, "--max-memory", "0.00001", exit_code=1).stderr
