# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""INT8 as scripts for TensorRT 8 to 10 ask for it: a calibrator with batches in device memory and a cache."""
import numpy as np
import pytest
from trt_helpers import Messages, build, images, logger, model  # noqa: F401  (fixtures)

import penstock
import penstock.cuda as cuda
import penstock.trt as trt


class Calibrator(trt.IInt8EntropyCalibrator2):
    """What every sample has: data in host memory, one buffer on the device, a cache in a file."""

    def __init__(self, data, cache, batch=4):
        trt.IInt8EntropyCalibrator2.__init__(self)
        self.data, self.cache, self.batch = data, cache, batch
        self.next = 0
        self.names = None
        self.memory = cuda.mem_alloc(data[0].nbytes * batch)

    def get_batch_size(self):
        return self.batch

    def get_batch(self, names):
        self.names = names
        if self.next + self.batch > len(self.data):
            return None
        cuda.memcpy_htod(self.memory, np.ascontiguousarray(self.data[self.next:self.next + self.batch]))
        self.next += self.batch
        return [int(self.memory)]

    def read_calibration_cache(self):
        return self.cache.read_bytes() if self.cache.exists() else None

    def write_calibration_cache(self, cache):
        self.cache.write_bytes(cache)


def run(plan, batch, logger):  # noqa: F811
    context = trt.Runtime(logger).deserialize_cuda_engine(plan).create_execution_context()
    context.set_input_shape("images", batch.shape)
    result = np.empty((len(batch), 10), np.float32)
    into, out = cuda.mem_alloc(batch.nbytes), cuda.mem_alloc(result.nbytes)
    cuda.memcpy_htod(into, batch)
    assert context.execute_v2([int(into), int(out)])
    cuda.memcpy_dtoh(result, out)
    return result


def test_a_calibrator_gives_a_plan_in_8_bits(model, tmp_path, logger):  # noqa: F811
    calibrator = Calibrator(images(20), tmp_path / "cache")
    flags = 1 << int(trt.BuilderFlag.INT8)
    plan = build(logger, model, flags=flags, int8_calibrator=calibrator)
    assert calibrator.names == ["images"] and calibrator.next == 20
    assert calibrator.cache.read_text().startswith("TRT-8601-EntropyCalibration2\nimages: ")
    exact = run(build(logger, model), images(4, seed=1), logger)
    quantized = run(plan, images(4, seed=1), logger)
    assert 0 < np.abs(quantized - exact).max() < 0.05 * np.abs(exact).max()

    # The second build takes the cache, and no data.
    again = Calibrator(images(20), tmp_path / "cache")
    assert build(logger, model, flags=flags, int8_calibrator=again) is not None
    assert again.next == 0


def test_other_calibrators_choose_otherwise(model, tmp_path, logger):  # noqa: F811
    class MinMax(Calibrator, trt.IInt8MinMaxCalibrator):
        def get_algorithm(self):
            return trt.CalibrationAlgoType.MINMAX_CALIBRATION
    calibrator = MinMax(images(8), tmp_path / "cache")
    assert build(logger, model, flags=1 << int(trt.BuilderFlag.INT8), int8_calibrator=calibrator) is not None
    table = penstock.CalibrationTable.load(tmp_path / "cache")
    assert table.method == "TRT-8601-MinMaxCalibration"
    assert table.ranges["images"][0] == pytest.approx(np.abs(images(8)).max(), rel=1e-6)


def test_without_a_calibrator_the_build_says_what_it_needs(model, logger):  # noqa: F811
    assert build(logger, model, flags=1 << int(trt.BuilderFlag.INT8)) is None
    assert "it needs calibration data" in logger.text()


def test_an_error_of_the_calibrator_reaches_the_logger(model, tmp_path):  # noqa: F811
    class Broken(Calibrator):
        def get_batch(self, names):
            return [int(self.memory)] * 2
    messages = Messages()
    assert build(messages, model, flags=1 << int(trt.BuilderFlag.INT8),
                 int8_calibrator=Broken(images(8), tmp_path / "cache")) is None
    assert "2 addresses for 1 inputs" in messages.text()
    assert not (tmp_path / "cache").exists()
