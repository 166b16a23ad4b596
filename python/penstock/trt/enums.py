# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""TensorRT's enumerations, with its names and numbers."""
import enum


class Enumeration(enum.IntEnum):
    """An enumeration that prints as TensorRT's do, and whose members are all true."""

    def __str__(self):
        return f"{type(self).__name__}.{self.name}"

    __format__ = object.__format__

    def __bool__(self):
        return True


def _enumeration(name, **members):
    return Enumeration(name, members, module=__name__)


# Numbers from 100 on are of what TensorRT 10 has not: names of release 8, and types of ONNX.
APILanguage = _enumeration("APILanguage", CPP=0, PYTHON=1)
ActivationType = _enumeration("ActivationType", RELU=0, SIGMOID=1, TANH=2, LEAKY_RELU=3, ELU=4, SELU=5, SOFTSIGN=6,
    SOFTPLUS=7, CLIP=8, HARD_SIGMOID=9, SCALED_TANH=10, THRESHOLDED_RELU=11, GELU_ERF=12, GELU_TANH=13)
AllocatorFlag = _enumeration("AllocatorFlag", RESIZABLE=0)
AttentionNormalizationOp = _enumeration("AttentionNormalizationOp", NONE=0, SOFTMAX=1)
BoundingBoxFormat = _enumeration("BoundingBoxFormat", CORNER_PAIRS=0, CENTER_SIZES=1)
BuilderFlag = _enumeration("BuilderFlag", FP16=0, BF16=17, INT8=1, DEBUG=2, GPU_FALLBACK=3, REFIT=4, DISABLE_TIMING_CACHE=5,
    EDITABLE_TIMING_CACHE=27, TF32=6, SPARSE_WEIGHTS=7, SAFETY_SCOPE=8, OBEY_PRECISION_CONSTRAINTS=9,
    PREFER_PRECISION_CONSTRAINTS=10, DIRECT_IO=11, VERSION_COMPATIBLE=13, EXCLUDE_LEAN_RUNTIME=14, FP8=15,
    ERROR_ON_TIMING_CACHE_MISS=16, DISABLE_COMPILATION_CACHE=18, STRIP_PLAN=19, WEIGHTLESS=19, REFIT_IDENTICAL=20,
    WEIGHT_STREAMING=21, INT4=22, REFIT_INDIVIDUAL=23, STRICT_NANS=24, MONITOR_MEMORY=25, FP4=26,
    DISTRIBUTIVE_INDEPENDENCE=28, REJECT_EMPTY_ALGORITHMS=12, STRICT_TYPES=100, ENABLE_TACTIC_HEURISTIC=101)
CalibrationAlgoType = _enumeration("CalibrationAlgoType", LEGACY_CALIBRATION=0, ENTROPY_CALIBRATION=1,
    ENTROPY_CALIBRATION_2=2, MINMAX_CALIBRATION=3)
CollectiveOperation = _enumeration("CollectiveOperation", ALL_REDUCE=0, ALL_GATHER=1, BROADCAST=2, REDUCE=3,
    REDUCE_SCATTER=4)
CumulativeOperation = _enumeration("CumulativeOperation", SUM=0)
DataType = _enumeration("DataType", FLOAT=0, HALF=1, BF16=7, INT8=2, INT32=3, INT64=8, BOOL=4, UINT8=5, FP8=6, INT4=9,
    FP4=10, E8M0=11, DOUBLE=100, INT16=101, UINT16=102, UINT32=103, UINT64=104)
DeviceType = _enumeration("DeviceType", GPU=0, DLA=1)
ElementWiseOperation = _enumeration("ElementWiseOperation", SUM=0, PROD=1, MAX=2, MIN=3, SUB=4, DIV=5, POW=6, FLOOR_DIV=7,
    AND=8, OR=9, XOR=10, EQUAL=11, GREATER=12, LESS=13)
EngineCapability = _enumeration("EngineCapability", STANDARD=0, SAFETY=1, DLA_STANDALONE=2)
EngineStat = _enumeration("EngineStat", TOTAL_WEIGHTS_SIZE=0, STRIPPED_WEIGHTS_SIZE=1)
ErrorCode = _enumeration("ErrorCode", SUCCESS=0, INTERNAL_ERROR=1, MEM_ALLOC_FAILED=2, MODEL_DESERIALIZE_FAILED=3,
    INVALID_VALUE=4, INVALID_GRAPH=5, INVALID_NODE=6, UNSUPPORTED_GRAPH=7, UNSUPPORTED_NODE=8, UNSUPPORTED_NODE_ATTR=9,
    UNSUPPORTED_NODE_INPUT=10, UNSUPPORTED_NODE_DATATYPE=11, UNSUPPORTED_NODE_DYNAMIC=12, UNSUPPORTED_NODE_SHAPE=13,
    REFIT_FAILED=14)
