# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""INT8 by calibration, from the command line and from Python."""
import command
import numpy as np
import pytest
import small_models

import penstock

IMAGES = np.random.default_rng(1).standard_normal((40, 3, 16, 16), np.float32)
BATCHES = [IMAGES[i:i + 8] for i in range(0, 40, 8)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


@pytest.fixture(scope="module")
def reference(model):
    return logits(penstock.build(model, optimization_level=0))


def logits(plan):
    return penstock.Engine(plan).create_context().run({"images": IMAGES[:8]})["logits"]


def quantized(model, **options):
    return penstock.build(model, int8=True, optimization_level=0, **options)


def error(actual, expected):
    return np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected ** 2))


@pytest.mark.parametrize("method", ["entropy", "minmax", "moving-average", "percentile", "mse"])
def test_every_method_is_close_and_not_the_same(model, reference, method):
    result = logits(quantized(model, calibration=BATCHES, calibration_method=method))
    assert 0 < error(result, reference) < 0.05


def test_ranges_are_those_of_the_data(model):
    table = penstock.calibrate(model, BATCHES, method="minmax")
    assert table.batches == 5
    assert table.ranges["images"] == (np.abs(IMAGES).max(), IMAGES.min(), IMAGES.max())
    threshold, low, high = table.ranges["r1"]
    assert low == 0 and high == threshold


def test_the_same_data_gives_the_same_cache_and_the_same_plan(model):
    first, second = (penstock.calibrate(model, BATCHES) for _ in range(2))
    assert first.to_text() == second.to_text()
    assert bytes(quantized(model, calibration=first)) == bytes(quantized(model, calibration=second))


def test_batches_in_every_form(model):
    expected = penstock.calibrate(model, BATCHES).to_text()
    for form in ([{"images": batch} for batch in BATCHES], ([batch] for batch in BATCHES), ((batch,) for batch in BATCHES)):
        assert penstock.calibrate(model, form).to_text() == expected


@pytest.mark.parametrize("tensorrt", [False, True])
def test_a_cache_stands_for_the_data(model, tmp_path, tensorrt):
    table = penstock.calibrate(model, BATCHES)
    table.save(tmp_path / "cache", tensorrt=tensorrt)
    assert (tmp_path / "cache").read_text().startswith("TRT-8601-EntropyCalibration2\n" if tensorrt else "penstock ")
    from_cache = penstock.CalibrationTable.load(tmp_path / "cache")
    for name, (threshold, _, _) in table.ranges.items():
        assert from_cache.ranges[name][0] == pytest.approx(threshold, rel=1e-6)
    assert error(logits(quantized(model, calibration=tmp_path / "cache")), logits(quantized(model, calibration=table))) < 0.02


def test_batches_need_not_be_those_of_the_build(model, tmp_path):
    np.savez(tmp_path / "data.npz", images=IMAGES)
    command.penstock("build", model, "--int8", "--calib", tmp_path / "data.npz", "--calib-batch-size", "16", "-o", tmp_path / "a.plan",
                     "--opt-level", "0", *(f"--{limit}-shapes=images:8x3x16x16" for limit in ("min", "opt", "max")))
    assert penstock.Engine(str(tmp_path / "a.plan")).profile["images"][2][0] == 8


def test_the_cache_is_written_once_and_read_then(model, tmp_path):
    cache = tmp_path / "cache"
    first = quantized(model, calibration=BATCHES, calibration_cache=cache)
    before = cache.stat().st_mtime_ns
    assert bytes(quantized(model, calibration_cache=cache)) == bytes(first)
    assert cache.stat().st_mtime_ns == before


def test_layers_stay_in_float_where_asked(model, reference):
    plan = quantized(model, calibration=BATCHES, layer_precisions={"*": "fp32"})
    np.testing.assert_allclose(logits(plan), reference, rtol=1e-5, atol=1e-6)
    assert quantized(model, calibration=BATCHES, layer_precisions={"nothing*": "fp32"}).summary.warnings == [
        "layer precision 'nothing*' names no layer of the model"]


def test_errors_name_what_is_wrong(model, tmp_path):
    bad = IMAGES[:8].copy()
    bad[0, 0, 0, 3] = np.nan
    cases = [
        (dict(), "it needs calibration data"),
        (dict(calibration=[]), "no batch"),
        (dict(calibration=[IMAGES[:8], bad]), "batch 1: element 3 of value 'images' is"),
        (dict(calibration=[IMAGES[:8, :, :4]]), "batch 0"),
        (dict(calibration=[{"pictures": IMAGES}]), "the model has 'images'"),
        (dict(calibration=[(IMAGES, IMAGES)]), "the model has 1 inputs"),
        (dict(calibration=[np.zeros_like(bad)]), "value 'images', which layer 'conv1' reads, was 0"),
        (dict(calibration=BATCHES, calibration_method="entropie"), "did you mean 'entropy'"),
        (dict(calibration=BATCHES, layer_precisions={"conv1": "int7"}), "give fp32 or int8"),
        (dict(calibration=penstock.CalibrationTable.parse("TRT-8601-EntropyCalibration2\nother: 3c010204\n")), "another model"),
    ]
    for options, message in cases:
        with pytest.raises(penstock.Error, match=message):
            quantized(model, **options)
    with pytest.raises(TypeError, match="iterable"):
        penstock.calibrate(model, 3)
    cache = tmp_path / "cache"
    with pytest.raises(penstock.Error):
        quantized(model, calibration=[bad], calibration_cache=cache)
    assert not cache.exists()


def test_what_the_data_raises_arrives(model):
    def broken():
        yield BATCHES[0]
        raise RuntimeError("the disk is gone")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        penstock.calibrate(model, broken())


def test_the_command_line_takes_files(model, tmp_path, reference):
    np.savez(tmp_path / "data.npz", images=IMAGES, label=np.zeros(40))
    np.savez_compressed(tmp_path / "small.npz", images=IMAGES.astype(np.float64))
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "images.npy", IMAGES)
    (tmp_path / "files").mkdir()
    for i, sample in enumerate(IMAGES):
        np.save(tmp_path / "files" / f"{i:03}.npy", sample)
    caches = []
    for data in ("data.npz", "small.npz", "arrays", "files"):
        cache = tmp_path / f"{data}.cache"
        command.build(model, tmp_path / "int8.plan", "--int8", "--calib", tmp_path / data, "--calib-cache", cache,
                      "--calib-batch-size", 8, level=0)
        caches.append(cache.read_text())
    assert caches == [penstock.calibrate(model, BATCHES).to_text()] * 4
    result = command.run(tmp_path / "int8.plan", {"images": IMAGES[:8]})["logits"]
    assert 0 < error(result, reference) < 0.05


def test_the_command_line_names_bad_files(model, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK\x05\x06 no archive")
    np.savez(tmp_path / "other.npz", pictures=IMAGES)
    np.savez(tmp_path / "types.npz", images=IMAGES.astype(np.int16))
    for data, message in (("none.npz", "no calibration data at"), ("empty", "has no .npy files"), ("broken.npz", "broken.npz"),
                          ("other.npz", "no array for input 'images', only pictures"), ("types.npz", "takes float32")):
        text = command.penstock("build", model, "-o", tmp_path / "x.plan", "-q", "--int8", "--calib", tmp_path / data,
                                exit_code=1).stderr
        assert message in text, text
        assert not (tmp_path / "x.plan").exists()
