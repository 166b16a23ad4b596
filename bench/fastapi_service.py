# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What many write instead of using a model server: FastAPI on ONNX Runtime, here with the paths of the protocol v2.

Takes JSON and the binary extension for one input. Run by uvicorn; the environment variable MODEL is the ONNX file.
"""
import json
import os

import fastapi
import numpy as np
import onnxruntime

LENGTH = "inference-header-content-length"
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = fastapi.FastAPI()


@app.get("/v2/health/ready")
async def ready():
    return fastapi.Response()


@app.get("/v2/models/{model}")
async def metadata(model: str):
    def describe(tensors):
        return [{"name": tensor.name, "datatype": "FP32", "shape": [-1] * len(tensor.shape)} for tensor in tensors]
    return {"name": model, "inputs": describe(session.get_inputs()), "outputs": describe(session.get_outputs())}


@app.post("/v2/models/{model}/infer")
async def infer(model: str, request: fastapi.Request):
    body = await request.body()
    size = request.headers.get(LENGTH)
    head = json.loads(body if size is None else body[:int(size)])
    tensor = head["inputs"][0]
    if size is None:
        array = np.asarray(tensor["data"], np.float32).reshape(tensor["shape"])
    else:
        array = np.frombuffer(body, np.float32, offset=int(size)).reshape(tensor["shape"])
    result = session.run(None, {tensor["name"]: array})[0]
    output = {"name": session.get_outputs()[0].name, "datatype": "FP32", "shape": list(result.shape)}
    answer = {"model_name": model, "model_version": "1", "outputs": [output]}
    if size is None:
        output["data"] = result.ravel().tolist()
        return answer
    output["parameters"] = {"binary_data_size": result.nbytes}
    text = json.dumps(answer).encode()
    return fastapi.Response(text + result.tobytes(), media_type="application/octet-stream", headers={LENGTH: str(len(text))})
