# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Element types: Penstock's names, and NumPy's types or those of ml_dtypes."""
import numpy

try:
    import ml_dtypes
except ImportError:  # its types then come as their bits
    ml_dtypes = None

# ONNX's names, which are Penstock's, and ml_dtypes'. The bits' type stands in where that package is missing.
_EXTENSIONS = {
    "bfloat16": ("bfloat16", "uint16"),
    "float8e4m3fn": ("float8_e4m3fn", "uint8"),
    "float8e4m3fnuz": ("float8_e4m3fnuz", "uint8"),
    "float8e5m2": ("float8_e5m2", "uint8"),
    "float8e5m2fnuz": ("float8_e5m2fnuz", "uint8"),
    "float8e8m0": ("float8_e8m0fnu", "uint8"),
    "float4e2m1": ("float4_e2m1fn", "uint8"),
    "int4": ("int4", "int8"),
    "uint4": ("uint4", "uint8"),
    "int2": ("int2", "int8"),
    "uint2": ("uint2", "uint8"),
}
_NAMES = {theirs: ours for ours, (theirs, _) in _EXTENSIONS.items()}


def numpy_dtype(name):
    """The NumPy type of an element type."""
    if name == "string":
        return numpy.dtype(object)
    if name not in _EXTENSIONS:
        return numpy.dtype(name)
    theirs, bits = _EXTENSIONS[name]
    return numpy.dtype(getattr(ml_dtypes, theirs, bits) if ml_dtypes else bits)


def penstock_name(dtype):
    """Penstock's name of a type of ml_dtypes; empty for others."""
    return _NAMES.get(str(dtype), "")
