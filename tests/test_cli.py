# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Every command of the program, its options, exit codes and files."""
import json
import os
import re

import numpy as np
import pytest
import small_models
from command import ROOT, build, penstock, run
from onnx import TensorProto, helper

COMMANDS = ["build", "run", "inspect", "bench", "compare", "operators"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def onnx(folder):
    return small_models.conv_net(folder / "net.onnx")


@pytest.fixture(scope="module")
def plan(folder, onnx):
    build(onnx, folder / "net.plan", "--max-shapes", "images:8x3x16x16")
    return folder / "net.plan"


def images(batch, seed=0):
    return {"images": np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)}


def test_help_names_every_command():
    text = penstock("--help").stdout
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command):
    assert "Usage" in penstock(command, "--help").stdout


def test_version():
    assert re.fullmatch(r"penstock \d+\.\d+\.\d+\n", penstock("--version").stdout)


@pytest.mark.parametrize("arguments", [
    [], ["frobnicate"], ["build"], ["run"], ["inspect"], ["bench"], ["compare"],
    ["build", "x.onnx", "--no-such-option"], ["build", "x.onnx", "--opt-level", "9"],
    ["build", "x.onnx", "--threads", "many"], ["bench", "x.plan", "--streams", "0"],
], ids=" ".join)
def test_wrong_use_is_exit_code_2(arguments):
    assert penstock(*arguments, exit_code=2).stderr


def test_build_tells_what_it_made(folder, onnx):
    text = build(onnx, folder / "told.plan")
    assert re.search(r"5 ONNX nodes became \d+ kernels", text)
    assert (folder / "told.plan").stat().st_mode & 0o777 == 0o644


def test_build_says_its_device_and_what_that_cannot(folder, onnx):
    done = penstock("build", onnx, "-o", folder / "half.plan", "--opt-level", 0, "--device", "cpu", "--fp16", "-q")
    assert "kernels for cpu;" in done.stdout
    assert "warning: float16 was asked for, and this processor" in done.stderr


def test_build_names_the_plan_after_the_model(folder, onnx):
    penstock("build", onnx, "-q", "--opt-level", 0, cwd=folder)
    assert (folder / "net.plan").exists()


def test_build_shows_progress_as_plain_lines(folder, onnx):
    done = penstock("build", onnx, "-o", folder / "progress.plan", "--opt-level", 0)
    assert "import" in done.stderr and "tune" in done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr


def test_verbose_build_logs_passes_and_choices(folder, onnx):
    log = penstock("build", onnx, "-o", folder / "verbose.plan", "-v").stderr
    assert re.search(r"^import\n.*^  epilogues: \d+ -> \d+ nodes\n.*^tune\n", log, re.MULTILINE | re.DOTALL)
    assert re.search(r"^  Conv '.*': [a-z0-9_.]+.*, best of \d+ usable and \d+ refused$", log, re.MULTILINE)


def test_build_stops_after_a_phase_and_dumps(folder, onnx):
    dump = folder / "graph.txt"
    penstock("build", onnx, "-o", folder / "no.plan", "--stop-after", "import", "--dump", dump)
    assert "Relu" in dump.read_text() and not (folder / "no.plan").exists()
    fused = penstock("build", onnx, "--stop-after", "fuse", "-q").stdout
    assert "Relu(" not in fused


def test_stop_after_an_unknown_phase_lists_the_known(onnx):
    text = penstock("build", onnx, "--stop-after", "fuze", "-q", exit_code=1).stderr
    assert "fuze" in text and "fuse" in text


def test_run_at_several_batches(plan):
    one, three = run(plan, images(1)), run(plan, images(3))
    assert one["logits"].shape == (1, 10) and three["logits"].shape == (3, 10)
    assert one["logits"].dtype == np.float32


def test_rows_do_not_depend_on_their_batch(plan):
    many = images(4)
    alone = {"images": many["images"][2:3]}
    np.testing.assert_allclose(run(plan, many)["logits"][2:3], run(plan, alone)["logits"], rtol=1e-4, atol=1e-5)


def test_run_on_random_inputs(plan, folder):
    text = penstock("run", plan, "--input", "images=random", "--shapes", "images:2x3x16x16").stdout
    assert "logits: float32[2, 10]" in text
    first = penstock("run", plan, "--seed", 7, "--output-dir", folder / "a").stdout
    assert str(folder / "a" / "logits.npy") in first
    penstock("run", plan, "--seed", 7, "--output-dir", folder / "b")
    assert (folder / "a" / "logits.npy").read_bytes() == (folder / "b" / "logits.npy").read_bytes()


