# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Names of TensorRT that nothing stands behind here: using one raises an error that says so and what to do instead."""
from __future__ import annotations

from typing import Any

from penstock.errors import UnsupportedError


class NotSupportedError(UnsupportedError, AttributeError):
    """A name of TensorRT's API that Penstock has nothing for. An AttributeError too, so hasattr() tells."""


_PLUGIN = "there are no plugins; every standard ONNX operator is built in"
_DLA = "there is no DLA; leave it out"
_INT8 = "ranges come from a calibrator, or from its cache, which is text"
_REFIT = "weights of a plan cannot be replaced; build again: a timing cache makes that fast"
_STREAMING = "weights are mapped from the plan, not streamed; leave it out"
_DEBUG_TENSORS = "use mark_output, or penstock.compare for all layers"
_ALGORITHMS = "use penstock.build(tactic_sources=...); penstock.inspect tells the tactics"
_MANY_DEVICES = "one device runs a plan; leave it out"
_LOOP = "make the loop in ONNX (Loop, Scan) and parse it"
_CONDITIONAL = "make the branches in ONNX (If) and parse them, or use add_select"
_SCRATCH = "a context allocates its scratch memory itself, or is given it by set_device_memory(); leave it out"

# "NAME" of the module, or "CLASS.NAME": what to do instead.
REASONS = {
    **dict.fromkeys(("Refitter", "OnnxParserRefitter"), _REFIT),
    **dict.fromkeys(("IAlgorithm", "IAlgorithmContext", "IAlgorithmIOInfo", "IAlgorithmSelector", "IAlgorithmVariant"),
                    _ALGORITHMS),
    **dict.fromkeys((
        "DimsExprs", "DimensionOperation", "DynamicPluginTensorDesc", "IDimensionExpr", "IExprBuilder", "IPluginCapability",
        "IPluginCreator", "IPluginCreatorInterface", "IPluginCreatorV3One", "IPluginCreatorV3Quick", "IPluginResource",
        "IPluginResourceContext", "IPluginV2", "IPluginV2DynamicExt", "IPluginV2DynamicExtBase", "IPluginV2Ext",
        "IPluginV2Layer", "IPluginV3", "IPluginV3Layer", "IPluginV3OneBuild", "IPluginV3OneBuildV2", "IPluginV3OneCore",
        "IPluginV3OneRuntime", "IPluginV3QuickAOTBuild", "IPluginV3QuickBuild", "IPluginV3QuickCore", "IPluginV3QuickRuntime",
        "ISymExpr", "ISymExprs", "KernelLaunchParams", "PluginArgDataType", "PluginArgType", "PluginCapabilityType",
        "PluginCreatorVersion", "PluginField", "PluginFieldCollection", "PluginFieldCollection_", "PluginFieldType",
        "PluginTensorDesc", "QuickPluginCreationRequest", "TensorRTPhase", "plugin"), _PLUGIN),
    **dict.fromkeys(("IGpuAllocator", "IGpuAsyncAllocator"), "memory comes from the process; leave it out"),
    **dict.fromkeys(("IDebugListener",), _DEBUG_TENSORS),
    **dict.fromkeys(("ILoop", "ILoopBoundaryLayer", "ILoopOutputLayer", "IRecurrenceLayer", "ITripLimitLayer", "IIteratorLayer"),
                    _LOOP),
    **dict.fromkeys(("IIfConditional", "IIfConditionalBoundaryLayer", "IIfConditionalInputLayer",
                     "IIfConditionalOutputLayer", "IConditionLayer"), _CONDITIONAL),
    "IDynamicQuantizeLayer": "use add_quantize and add_dequantize",
    **dict.fromkeys(("IQuantizeLayer.block_shape", "IDequantizeLayer.block_shape"), "scales are of a tensor or of an axis"),
    **dict.fromkeys(("IAttention", "IAttentionBoundaryLayer", "IAttentionInputLayer", "IAttentionOutputLayer",
                     "IRotaryEmbeddingLayer", "IKVCacheUpdateLayer", "IMoELayer"),
                    "use matrix products and softmax, or parse a model with these operators"),
    "IDistCollectiveLayer": _MANY_DEVICES,
    "IAssertionLayer": "shapes are checked by the profile; leave it out",
    "IRaggedSoftMaxLayer": "use add_softmax with a mask",
    "INMSLayer": "parse a model with NonMaxSuppression, whose boxes come in ONNX's order",
    "UffParser": "UFF is gone since TensorRT 9; export ONNX",
    "CaffeParser": "Caffe is gone since TensorRT 9; export ONNX",
    # Builder
    "Builder.gpu_allocator": "memory comes from the process; leave it out",
    # IBuilderConfig
    "IBuilderConfig.set_quantization_flag": "models are calibrated before fusion; leave it out",
    "IBuilderConfig.quantization_flags": "models are calibrated before fusion; leave it out",
    "IBuilderConfig.DLA_core": _DLA,
    "IBuilderConfig.algorithm_selector": _ALGORITHMS,
    "IBuilderConfig.plugins_to_serialize": _PLUGIN,
    "IBuilderConfig.remote_auto_tuning_config": "tactics are measured on this machine; leave it out",
    # INetworkDefinition
    **{f"INetworkDefinition.{name}": _PLUGIN for name in ("add_plugin", "add_plugin_v2", "add_plugin_v3", "add_plugin_ext")},
    "INetworkDefinition.add_loop": _LOOP,
    "INetworkDefinition.add_if_conditional": _CONDITIONAL,
    **{f"INetworkDefinition.{name}": "use add_quantize and add_dequantize" for name in
       ("add_dynamic_quantize", "add_dynamic_quantize_v2")},
    **{f"INetworkDefinition.{name}": "use matrix products and softmax, or parse a model with these operators"
       for name in ("add_attention", "add_rotary_embedding", "add_kv_cache_update", "add_moe")},
    "INetworkDefinition.add_dist_collective": _MANY_DEVICES,
    "INetworkDefinition.add_assertion": "shapes are checked by the profile; leave it out",
    "INetworkDefinition.add_ragged_softmax": "use add_softmax with a mask",
    "INetworkDefinition.add_nms": "parse a model with NonMaxSuppression, whose boxes come in ONNX's order",
    "INetworkDefinition.add_rnn_v2": "parse a model with LSTM, GRU or RNN",
    **{f"INetworkDefinition.{name}": _REFIT for name in
       ("mark_weights_refittable", "unmark_weights_refittable", "set_weights_name")},
    **{f"INetworkDefinition.{name}": _DEBUG_TENSORS for name in
       ("mark_debug", "unmark_debug", "mark_unfused_tensors_as_debug_tensors", "unmark_unfused_tensors_as_debug_tensors")},
    **{f"INetworkDefinition.{name}": "use add_shape and mark_output" for name in
       ("mark_output_for_shapes", "unmark_output_for_shapes")},
    # ITensor
    "ITensor.dynamic_range": _INT8,
    "ITensor.set_dynamic_range": _INT8,
    "ITensor.reset_dynamic_range": _INT8,
    # OnnxParser
    **{f"OnnxParser.{name}": "use parse or parse_from_file" for name in
       ("parse_with_weight_descriptors", "load_model_proto", "load_initializer", "parse_model_proto")},
    "OnnxParser.get_used_vc_plugin_libraries": _PLUGIN,
    # Runtime
    "Runtime.DLA_core": _DLA,
    "Runtime.gpu_allocator": "memory comes from the process; leave it out",
    "Runtime.load_runtime": "one runtime opens every plan of this version; leave it out",
    "Runtime.temporary_directory": "no temporary files are written; leave it out",
    "Runtime.tempfile_control_flags": "no temporary files are written; leave it out",
    # ICudaEngine
    **{f"ICudaEngine.{name}": _STREAMING for name in
       ("weight_streaming_budget", "weight_streaming_budget_v2", "minimum_weight_streaming_budget",
        "get_weight_streaming_automatic_budget", "weight_streaming_scratch_memory_size")},
    "ICudaEngine.create_serialization_config": "use serialize()",
    "ICudaEngine.serialize_with_config": "use serialize()",
    "ICudaEngine.get_aliased_input_tensor": _PLUGIN,
    # IExecutionContext
    "IExecutionContext.temporary_allocator": _SCRATCH,
    "IExecutionContext.set_communicator": _MANY_DEVICES,
    **{f"IExecutionContext.{name}": _DEBUG_TENSORS for name in
       ("set_debug_listener", "get_debug_listener", "set_tensor_debug_state", "get_debug_state",
        "set_all_tensors_debug_state", "unfused_tensors_debug_state")},
    # IPluginRegistry
    **{f"IPluginRegistry.{name}": _PLUGIN for name in
       ("load_library", "deregister_library", "register_creator", "deregister_creator", "acquire_plugin_resource",
        "release_plugin_resource")},
    # ITimingCache
    "ITimingCache.query": "serialize() gives the times as JSON",
    "ITimingCache.update": "serialize() gives the times as JSON",
    "ITimingCache.queryKeys": "serialize() gives the times as JSON",
    "TimingCacheKey": "ITimingCache.serialize() gives the times as JSON",
    "TimingCacheValue": "ITimingCache.serialize() gives the times as JSON",
    "ISerializationConfig": "use ICudaEngine.serialize()",
    "SerializationFlag": "use ICudaEngine.serialize()",
    "IRuntimeConfig": "use ICudaEngine.create_execution_context()",
    "ICudaEngine.create_runtime_config": "use create_execution_context()",
    "IExecutionContext.get_runtime_config": "use create_execution_context()",
}


