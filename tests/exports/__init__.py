# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Architectures of PyTorch's libraries, exported by both of its exporters and compared with ONNX Runtime: python -m exports"""
