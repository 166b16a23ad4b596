# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# What the model server stands on, and its messages: #include "serve/protos/inference.pb.h". None of it is in the libraries.

find_package(Boost 1.74 REQUIRED)  # headers: Asio and Beast
find_package(ZLIB REQUIRED)
find_path(GRPC_INCLUDE_DIR grpcpp/grpcpp.h REQUIRED)
find_library(GRPCPP_LIBRARY grpc++ REQUIRED)
find_library(GRPC_LIBRARY grpc REQUIRED)
find_library(GPR_LIBRARY gpr REQUIRED)
mark_as_advanced(GRPC_INCLUDE_DIR GRPCPP_LIBRARY GRPC_LIBRARY GPR_LIBRARY)
find_package(simdjson REQUIRED CONFIG)
# A macro on the command line would keep the room from the precompiled headers; it concerns streams of documents alone.
set_target_properties(simdjson::simdjson PROPERTIES INTERFACE_COMPILE_DEFINITIONS "")

set(serve_generated "${PROJECT_BINARY_DIR}/generated")
set(serve_protos)
set(serve_sources)
set(serve_headers)
foreach(stem IN ITEMS model_config inference)
  list(APPEND serve_protos "${PROJECT_SOURCE_DIR}/src/serve/protos/${stem}.proto")
  list(APPEND serve_sources "${serve_generated}/serve/protos/${stem}.pb.cc")
  list(APPEND serve_headers "${serve_generated}/serve/protos/${stem}.pb.h")
endforeach()
file(MAKE_DIRECTORY "${serve_generated}/serve/protos")
add_custom_command(
  OUTPUT ${serve_sources} ${serve_headers}
  COMMAND protobuf::protoc "--proto_path=${PROJECT_SOURCE_DIR}/src" "--cpp_out=${serve_generated}" ${serve_protos}
  DEPENDS ${serve_protos}
  COMMENT "Generating the server's messages"
  VERBATIM)
add_custom_target(penstock_serve_headers DEPENDS ${serve_headers})

add_library(penstock_serve_deps INTERFACE)
target_link_libraries(penstock_serve_deps INTERFACE
  penstock_compiler_deps Boost::headers ZLIB::ZLIB simdjson::simdjson CLI11::CLI11
  ${GRPCPP_LIBRARY} ${GRPC_LIBRARY} ${GPR_LIBRARY})

add_library(penstock_serve_messages OBJECT ${serve_sources})
target_compile_options(penstock_serve_messages PRIVATE -w -march=${PENSTOCK_ARCH})
target_link_libraries(penstock_serve_messages PRIVATE penstock_compiler_deps)
