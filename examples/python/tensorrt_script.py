#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""A script written for TensorRT: a small network by hand, a plan, and runs on device memory.

It runs on NVIDIA's packages with these two lines instead of the imports below:
    import tensorrt as trt
    import pycuda.driver as cuda
"""
import numpy as np

import penstock.cuda as cuda
import penstock.cuda.autoinit  # noqa: F401  (pycuda.autoinit)
import penstock.trt as trt

LOGGER = trt.Logger(trt.Logger.WARNING)
LARGEST_BATCH = 8


def build(weights, bias):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    pixels = network.add_input("pixels", trt.float32, (-1, weights.shape[1]))
    matrix = network.add_constant(weights.shape, trt.Weights(weights))
    product = network.add_matrix_multiply(pixels, trt.MatrixOperation.NONE, matrix.get_output(0), trt.MatrixOperation.TRANSPOSE)
    constant = network.add_constant((1, bias.size), trt.Weights(bias))
    total = network.add_elementwise(product.get_output(0), constant.get_output(0), trt.ElementWiseOperation.SUM)
    softmax = network.add_softmax(total.get_output(0))
    softmax.axes = 1 << 1
    softmax.get_output(0).name = "scores"
    network.mark_output(softmax.get_output(0))

    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 28)
    profile = builder.create_optimization_profile()
    profile.set_shape("pixels", (1, weights.shape[1]), (4, weights.shape[1]), (LARGEST_BATCH, weights.shape[1]))
    config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config)


def run(engine, batches):
    context = engine.create_execution_context()
    stream = cuda.Stream()
    for batch in batches:
        context.set_input_shape("pixels", batch.shape)
        scores = cuda.pagelocked_empty(tuple(context.get_tensor_shape("scores")), trt.nptype(engine.get_tensor_dtype("scores")))
        device_in, device_out = cuda.mem_alloc(batch.nbytes), cuda.mem_alloc(scores.nbytes)
        context.set_tensor_address("pixels", int(device_in))
        context.set_tensor_address("scores", int(device_out))
        cuda.memcpy_htod_async(device_in, batch, stream)
        context.execute_async_v3(stream_handle=stream.handle)
        cuda.memcpy_dtoh_async(scores, device_out, stream)
        stream.synchronize()
        yield scores


def main():
    random = np.random.default_rng(0)
    weights = random.standard_normal((10, 64), np.float32)
    bias = random.standard_normal(10, np.float32)
    batches = [random.standard_normal((rows, 64), np.float32) for rows in (1, 4, LARGEST_BATCH)]

    engine = trt.Runtime(LOGGER).deserialize_cuda_engine(build(weights, bias))
    worst = 0.0
    for batch, scores in zip(batches, run(engine, batches)):
        logits = batch @ weights.T + bias
        expected = np.exp(logits - logits.max(1, keepdims=True))
        worst = max(worst, np.abs(scores - expected / expected.sum(1, keepdims=True)).max())
    print(f"{len(batches)} batches, largest difference from NumPy {worst:.1e}")


if __name__ == "__main__":
    main()