ErrorCodeTRT = _enumeration("ErrorCodeTRT", SUCCESS=0, UNSPECIFIED_ERROR=1, INTERNAL_ERROR=2, INVALID_ARGUMENT=3,
    INVALID_CONFIG=4, FAILED_ALLOCATION=5, FAILED_INITIALIZATION=6, FAILED_EXECUTION=7, FAILED_COMPUTATION=8,
    INVALID_STATE=9, UNSUPPORTED_STATE=10)
ExecutionContextAllocationStrategy = _enumeration("ExecutionContextAllocationStrategy", STATIC=0, ON_PROFILE_CHANGE=1,
    USER_MANAGED=2)
FillOperation = _enumeration("FillOperation", LINSPACE=0, RANDOM_UNIFORM=1, RANDOM_NORMAL=2)
GatherMode = _enumeration("GatherMode", DEFAULT=0, ELEMENT=1, ND=2)
HardwareCompatibilityLevel = _enumeration("HardwareCompatibilityLevel", NONE=0, AMPERE_PLUS=1, SAME_COMPUTE_CAPABILITY=2)
InterpolationMode = _enumeration("InterpolationMode", NEAREST=0, LINEAR=1, CUBIC=2)
KVCacheMode = _enumeration("KVCacheMode", LINEAR=0)
LayerInformationFormat = _enumeration("LayerInformationFormat", ONELINE=0, JSON=1)
LayerType = _enumeration("LayerType", CONVOLUTION=0, GRID_SAMPLE=42, NMS=43, ACTIVATION=2, POOLING=3, LRN=4, SCALE=5,
    SOFTMAX=6, DECONVOLUTION=7, CONCATENATION=8, ELEMENTWISE=9, PLUGIN=10, UNARY=11, PADDING=12, SHUFFLE=13, REDUCE=14,
    TOPK=15, GATHER=16, MATRIX_MULTIPLY=17, RAGGED_SOFTMAX=18, CONSTANT=19, IDENTITY=20, CAST=1, PLUGIN_V2=21, SLICE=22,
    SHAPE=23, PARAMETRIC_RELU=24, RESIZE=25, TRIP_LIMIT=26, RECURRENCE=27, ITERATOR=28, LOOP_OUTPUT=29, SELECT=30,
    ASSERTION=39, FILL=31, QUANTIZE=32, DEQUANTIZE=33, CONDITION=34, CONDITIONAL_INPUT=35, CONDITIONAL_OUTPUT=36, SCATTER=37,
    EINSUM=38, ONE_HOT=40, NON_ZERO=41, REVERSE_SEQUENCE=44, NORMALIZATION=45, PLUGIN_V3=46, SQUEEZE=47, UNSQUEEZE=48,
    CUMULATIVE=49, DYNAMIC_QUANTIZE=50, ATTENTION_INPUT=51, ATTENTION_OUTPUT=52, ROTARY_EMBEDDING=53, KV_CACHE_UPDATE=54,
    MOE=55, DIST_COLLECTIVE=56, FULLY_CONNECTED=100)
LoopOutput = _enumeration("LoopOutput", LAST_VALUE=0, CONCATENATE=1, REVERSE=2)
MatrixOperation = _enumeration("MatrixOperation", NONE=0, TRANSPOSE=1, VECTOR=2)
MemoryPoolType = _enumeration("MemoryPoolType", WORKSPACE=0, DLA_MANAGED_SRAM=1, DLA_LOCAL_DRAM=2, DLA_GLOBAL_DRAM=3,
    TACTIC_DRAM=4, TACTIC_SHARED_MEMORY=5)
MoEActType = _enumeration("MoEActType", NONE=0, SILU=1)
NetworkDefinitionCreationFlag = _enumeration("NetworkDefinitionCreationFlag", EXPLICIT_BATCH=0, STRONGLY_TYPED=1,
    PREFER_AOT_PYTHON_PLUGINS=3, PREFER_JIT_PYTHON_PLUGINS=2, EXPLICIT_PRECISION=100)