def test_fortran_order_is_read_or_refused(plan, folder):
    array = images(2)["images"]
    np.save(folder / "fortran.npy", np.asfortranarray(array))
    text = penstock("run", plan, "--input", f"images={folder}/fortran.npy", exit_code=1).stderr
    assert "fortran" in text.lower()


def test_a_device_that_is_not_here_is_named(plan, onnx):
    told = penstock("run", plan, "--device", "cuda:0", exit_code=1).stderr
    assert "was built for cpu" in told and "does not run on 'cuda:0'" in told
    environment = {**os.environ, "PENSTOCK_DEVICE": "gpu"}
    assert "PENSTOCK_DEVICE: no device 'gpu'" in penstock("build", onnx, exit_code=1, env=environment).stderr
    assert "no device 'tpu' here" in penstock("build", onnx, "--device", "tpu", exit_code=1).stderr


def test_a_gpu_that_is_not_here_says_what_is_missing(onnx, folder):
    if "cuda:0" in penstock_devices():
        pytest.skip("there is a GPU")
    told = penstock("build", onnx, "-o", folder / "none.plan", "--device", "cuda:0", exit_code=1).stderr
    assert any(words in told for words in ("there is no NVIDIA driver here", "the CUDA backend is not installed",
                                           "driver is too old", "there is no GPU here"))
    assert "kernels for cpu;" in penstock("build", onnx, "-o", folder / "auto.plan", "--device", "auto", "--opt-level", 0,
                                          "-q").stdout


def penstock_devices():
    import penstock as package
    return package.Device.list()


def test_memory_limit(onnx, plan, folder):
    bench = penstock("bench", plan, "--iterations", 1, "--duration", 0, "--warmup", 0, "--memory-limit", "1GiB").stdout
    assert re.search(r"^Device memory: \S+ \S+ held, \S+ \S+ at the peak, 1024.0 MiB allowed; weights", bench, re.MULTILINE)
    told = penstock("run", plan, "--memory-limit", "1KiB", exit_code=1).stderr
    assert "more of scratch memory: this process holds" in told and "of the 1024 bytes that the memory limit allows" in told
    environment = {**os.environ, "PENSTOCK_MEMORY_LIMIT": "cpu=1KiB"}
    assert "the memory limit allows" in penstock("run", plan, exit_code=1, env=environment).stderr
    environment["PENSTOCK_MEMORY_LIMIT"] = "much"
    assert "PENSTOCK_MEMORY_LIMIT: 'much' is no size" in penstock("run", plan, exit_code=1, env=environment).stderr
    assert "'much' is no size" in penstock("run", plan, "--memory-limit", "much", exit_code=2).stderr


def test_build_for_contexts_side_by_side(onnx, folder):
    path, cache = folder / "beside.plan", folder / "beside.cache"
    penstock("build", onnx, "-o", path, "--threads", 1, "--concurrent-contexts", 2, "--opt-level", 1, "--timing-cache", cache,
             "--device", "cpu", "-q")
    keys = list(json.loads(cache.read_text())["microseconds"])
    assert keys and all(key.endswith(" beside 1") for key in keys)
    assert "tuned for 1 threads and 2 contexts side by side" in penstock("inspect", path).stdout
    assert json.loads(penstock("inspect", path, "--json").stdout)["concurrent_contexts"] == 2
    assert run(path, images(2))["logits"].shape == (2, 10)


def test_roofline(onnx, plan):
    text = penstock("inspect", plan, "--roofline").stdout
    for words in ["ceilings measured now: memory", "float32 products", "layers together", "bound by", "to gain"]:
        assert words in text, words
    report = json.loads(penstock("inspect", plan, "--roofline", "--json").stdout)
    assert report["ceilings"]["bytes_per_second"] > 1e8 and report["ceilings"]["operations_per_second"]["float32"] > 1e8
    facts = json.loads(penstock("inspect", plan, "--json").stdout)
    assert [layer["name"] for layer in report["layers"]] == [layer["name"] for layer in facts["layers"]]
    for layer in report["layers"]:
        assert layer["us"] > 0 and layer["bytes"] > 0 and layer["share"] > 0 and layer["bound"] in ("memory", "compute")
    assert "build it first" in penstock("inspect", onnx, "--roofline", exit_code=1).stderr
    assert "no profile 3" in penstock("inspect", plan, "--roofline", "--use-profile", 3, exit_code=1).stderr


def test_inspect_a_plan(plan):
    text = penstock("inspect", plan).stdout
    for word in ["images", "logits", "float32", "batch", "conv1", "ONNX nodes", "kernels", "all activations"]:
        assert word in text, word


