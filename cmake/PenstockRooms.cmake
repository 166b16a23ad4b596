# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Functions that turn the folders of src/ into libraries, tests and the command line.

set(PENSTOCK_AVX2_FLAGS -mavx2 -mfma -mf16c -O3)
set(PENSTOCK_AVX512_FLAGS -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512 -O3)

# Objects need a source: this stands in while a library has none.
file(WRITE "${PROJECT_BINARY_DIR}/generated/empty.cc.in" "namespace penstock {}\n")
configure_file("${PROJECT_BINARY_DIR}/generated/empty.cc.in" "${PROJECT_BINARY_DIR}/generated/empty.cc" COPYONLY)

# penstock_precompile(TARGET KEY HEADERS ...): precompiled standard headers, which half the time of compiling a file went
# to. Targets of one KEY have the same flags and share them.
function(penstock_precompile target key)
  get_property(owner GLOBAL PROPERTY PENSTOCK_PRECOMPILED_${key})
  if(owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${target} PRIVATE ${ARGN})
    set_property(GLOBAL PROPERTY PENSTOCK_PRECOMPILED_${key} ${target})
  endif()
endfunction()

set(PENSTOCK_STANDARD_HEADERS
  <algorithm> <array> <chrono> <cmath> <cstdint> <cstring> <filesystem> <functional> <map> <memory> <mutex> <numeric>
  <optional> <string> <string_view> <thread> <unordered_map> <variant> <vector>)

function(penstock_objects target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(NOT arg_SOURCES)
    return()
  endif()
  add_library(${target} OBJECT ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE penstock_flags ${arg_DEPS})
  add_dependencies(${target} penstock_onnx_headers)
endfunction()

# penstock_room(NAME DEPS ...): penstock_NAME_objects and penstock_NAME_isa_objects; the lists of test sources go to global
# properties. A room without sources, or without a folder, is fine.
function(penstock_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc")

  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(testlib ${sources})
  list(FILTER testlib INCLUDE REGEX "_testlib\\.cc$")
  set_property(GLOBAL PROPERTY PENSTOCK_TESTS_${name} "${tests}")
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_TESTED_ROOMS ${name})
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_TESTLIB "${testlib}")

  list(FILTER sources EXCLUDE REGEX "_(test|testlib|fuzz)\\.cc$")
  # What needs CUDA's headers goes into a library of its own.
  set(cuda ${sources})
  list(FILTER cuda INCLUDE REGEX "/backends/cuda/|/cuda_tactics?\\.cc$|_(cuda|cudnn|cublaslt)\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/backends/cuda/|/cuda_tactics?\\.cc$|_(cuda|cudnn|cublaslt)\\.cc$")
  file(GLOB_RECURSE kernels CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cu")
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_CUDA_SOURCES ${cuda} ${kernels})
  set(avx2 ${sources})
  list(FILTER avx2 INCLUDE REGEX "_avx2\\.cc$")
  set(avx512 ${sources})
  list(FILTER avx512 INCLUDE REGEX "_avx512\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_avx(2|512)\\.cc$")
  set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "${PENSTOCK_AVX2_FLAGS}")
  set_source_files_properties(${avx512} PROPERTIES COMPILE_OPTIONS "${PENSTOCK_AVX512_FLAGS}")

  penstock_objects(penstock_${name}_objects SOURCES ${sources} DEPS ${arg_DEPS})
  if(TARGET penstock_${name}_objects)
    penstock_precompile(penstock_${name}_objects objects ${PENSTOCK_STANDARD_HEADERS})
  endif()
  penstock_objects(penstock_${name}_isa_objects SOURCES ${avx2} ${avx512} DEPS ${arg_DEPS})
endfunction()

# penstock_shared_library(TARGET EXPORT_NAME NAME ROOMS ... [OBJECTS ...] DEPS ...)
function(penstock_shared_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXPORT_NAME" "ROOMS;OBJECTS;DEPS")
  # Kernels for newer instruction sets come last: where two objects hold the same inline function, the linker keeps the
  # first, and that one must run on every processor.
  set(objects)
  foreach(room IN LISTS arg_ROOMS)
    list(APPEND objects penstock_${room}_objects)
  endforeach()
  list(APPEND objects ${arg_OBJECTS})
  foreach(room IN LISTS arg_ROOMS)
    list(APPEND objects penstock_${room}_isa_objects)
  endforeach()

  add_library(${target} SHARED "${PROJECT_BINARY_DIR}/generated/empty.cc")
  add_library(Penstock::${arg_EXPORT_NAME} ALIAS ${target})
  foreach(object IN LISTS objects)
    if(TARGET ${object})
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
    endif()
  endforeach()
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  foreach(dependency IN LISTS arg_DEPS)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${dependency}>)
  endforeach()
  if(NOT PENSTOCK_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)  # the runtime must not lean on the compiler's symbols
  endif()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${arg_EXPORT_NAME}
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    INSTALL_RPATH "\$ORIGIN")
endfunction()

# penstock_cli(ROOM): the program, named penstock.
function(penstock_cli name)
  penstock_room(${name} DEPS penstock_serve_deps penstock_cli_deps)
  if(TARGET penstock_${name}_objects)
    add_dependencies(penstock_${name}_objects penstock_serve_headers)
    add_executable(penstock_cli $<TARGET_OBJECTS:penstock_${name}_objects>)
    set_target_properties(penstock_cli PROPERTIES
      OUTPUT_NAME penstock LINKER_LANGUAGE CXX INSTALL_RPATH "\$ORIGIN/../lib")
    target_link_libraries(penstock_cli PRIVATE penstock_serve penstock_load penstock penstock_runtime penstock_serve_deps penstock_cli_deps)
  endif()
endfunction()