OnnxParserFlag = _enumeration("OnnxParserFlag", NATIVE_INSTANCENORM=0, ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA=1,
    REPORT_CAPABILITY_DLA=2, ENABLE_PLUGIN_OVERRIDE=3, ADJUST_FOR_DLA=4)
PaddingMode = _enumeration("PaddingMode", EXPLICIT_ROUND_DOWN=0, EXPLICIT_ROUND_UP=1, SAME_UPPER=2, SAME_LOWER=3)
PoolingType = _enumeration("PoolingType", MAX=0, AVERAGE=1, MAX_AVERAGE_BLEND=2)
PreviewFeature = _enumeration("PreviewFeature", PROFILE_SHARING_0806=0, ALIASED_PLUGIN_IO_10_03=1,
    RUNTIME_ACTIVATION_RESIZE_10_10=2, MULTIDEVICE_RUNTIME_10_16=3, FASTER_DYNAMIC_SHAPES_0805=100,
    DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805=101)
ProfilingVerbosity = _enumeration("ProfilingVerbosity", LAYER_NAMES_ONLY=0, DETAILED=2, NONE=1)
QuantizationFlag = _enumeration("QuantizationFlag", CALIBRATE_BEFORE_FUSION=0)
ReduceOperation = _enumeration("ReduceOperation", SUM=0, PROD=1, MAX=2, MIN=3, AVG=4, NONE=5)
ResizeCoordinateTransformation = _enumeration("ResizeCoordinateTransformation", ALIGN_CORNERS=0, ASYMMETRIC=1, HALF_PIXEL=2)
ResizeRoundMode = _enumeration("ResizeRoundMode", HALF_UP=0, HALF_DOWN=1, FLOOR=2, CEIL=3)
ResizeSelector = _enumeration("ResizeSelector", FORMULA=0, UPPER=1)
RuntimePlatform = _enumeration("RuntimePlatform", SAME_AS_BUILD=0, WINDOWS_AMD64=1)
SampleMode = _enumeration("SampleMode", STRICT_BOUNDS=0, WRAP=1, CLAMP=2, FILL=3, REFLECT=4)
ScaleMode = _enumeration("ScaleMode", UNIFORM=0, CHANNEL=1, ELEMENTWISE=2)
ScatterMode = _enumeration("ScatterMode", ELEMENT=0, ND=1)
SeekPosition = _enumeration("SeekPosition", SET=0, CUR=1, END=2)
Severity = _enumeration("Severity", INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4)
TacticSource = _enumeration("TacticSource", CUBLAS=0, CUBLAS_LT=1, CUDNN=2, EDGE_MASK_CONVOLUTIONS=3, JIT_CONVOLUTIONS=4)
TempfileControlFlag = _enumeration("TempfileControlFlag", ALLOW_IN_MEMORY_FILES=0, ALLOW_TEMPORARY_FILES=1)
TensorFormat = _enumeration("TensorFormat", LINEAR=0, CHW2=1, HWC8=2, CHW4=3, CHW16=4, CHW32=5, DHWC8=6, CDHW32=7, HWC=8,
    DLA_LINEAR=9, DLA_HWC4=10, HWC16=11, DHWC=12)
TensorIOMode = _enumeration("TensorIOMode", NONE=0, INPUT=1, OUTPUT=2)
TensorLocation = _enumeration("TensorLocation", DEVICE=0, HOST=1)
TilingOptimizationLevel = _enumeration("TilingOptimizationLevel", NONE=0, FAST=1, MODERATE=2, FULL=3)
TopKOperation = _enumeration("TopKOperation", MAX=0, MIN=1)
TripLimit = _enumeration("TripLimit", COUNT=0, WHILE=1)
UnaryOperation = _enumeration("UnaryOperation", EXP=0, LOG=1, SQRT=2, RECIP=3, ABS=4, NEG=5, SIN=6, COS=7, TAN=8, SINH=9,
    COSH=10, ASIN=11, ACOS=12, ATAN=13, ASINH=14, ACOSH=15, ATANH=16, CEIL=17, FLOOR=18, ERF=19, NOT=20, SIGN=21, ROUND=22,
    ISINF=23, ISNAN=24)
WeightsRole = _enumeration("WeightsRole", KERNEL=0, BIAS=1, SHIFT=2, SCALE=3, CONSTANT=4, ANY=5)

__all__ = [name for name, value in vars().items() if isinstance(value, type) and issubclass(value, Enumeration)]
__all__.remove("Enumeration")
