# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What a plan records of its inputs, and what happens where inputs are otherwise."""
import command
import numpy as np
import pytest
import small_models

import penstock

IMAGES = np.random.default_rng(1).random((24, 3, 16, 16), np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


def engine_with(model, **options):
    return penstock.Engine(penstock.build(model, optimization_level=0, **options))


def test_a_plan_without_them_expects_nothing(model):
    engine = engine_with(model)
    assert engine.input_contracts == {}
    monitor = penstock.InputMonitor(engine)
    assert monitor.check({"images": IMAGES * 1000}) == [] and monitor.counts == {}


def test_what_is_given_is_recorded_and_holds_as_it_is(model):
    engine = engine_with(model, input_ranges={"images": (0, 1)})
    assert engine.input_contracts == {"images": {"min": 0, "max": 1, "source": "given"}}
    monitor = penstock.InputMonitor(engine)
    assert monitor.check({"images": IMAGES[:4]}) == []
    bad = IMAGES[:4].copy()
    bad[0, 0, 0, :3] = 1.0001, -0.0001, np.nan
    [warning] = monitor.check({"images": bad})
    assert "'images': 3 of 3072 elements are outside the range 0 to 1" in warning
    assert monitor.counts == {"images": {"tensors": 2, "tensors_outside": 1, "elements_outside": 3}}


def test_pixels_that_were_not_divided_are_guessed(model):
    monitor = penstock.InputMonitor(engine_with(model, input_ranges={"images": (0, 1)}))
    [warning] = monitor.check({"images": IMAGES * 255})
    assert "divided by 255" in warning


def test_a_normalization_gives_the_range(model):
    engine = engine_with(model, input_normalization={"images": ((0.5, 0.25, 0.5), (0.25, 0.25, 0.5))})
    assert engine.input_contracts["images"] == {
        "min": -2, "max": 3, "source": "given", "mean": [0.5, 0.25, 0.5], "std": [0.25, 0.25, 0.5]}
    [warning] = penstock.InputMonitor(engine).check({"images": IMAGES * 255})
    assert "(x - 0.5/0.25/0.5) / 0.25/0.25/0.5" in warning


def test_calibration_records_what_it_saw_and_leaves_a_quarter(model):
    table = penstock.calibrate(model, [IMAGES])
    low, high = float(IMAGES.min()), float(IMAGES.max())
    engine = engine_with(model, int8=True, calibration=table)
    assert engine.input_contracts == {"images": {"min": low, "max": high, "source": "calibration"}}
    monitor = penstock.InputMonitor(engine)
    slack = 0.25 * (high - low)
    assert monitor.check({"images": np.full((1, 3, 16, 16), high + 0.99 * slack, np.float32)}) == []
    assert len(monitor.check({"images": np.full((1, 3, 16, 16), high + 1.01 * slack, np.float32)})) == 1
    given = engine_with(model, int8=True, calibration=table, input_ranges={"images": (-3, 3)})
    assert given.input_contracts["images"]["source"] == "given"


def test_bad_contracts_are_errors(model):
    with pytest.raises(penstock.InvalidArgumentError, match="'pictures', which is no input.*images"):
        penstock.build(model, input_ranges={"pictures": (0, 1)})
    with pytest.raises(penstock.InvalidArgumentError, match="input 'images'.*from 1 to 0"):
        penstock.build(model, input_ranges={"images": (1, 0)})
    with pytest.raises(ValueError, match="above 0 for each mean"):
        penstock.build(model, input_normalization={"images": ((0.5, 0.5), (1,))})
    with pytest.raises(TypeError, match="two of them"):
        penstock.build(model, input_ranges={"images": 1})


def test_run_and_bench_warn_and_inspect_shows(model, tmp_path):
    plan = tmp_path / "a.plan"
    command.penstock("build", model, "-o", plan, "--opt-level", "0", "--input-mean", "images:0.5", "--input-std", "images:0.5")
    np.save(tmp_path / "raw.npy", IMAGES[:1] * 255)
    for verb in (("run",), ("bench", "--iterations", "1", "--duration", "0", "--warmup", "0")):
        result = command.penstock(*verb, plan, "--input", f"images={tmp_path / 'raw.npy'}")
        assert "warning: input 'images'" in result.stderr and "range -1 to 1" in result.stderr
        # Random inputs are drawn from the range.
        assert "warning" not in command.penstock(*verb, plan).stderr
    assert "from -1 to 1 (given), mean [0.5], std [0.5]" in command.penstock("inspect", plan).stdout
    assert penstock.inspect(str(plan))["inputs"][0]["expected"]["source"] == "given"


@pytest.mark.parametrize("flag, value, message", [
    ("--input-range", "images:0", "NAME:MIN:MAX"),
    ("--input-range", "images:a:1", "NAME:MIN:MAX"),
    ("--input-mean", "images:0.5", "--input-std"),
    ("--input-mean", "images:x", "NAME:NUMBER"),
])
def test_bad_flags_are_named(model, tmp_path, flag, value, message):
    result = command.penstock("build", model, "-o", tmp_path / "a.plan", flag, value, exit_code=1)
    assert message in result.stderr
    assert not (tmp_path / "a.plan").exists()


def write_ppm(path, pixels):
    height, width, _ = pixels.shape
    path.write_bytes(b"P6 %d %d 255\n" % (width, height) + pixels.astype(np.uint8).tobytes())


def test_a_folder_of_images_is_calibration_data(model, tmp_path):
    folder = tmp_path / "images"
    (folder / "class").mkdir(parents=True)
    pixels = np.random.default_rng(2).integers(10, 246, (16, 16, 3))
    write_ppm(folder / "exact.ppm", pixels)
    # Twice as high, four times as wide: the middle remains, and of stripes of two pixels their colours.
    wide = np.zeros((32, 128, 3), np.uint8)
    wide[:, 48:80] = 100
    write_ppm(folder / "class" / "wide.PPM", wide)
    cache = tmp_path / "a.cache"
    command.penstock("build", model, "--int8", "--calib", folder, "--calib-cache", cache, "-o", tmp_path / "a.plan", "--opt-level", "0")
    table = penstock.CalibrationTable.load(str(cache))
    assert table.batches == 1
    seen = [line for line in cache.read_text().splitlines() if line.startswith("input: ")]
    low, high = (float(x) for x in seen[0].split()[1:3])
    # The crop's first and last columns have a tap on the black neighbours: 1/8 of the filter's weight.
    assert low == pytest.approx(min(pixels.min(), 100 * 7 / 8) / 255, abs=1e-6)
    assert high == pytest.approx(max(pixels.max(), 100) / 255, abs=1e-6)
    arrays = [pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255]
    (folder / "class" / "wide.PPM").unlink()
    cache.unlink()
    command.penstock("build", model, "--int8", "--calib", folder, "--calib-cache", cache, "-o", tmp_path / "a.plan", "--opt-level", "0")
    expected = penstock.calibrate(model, arrays)
    assert penstock.CalibrationTable.load(str(cache)).ranges.keys() == expected.ranges.keys()
    for name, values in penstock.CalibrationTable.load(str(cache)).ranges.items():
        assert values == pytest.approx(expected.ranges[name], rel=1e-5, abs=1e-6)


def test_images_are_normalized_as_told(model, tmp_path):
    write_ppm(tmp_path / "a.ppm", np.full((16, 16, 3), 255))
    cache = tmp_path / "a.cache"
    command.penstock("build", model, "--int8", "--calib", tmp_path, "--calib-cache", cache, "-o", tmp_path / "a.plan", "--opt-level", "0",
                "--input-mean", "images:0.5/0.25/0", "--input-std", "images:0.5/0.5/0.5")
    assert "input: 1 2 images" in cache.read_text()
    assert penstock.Engine(str(tmp_path / "a.plan")).input_contracts["images"]["min"] == -1


def test_bad_images_are_named(model, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    result = command.penstock("build", model, "--int8", "--calib", tmp_path, "-o", tmp_path / "a.plan", exit_code=1)
    assert "broken.png' is damaged" in result.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    result = command.penstock("build", model, "--int8", "--calib", empty, "-o", tmp_path / "a.plan", exit_code=1)
    assert "no .npy files, and no images" in result.stderr
    assert not (tmp_path / "a.plan").exists()


def operators(plan):
    return [layer["op"] for layer in penstock.inspect(plan)["profiles"][0]["layers"]]


def test_best_is_int8_where_there_is_data(model, tmp_path):
    np.savez(tmp_path / "data.npz", images=IMAGES)
    command.penstock("build", model, "--best", "--calib", tmp_path / "data.npz", "-o", tmp_path / "a.plan", "--opt-level", "0")
    int8 = penstock.build(model, int8=True, calibration=[IMAGES], optimization_level=0)
    assert operators(str(tmp_path / "a.plan")) == operators(int8)
    assert "QuantizedConv" in operators(int8)
    assert "QuantizedConv" not in operators(penstock.build(model, best=True, optimization_level=0))
    with pytest.raises(ValueError, match="best chooses"):
        penstock.build(model, best=True, bf16=True)