def test_several_profiles(onnx, folder):
    path = folder / "profiles.plan"
    sizes = {rows: f"images:{rows}x3x16x16" for rows in (1, 2, 4, 8)}
    penstock("build", onnx, "-o", path, "--opt-level", 0, "--profile=0", f"--minShapes={sizes[1]}",
             f"--optShapes={sizes[1]}", f"--maxShapes={sizes[1]}", "--profile=1", f"--minShapes={sizes[2]}",
             f"--optShapes={sizes[4]}", f"--maxShapes={sizes[8]}")
    text = penstock("inspect", path).stdout
    assert "profile 0  images: min 1x3x16x16" in text and "profile 1  images: min 2x3x16x16, opt 4x3x16x16" in text
    assert "logits: float32[1, 10]" in penstock("run", path).stdout
    assert "logits: float32[4, 10]" in penstock("run", path, "--use-profile", 1).stdout
    assert "logits: float32[8, 10]" in penstock("run", path, "--shapes", sizes[8]).stdout
    refused = penstock("run", path, "--use-profile", 0, "--shapes", sizes[8], exit_code=1).stderr
    assert "outside profile 0, 1 to 1" in refused
    assert "no profile 2; the plan has 2" in penstock("run", path, "--use-profile", 2, exit_code=1).stderr
    bench = penstock("bench", path, "--use-profile", 1, "--iterations", 2, "--duration", 0, "--warmup", 0).stdout
    assert "Throughput" in bench
    skipped = penstock("build", onnx, "-o", path, "--profile=1", f"--optShapes={sizes[1]}", exit_code=1).stderr
    assert "--profile 1 without --profile 0" in skipped


def test_shape_inputs(folder):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["r"]), helper.make_node("Relu", ["r"], ["y"])]
    model = small_models.save(folder / "reshape.onnx", nodes,
                              [small_models.value("x", [12]), small_models.value("shape", [2], TensorProto.INT64)],
                              [small_models.value("y", ["rows", "columns"])])
    plan = folder / "reshape.plan"
    penstock("build", model, "-o", plan, "--opt-level", 0, "--minShapes=shape:1x1", "--optShapes=shape:3x4",
             "--maxShapes=shape:12x12")
    assert "shape: values min 1x1, opt 3x4, max 12x12" in penstock("inspect", plan).stdout
    assert "y: float32[3, 4]" in penstock("run", plan).stdout
    assert "y: float32[2, 6]" in penstock("run", plan, "--shapes", "shape:2x6").stdout
    assert "value 0 is outside the profile, 1 to 12" in penstock("run", plan, "--shapes", "shape:13x1", exit_code=1).stderr


def test_inspect_json_has_every_layer_with_its_candidates(plan):
    facts = json.loads(penstock("inspect", plan, "--json").stdout)
    assert facts["onnx_node_count"] == 5 and facts["kernel_count"] == len(facts["layers"])
    assert sum(layer["op"] != "Reorder" for layer in facts["layers"]) < 5
    assert facts["memory"]["peak_bytes"] <= facts["memory"]["all_activations_bytes"]
    assert facts["profile"]["images"]["max"] == [8, 3, 16, 16]
    origins = {node for layer in facts["layers"] for node in layer["onnx_nodes"]}
    assert {"conv1", "relu1", "conv2", "classes"} <= origins
    for layer in facts["layers"]:
        assert layer["tactic"] and layer["layout"] and layer["precision"]
        for candidate in layer["candidates"]:
            assert candidate.get("chosen") or "us" in candidate or candidate["reason"]


def test_inspect_candidates_shows_the_losers(plan):
    assert "reference" in penstock("inspect", plan, "--candidates").stdout


def test_inspect_a_model(onnx):
    text = penstock("inspect", onnx).stdout
    assert "images" in text and "logits" in text
    facts = json.loads(penstock("inspect", onnx, "--json").stdout)
    assert facts["inputs"][0]["shape"] == ["batch", 3, 16, 16]


def test_bench_prints_trtexec_lines(plan):
    text = penstock("bench", plan, "--duration", 0.1, "--warmup", 10, "--shapes", "images:2x3x16x16").stdout
    for line in [r"Throughput: [0-9.e+]+ qps", r"Latency: min = .* ms, max = .* ms, mean = .* ms, median = .* ms, "
                 r"percentile\(90%\) = .* ms, percentile\(95%\) = .* ms, percentile\(99%\) = ", r"Enqueue Time: min",
                 r"GPU Compute Time: min", r"Total Host Walltime: .* s", r"Total GPU Compute Time: .* s"]:
        assert re.search(f"^{line}", text, re.MULTILINE), line


