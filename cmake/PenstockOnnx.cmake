# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# ONNX's own protobuf schema, from the onnx wheel: #include "onnx/onnx-ml.pb.h". It asks for protobuf's lite runtime itself.

file(GLOB onnx_packages "${PENSTOCK_VENV}/lib/python3*/site-packages/onnx/onnx-ml.proto")
if(NOT onnx_packages)
  message(FATAL_ERROR "No onnx package in PENSTOCK_VENV. Run './dev setup' first.")
endif()
list(GET onnx_packages 0 onnx_schema)
get_filename_component(onnx_folder "${onnx_schema}" DIRECTORY)
get_filename_component(onnx_root "${onnx_folder}" DIRECTORY)

set(onnx_generated "${PROJECT_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${onnx_generated}/onnx")
set(onnx_protos)
set(onnx_sources)
set(onnx_headers)
foreach(stem IN ITEMS onnx-ml onnx-data onnx-operators-ml)  # onnx-ml alone lacks SequenceProto and MapProto at link time
  list(APPEND onnx_protos "${onnx_folder}/${stem}.proto")
  list(APPEND onnx_sources "${onnx_generated}/onnx/${stem}.pb.cc")
  list(APPEND onnx_headers "${onnx_generated}/onnx/${stem}.pb.h")
endforeach()

add_custom_command(
  OUTPUT ${onnx_sources} ${onnx_headers}
  COMMAND protobuf::protoc "--proto_path=${onnx_root}" "--cpp_out=${onnx_generated}" ${onnx_protos}
  DEPENDS ${onnx_protos}
  COMMENT "Generating the ONNX schema"
  VERBATIM)

add_library(penstock_onnx OBJECT ${onnx_sources})
target_compile_options(penstock_onnx PRIVATE -w -march=${PENSTOCK_ARCH})
target_link_libraries(penstock_onnx PRIVATE penstock_compiler_deps)
add_custom_target(penstock_onnx_headers DEPENDS ${onnx_headers})