# Properties that can be read, and set to what they are.
RESTING = {
    "Builder.gpu_allocator": None,
    "IBuilderConfig.DLA_core": -1,
    "IBuilderConfig.algorithm_selector": None,
    "IBuilderConfig.plugins_to_serialize": [],
    "IBuilderConfig.quantization_flags": 0,
    "IBuilderConfig.remote_auto_tuning_config": "",
    "ICudaEngine.minimum_weight_streaming_budget": 0,
    "ICudaEngine.weight_streaming_budget": 0,
    "ICudaEngine.weight_streaming_budget_v2": 0,
    "ICudaEngine.weight_streaming_scratch_memory_size": 0,
    "IExecutionContext.temporary_allocator": None,
    "IExecutionContext.unfused_tensors_debug_state": False,
    "ITensor.dynamic_range": None,
    "Runtime.DLA_core": -1,
    "Runtime.gpu_allocator": None,
    "Runtime.temporary_directory": None,
    "Runtime.tempfile_control_flags": 0,
}


def error(name: str, instead: str | None = None) -> NotSupportedError:
    return NotSupportedError(f"tensorrt.{name} is not supported by Penstock: {instead or REASONS[name]}")


class Checked:
    """A class of TensorRT's: names that are not supported raise, and so do misspelt ones that are set."""

    @classmethod
    def _reason(cls, name: str) -> str | None:
        return next((f"{base.__name__}.{name}" for base in cls.__mro__ if f"{base.__name__}.{name}" in REASONS), None)

    def __getattr__(self, name: str) -> Any:
        known = self._reason(name)
        if known in RESTING:
            return RESTING[known]
        if known:
            raise error(known)
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            return object.__setattr__(self, name, value)
        known = self._reason(name)
        if known and (value is None or known in RESTING and value == RESTING[known]):  # which is what there is
            return
        if known:
            raise error(known)
        if not hasattr(type(self), name):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")
        object.__setattr__(self, name, value)

    # TensorRT's objects are context managers; what they hold goes with the last reference.
    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass


class Option:
    """A property with a default that is kept and read back; the class says what it does, where it does something."""

    def __init__(self, default: Any):
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_option_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else instance.__dict__.get(self._name, self._default)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value