def test_bench_exports(plan, folder):
    times, profile, output = (folder / f"{name}.json" for name in ("times", "profile", "output"))
    penstock("bench", plan, "--iterations", 5, "--duration", 0, "--warmup", 0, "--export-times", times,
             "--export-profile", profile, "--export-output", output)
    runs = json.loads(times.read_text())
    assert len(runs) == 5 and set(runs[0]) == {
        "startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs", "startD2hMs", "endD2hMs",
        "h2dMs", "computeMs", "d2hMs", "latencyMs"}
    layers = json.loads(profile.read_text())
    assert layers[0]["count"] >= 5
    assert all(set(layer) == {"name", "timeMs", "averageMs", "medianMs", "percentage"} for layer in layers[1:])
    exported = json.loads(output.read_text())
    assert exported[0]["name"] == "logits" and exported[0]["dimensions"] == "1x10" and len(exported[0]["values"]) == 10


def test_bench_builds_a_model_first(onnx):
    done = penstock("bench", onnx, "--opt-level", 0, "--duration", 0, "--iterations", 2, "--streams", 2, "--threads", 1)
    assert "Throughput" in done.stdout


def test_compare_agrees(onnx):
    text = penstock("compare", onnx, "--opt-level", 1).stdout
    assert re.search(r"all \d+ layers agree", text)


def test_compare_names_the_first_layer_over_the_tolerance(onnx):
    text = penstock("compare", onnx, "--opt-level", 1, "--tolerance", 0, "--all", "--seed", 3, exit_code=1).stdout
    assert re.search(r"first layer over the tolerance of 0: '.+'", text)


def test_same_cache_gives_the_same_bytes(folder, onnx):
    cache = folder / "cache"
    build(onnx, folder / "first.plan", "--timing-cache", cache, level=3)
    measured = build(onnx, folder / "second.plan", "--timing-cache", cache, level=3)
    build(onnx, folder / "third.plan", "--timing-cache", cache, level=3)
    assert " 0 tactics measured" in measured
    assert (folder / "second.plan").read_bytes() == (folder / "third.plan").read_bytes()
    assert (folder / "first.plan").read_bytes() == (folder / "second.plan").read_bytes()


def test_trtexec_spellings_of_options(folder, onnx):
    penstock("build", onnx, f"--saveEngine={folder}/spelt.plan", "--minShapes=images:1x3x16x16",
             "--optShapes=images:2x3x16x16", "--maxShapes=images:4x3x16x16", "--builderOptimizationLevel=0",
             f"--timingCacheFile={folder}/spelt.cache", "-q")
    assert run(folder / "spelt.plan", images(4))["logits"].shape == (4, 10)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_documentation(command):
    page = (ROOT / "docs" / "cli.md").read_text()
    options = set(re.findall(r"--[a-zA-Z][a-zA-Z-]+", penstock(command, "--help").stdout)) - {"--help", "--help-all"}
    assert not [option for option in options if f"`{option}" not in page]


def test_run_takes_and_gives_strings_sequences_and_optionals(folder):
    floats = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_sequence_type_proto(floats)
    nodes = [
        helper.make_node("Identity", ["words"], ["same_words"]),
        helper.make_node("SequenceInsert", ["list", "x"], ["longer"]),
        helper.make_node("OptionalHasElement", ["maybe"], ["has"]),
    ]
    inputs = [small_models.value("words", ["n"], TensorProto.STRING), small_models.value("x", [2]),
              helper.make_value_info("list", sequence),
              helper.make_value_info("maybe", helper.make_optional_type_proto(sequence))]
    outputs = [small_models.value("same_words", ["n"], TensorProto.STRING),
               helper.make_value_info("longer", sequence), small_models.value("has", [], TensorProto.BOOL)]
    small_models.save(folder / "values.onnx", nodes, inputs, outputs)
    build(folder / "values.onnx", folder / "values.plan")
    words = np.array(["", "Ünïcode", "b"])
    np.save(folder / "words.npy", words)
    np.save(folder / "x.npy", np.array([1, 2], np.float32))
    (folder / "list").mkdir()
    np.save(folder / "list" / "0.npy", np.zeros((1, 3), np.float32))
    text = penstock("run", folder / "values.plan", "--input", f"words={folder}/words.npy", "--input", f"x={folder}/x.npy",
                    "--input", f"list={folder}/list", "--input", "maybe=none", "--output-dir", folder / "values").stdout
    assert "longer: sequence of 2: float32[1, 3], float32[2]" in text
    assert (np.load(folder / "values" / "same_words.npy") == words).all()
    assert np.load(folder / "values" / "longer" / "1.npy").tolist() == [1, 2]
    assert not np.load(folder / "values" / "has.npy")
    facts = penstock("inspect", folder / "values.plan").stdout
    assert "input    list sequence<float32[*]>" in facts
    assert "input    maybe optional<sequence<float32[*]>>" in facts
