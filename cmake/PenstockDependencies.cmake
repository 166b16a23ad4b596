# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Two bundles of dependencies: what the runtime may use, and what only the compiler may use.

if(SKBUILD)
  # A wheel is built in an environment of its own: the one that holds the onnx package.
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
            "import importlib.util as u, pathlib as p; print(p.Path(u.find_spec('onnx').origin).parents[4])"
    OUTPUT_VARIABLE PENSTOCK_VENV OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
if(NOT EXISTS "${PENSTOCK_VENV}/lib/cmake/dnnl")
  message(FATAL_ERROR "No oneDNN in PENSTOCK_VENV. Run './dev setup' first, or pass -DPENSTOCK_VENV=DIR, the path of a "
                      "Python environment with the packages of requirements/build.txt.")
endif()
find_package(DNNL REQUIRED CONFIG NO_DEFAULT_PATH PATHS "${PENSTOCK_VENV}/lib/cmake/dnnl")
# The wheel describes a release build only; debug builds link the same file.
set_target_properties(DNNL::dnnl PROPERTIES
  MAP_IMPORTED_CONFIG_DEBUG Release MAP_IMPORTED_CONFIG_RELWITHDEBINFO Release)

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED CONFIG)
find_package(spdlog REQUIRED CONFIG)
find_package(nlohmann_json REQUIRED CONFIG)
find_package(CLI11 REQUIRED CONFIG)
find_path(ZIP_INCLUDE_DIR zip.h REQUIRED)
find_library(ZIP_LIBRARY zip REQUIRED)
mark_as_advanced(ZIP_INCLUDE_DIR ZIP_LIBRARY)
# Of the command line alone.
add_library(penstock_cli_deps INTERFACE)
target_include_directories(penstock_cli_deps SYSTEM INTERFACE "${ZIP_INCLUDE_DIR}")
target_link_libraries(penstock_cli_deps INTERFACE CLI11::CLI11 ${ZIP_LIBRARY})
find_package(Protobuf 3.21 REQUIRED MODULE)

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
mark_as_advanced(XXHASH_INCLUDE_DIR XXHASH_LIBRARY)
add_library(xxhash::xxhash UNKNOWN IMPORTED)
set_target_properties(xxhash::xxhash PROPERTIES
  IMPORTED_LOCATION "${XXHASH_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${XXHASH_INCLUDE_DIR}")

# The regular expressions of ONNX are RE2's.
find_path(RE2_INCLUDE_DIR re2/re2.h REQUIRED)
find_library(RE2_LIBRARY re2 REQUIRED)
mark_as_advanced(RE2_INCLUDE_DIR RE2_LIBRARY)
add_library(penstock_re2 UNKNOWN IMPORTED)
set_target_properties(penstock_re2 PROPERTIES
  IMPORTED_LOCATION "${RE2_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${RE2_INCLUDE_DIR}")

# Formats of images that a model decodes itself.
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(TIFF REQUIRED)
find_path(OPENJPEG_INCLUDE_DIR openjpeg.h REQUIRED PATH_SUFFIXES openjpeg-2.5 openjpeg-2.4 openjpeg-2.3)
find_library(OPENJPEG_LIBRARY openjp2 REQUIRED)
mark_as_advanced(OPENJPEG_INCLUDE_DIR OPENJPEG_LIBRARY)
find_path(WEBP_INCLUDE_DIR webp/decode.h REQUIRED)
find_library(WEBP_LIBRARY webp REQUIRED)
mark_as_advanced(WEBP_INCLUDE_DIR WEBP_LIBRARY)
add_library(penstock_webp UNKNOWN IMPORTED)
set_target_properties(penstock_webp PROPERTIES
  IMPORTED_LOCATION "${WEBP_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${WEBP_INCLUDE_DIR}")

add_library(penstock_runtime_deps INTERFACE)
target_include_directories(penstock_runtime_deps INTERFACE
  "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(penstock_runtime_deps INTERFACE
  fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json xxhash::xxhash DNNL::dnnl OpenMP::OpenMP_CXX
  penstock_re2 JPEG::JPEG PNG::PNG TIFF::TIFF ${OPENJPEG_LIBRARY} penstock_webp
  Threads::Threads ${CMAKE_DL_LIBS})

# All of protobuf, although ONNX's schema needs its lite part alone: the server reads text and JSON, and a process that
# loads both libraries has everything twice.
add_library(penstock_compiler_deps INTERFACE)
target_include_directories(penstock_compiler_deps SYSTEM INTERFACE "${PROJECT_BINARY_DIR}/generated")
target_link_libraries(penstock_compiler_deps INTERFACE penstock_runtime_deps protobuf::libprotobuf)

# HTTP/2, of the load generator.
find_path(NGHTTP2_INCLUDE_DIR nghttp2/nghttp2.h REQUIRED)
find_library(NGHTTP2_LIBRARY nghttp2 REQUIRED)
mark_as_advanced(NGHTTP2_INCLUDE_DIR NGHTTP2_LIBRARY)
add_library(penstock_load_deps INTERFACE)
target_include_directories(penstock_load_deps SYSTEM INTERFACE "${NGHTTP2_INCLUDE_DIR}")
target_link_libraries(penstock_load_deps INTERFACE penstock_runtime_deps ${NGHTTP2_LIBRARY})

if(PENSTOCK_TESTS)
  find_package(GTest REQUIRED CONFIG)
endif()
if(PENSTOCK_BENCH)
  find_package(benchmark QUIET CONFIG)
endif()
