# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""TensorRT's Python API over Penstock, in the shape of its releases 8 to 10.

    import penstock.trt as trt        # for: import tensorrt as trt

docs/tensorrt.md tells what each of its names does here.
"""
from typing import Any

from penstock.trt import enums, unsupported
from penstock.trt.builder import Builder
from penstock.trt.callbacks import (IErrorRecorder, IInt8Calibrator, IInt8EntropyCalibrator, IInt8EntropyCalibrator2,
                                    IInt8LegacyCalibrator, IInt8MinMaxCalibrator, InterfaceInfo, IOutputAllocator,
                                    IProfiler, IProgressMonitor, IStreamReader, IStreamReaderV2, IStreamWriter,
                                    IVersionedInterface, Profiler)
from penstock.trt.config import IBuilderConfig, IOptimizationProfile, ITimingCache
from penstock.trt.context import IExecutionContext
from penstock.trt.engine import EngineInspector, ICudaEngine, IPluginRegistry, Runtime
from penstock.trt.enums import *  # noqa: F403  (all of them are names of this package)
from penstock.trt.enums import DataType
from penstock.trt.logger import ILogger, Logger
from penstock.trt.network import LAYER_CLASSES, INetworkDefinition
from penstock.trt.parser import OnnxParser, ParserError
from penstock.trt.tensor import ILayer, ITensor
from penstock.trt.types import Dims, Dims2, Dims3, Dims4, DimsHW, IHostMemory, Permutation, Weights, nptype, volume
from penstock.trt.unsupported import NotSupportedError

# The release whose API this is.
__version__ = "10.16.0"

globals().update(LAYER_CLASSES)

float32, float16, bfloat16 = DataType.FLOAT, DataType.HALF, DataType.BF16
int8, int32, int64, uint8 = DataType.INT8, DataType.INT32, DataType.INT64, DataType.UINT8
bool = DataType.BOOL  # noqa: A001  (TensorRT's name)
fp8, int4, fp4, e8m0 = DataType.FP8, DataType.INT4, DataType.FP4, DataType.E8M0

_REGISTRY = IPluginRegistry()


def init_libnvinfer_plugins(logger: Any, namespace: str) -> Any:
    """There are none to start."""
    return True


def get_plugin_registry() -> IPluginRegistry:
    return _REGISTRY


def get_builder_plugin_registry(capability: Any = None) -> IPluginRegistry:
    return _REGISTRY


def get_nv_onnx_parser_version() -> int:
    return 101600


def __getattr__(name: str) -> Any:
    if name in unsupported.REASONS:
        raise unsupported.error(name)
    raise AttributeError(f"module 'penstock.trt' has no attribute '{name}'")
