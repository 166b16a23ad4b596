# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""A model with an operator of its own: com.example::TopShare, the share that the largest elements of a row have."""
import numpy
import onnx.parser

import penstock

MODEL = """
<ir_version: 10, opset_import: ["" : 21, "com.example" : 1]>
scores (float[batch, classes] x) => (float[batch] share) {
    p = Softmax(x)
    share = com.example.TopShare <count = 2> (p)
}"""


def infer(attributes, types):
    dtype, dims = types[0]
    return [(dtype, dims[:-1])]


def top_share(attributes, p):
    return numpy.sort(p, axis=-1)[..., -attributes["count"]:].sum(axis=-1)


penstock.register_operator("com.example", "TopShare", top_share, infer=infer)
engine = penstock.Engine(penstock.build(onnx.parser.parse_model(MODEL)))
print(engine.outputs[0])
scores = numpy.log(numpy.array([[1, 2, 3, 4], [1, 1, 1, 1]], numpy.float32))
print(*(f"{share:.3f}" for share in engine.create_context().run({"x": scores})["share"]))
