# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Accuracy on labelled data, the ranking of layers, and the search for a mix of precisions."""
import json
import re
import signal
import subprocess

import catalog
import command
import datasets
import numpy as np
import pytest
import small_models

import penstock

GENERATOR = np.random.default_rng(3)
IMAGES = GENERATOR.standard_normal((64, 3, 16, 16), np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


@pytest.fixture(scope="module")
def plan(model):
    return penstock.build(model, optimization_level=0)


@pytest.fixture(scope="module")
def logits(plan):
    return penstock.Engine(plan).create_context().run({"images": IMAGES})["logits"].copy()


@pytest.fixture(scope="module")
def data(logits):
    """Labels that the model mostly agrees with."""
    labels = logits.argmax(axis=1)
    labels[:4] = (labels[:4] + 1) % 10
    return {"images": IMAGES, "labels": labels}


@pytest.fixture(scope="module")
def files(model, plan, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    np.savez(folder / "data.npz", **data)
    plan.save(folder / "small.plan")
    return folder


@pytest.mark.parametrize("batch", [0, 1, 7, 64])
def test_every_batch_gives_the_same_figure(plan, data, batch):
    result = penstock.accuracy(plan, data, "top1", batch=batch)
    assert result == penstock.Accuracy("top1", 93.75, 64)
    assert penstock.accuracy(plan, data, "top1", batch=batch, samples=8).figure == 50


def test_against_another_plan(model, plan, data):
    result = penstock.accuracy(model, data, "top1", against=plan, int8=True, calibration=[IMAGES], optimization_level=0)
    assert result.reference == 93.75 and result.loss == 93.75 - result.figure
    cosine = penstock.accuracy(plan, data, "cosine", against=plan)
    assert cosine.figure == pytest.approx(1) and cosine.loss == pytest.approx(0)
    assert penstock.accuracy(plan, data, "max_error", against=plan).figure == 0


def test_a_function_is_a_metric(plan, data, logits):
    def mean_margin(outputs, arrays):
        np.testing.assert_array_equal(arrays["labels"], data["labels"])
        ordered = np.sort(outputs["logits"], axis=1)
        return np.mean(ordered[:, -1] - ordered[:, -2])
    ordered = np.sort(logits, axis=1)
    result = penstock.accuracy(plan, data, mean_margin, against=plan)
    assert result.metric == "mean_margin"
    assert result.figure == pytest.approx(np.mean(ordered[:, -1] - ordered[:, -2]), rel=1e-5)
    assert result.loss == 0


def test_errors_name_what_is_wrong(plan, data):
    without = {"images": IMAGES}
    cases = [
        (without, "top1", {}, "no array 'labels', only images"),
        ({"labels": data["labels"]}, "top1", {}, "no array for input 'images', only labels"),
        (data | {"labels": data["labels"][:9]}, "top1", {}, "'labels' has 9 elements for the 64 samples"),
        (data | {"images": IMAGES.astype(np.int16)[:, :2]}, "top1", {}, "samples 0 to 0"),
        (data, "top3", {}, "did you mean 'top1'"),
        (data, "auc", {}, "one score or two"),
        (data, "f1", {}, "no output 'start_logits'"),
        (data, "cosine", {}, "there is none: give a plan"),
        (data, "top1", {"output": "logit"}, "did you mean 'logits'"),
        (data, lambda outputs, arrays: float("nan"), {}, "gave nan"),
    ]
    for arrays, metric, options, message in cases:
        with pytest.raises(penstock.Error, match=re.escape(message)):
            penstock.accuracy(plan, arrays, metric, **options)
    with pytest.raises(ZeroDivisionError):
        penstock.accuracy(plan, data, lambda outputs, arrays: 1 / 0)
    with pytest.raises(TypeError, match="gave str, not a number"):
        penstock.accuracy(plan, data, lambda outputs, arrays: "good")


def test_the_command_line_says_the_same(model, files):
    text = command.penstock("accuracy", files / "small.plan", "--data", files / "data.npz").stdout
    assert text == "top1 93.75 % of 64 samples\n"
    text = command.penstock("accuracy", files / "small.plan", "--data", files / "data.npz", "--against", model,
                            "--budget", "top1<=0", "--opt-level", 0).stdout
    assert text == "top1 93.75 % of 64 samples; reference 93.75 %; lost 0.00 points; within the budget of 0.00 points\n"
    facts = json.loads(command.penstock("accuracy", model, "--data", files / "data.npz", "--int8", "--calib",
                                        files / "data.npz", "--metric", "max_error", "--json", "--opt-level", 0).stdout)
    assert facts["samples"] == 64 and facts["reference"] == 0 and 0 < facts["loss"] == facts["figure"] < 0.1
    over = command.penstock("accuracy", model, "--data", files / "data.npz", "--int8", "--calib", files / "data.npz",
                            "--budget", "max_error<=1e-6", "--opt-level", 0, exit_code=1).stdout
    assert "OVER the budget" in over


@pytest.mark.parametrize("task", datasets.TASKS, ids=lambda task: task.name)
def test_figures_of_shipped_models(task):
    """Those of the tests' own formulas, from the same outputs."""
    groups, labels = task.load()
    groups = groups[:2]
    width = max(group[next(iter(group))].shape[1] for group in groups)
    inputs = {}
    for name in groups[0]:
        arrays = [group[name] for group in groups]
        if name in ("input_ids", "attention_mask", "token_type_ids"):
            arrays = [np.pad(array, ((0, 0), (0, width - array.shape[1]))) for array in arrays]
        inputs[name] = np.concatenate(arrays)
    labels = labels[:len(next(iter(inputs.values())))]
    plan = penstock.build(catalog.path_of(task.name), optimization_level=0)
    outputs = penstock._penstock._run_samples(penstock.Engine(plan), inputs, 64, 0, 0, None)
    metric = "auc" if task.metric == "AUC" else "top1"
    result = penstock.accuracy(plan, inputs | {"labels": labels}, metric, batch=64)
    expected = task.judge(outputs, labels) * (1 if metric == "auc" else 100)
    assert result.figure == pytest.approx(expected, abs=1e-9)


def test_layers_are_ranked(model, files):
    text = command.penstock("compare", model, "--int8", "--calib", files / "data.npz", "--data", files / "data.npz",
                            "--samples", 20, "--opt-level", 0).stdout
    rows = [line.split() for line in text.splitlines() if re.match(r" *\d", line)]
    assert sorted(row[-1] for row in rows) == ["classes", "conv1", "conv2"]
    gains = [float(row[2]) for row in rows]
    assert gains == sorted(gains, reverse=True) and gains[0] > 1
    command.penstock("compare", model, "--data", files / "data.npz", exit_code=1)


def search(model, files, plan, budget, *options, exit_code=0):
    return command.penstock("build", model, "-o", plan, "-q", "--int8", "--calib", files / "data.npz", "--accuracy-data",
                            files / "data.npz", "--accuracy-budget", budget, "--opt-level", 0, *options,
                            exit_code=exit_code)


def test_a_search_stays_within_the_budget(model, files, tmp_path, data):
    text = search(model, files, tmp_path / "found.plan", "max_error<=0.01", "--report", tmp_path / "report.html").stdout
    result = penstock.accuracy(tmp_path / "found.plan", data, "max_error",
                               against=penstock.build(model, optimization_level=0))
    assert result.loss <= 0.01, text
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "clipped at" in page and "http" not in page
    assert "all layers in INT8" in text


def test_what_a_search_found_can_be_built_without_it(model, files, tmp_path):
    text = search(model, files, tmp_path / "found.plan", "max_error<=0.012", "--calib-cache", tmp_path / "cache").stdout
    rules = re.search(r"--layer-precisions '(.*)'", text)
    if rules is None:
        assert "the plan is in float32" in text or "3 of 3 layers" in text
        return
    command.penstock("build", model, "-o", tmp_path / "again.plan", "-q", "--int8", "--calib-cache", tmp_path / "cache",
                     "--opt-level", 0, "--layer-precisions", rules[1])
    inputs = {"images": IMAGES[:4]}
    np.testing.assert_array_equal(command.run(tmp_path / "found.plan", inputs)["logits"],
                                  command.run(tmp_path / "again.plan", inputs)["logits"])


def test_searches_that_cannot_be_say_so(model, files, tmp_path):
    plan = tmp_path / "x.plan"
    for budget, message in (("top9<=1", "did you mean"), ("top1", "such as top1<=0.3"), ("top1<=-1", "such as top1<=0.3")):
        assert message in search(model, files, plan, budget, exit_code=1).stderr
    for options, message in ((["--accuracy-data", files / "data.npz"], "without --accuracy-budget"),
                             (["--report", tmp_path / "x.html"], "without --accuracy-budget"),
                             (["--accuracy-budget", "top1<=1"], "without --accuracy-data"),
                             (["--accuracy-budget", "top1<=1", "--accuracy-data", files / "data.npz"], "without --int8"),
                             (["--layer-precisions", "conv1:int8"], "without INT8"),
                             (["--int8", "--calib", files / "data.npz", "--layer-precisions", "conv1:int8,conv1:fp32"],
                              "'conv1' is asked to be in int8 and in float32"),
                             (["--int8", "--calib", files / "data.npz", "--layer-precisions", "relu1:int8"],
                              "names no layer that computes in 8 bits")):
        assert message in command.penstock("build", model, "-o", plan, "-q", *options, exit_code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_search_leaves_nothing(model, files, tmp_path):
    arguments = [command.PENSTOCK, "build", model, "-o", tmp_path / "x.plan", "--int8", "--calib", files / "data.npz",
                 "--accuracy-data", files / "data.npz", "--accuracy-budget", "max_error<=0", "--report",
                 tmp_path / "x.html", "--opt-level", "3"]
    process = subprocess.Popen(list(map(str, arguments)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in process.stderr:
        if "lift" in line or "INT8" in line:
            process.send_signal(signal.SIGINT)
            break
    process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert list(tmp_path.iterdir()) == []
