# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Options, and the flags that everything in the project is compiled with.

option(PENSTOCK_WERROR "Treat warnings as errors" ON)
option(PENSTOCK_TESTS "Build the tests" ON)
option(PENSTOCK_BENCH "Build the micro-benchmarks when Google Benchmark is found" ON)
option(PENSTOCK_PYTHON "Build the Python package" ON)
option(PENSTOCK_CCACHE "Compile through ccache when it is found" ON)
option(PENSTOCK_MOLD "Link with mold when it is found" ON)
set(PENSTOCK_ARCH "x86-64-v2" CACHE STRING "Baseline instruction set; faster code dispatches at run time")
set(PENSTOCK_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize= (address,undefined or thread)")
set(PENSTOCK_VENV "${PROJECT_SOURCE_DIR}/.venv" CACHE PATH "Python environment with the onnx and oneDNN wheels")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "" FORCE)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

# Goes to our own targets only, never to generated code.
add_library(penstock_flags INTERFACE)
target_compile_options(penstock_flags INTERFACE
  -march=${PENSTOCK_ARCH}
  -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=  # __FILE__ names no folder outside the project
  -Wall -Wextra
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # g++ 12 reports std::string's operator+ (GCC bug 105651)
  $<$<BOOL:${PENSTOCK_WERROR}>:-Werror>)
target_compile_definitions(penstock_flags INTERFACE PENSTOCK_VERSION="${PROJECT_VERSION}")

if(PENSTOCK_SANITIZE)
  add_compile_options(-fsanitize=${PENSTOCK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(PENSTOCK_SANITIZE MATCHES "undefined")
    # Checks at every access of memory: AddressSanitizer meets the same faults, x86 takes unaligned
    # loads, and without them the build takes half the time.
    add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
  endif()
  add_link_options(-fsanitize=${PENSTOCK_SANITIZE})
endif()

if(PENSTOCK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(PENSTOCK_CCACHE_PROGRAM ccache)
  if(PENSTOCK_CCACHE_PROGRAM)
    # As ccache's manual asks for precompiled headers.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
        "${PENSTOCK_CCACHE_PROGRAM}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
    else()
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endif()

if(PENSTOCK_MOLD)
  find_program(PENSTOCK_MOLD_PROGRAM mold)
  if(PENSTOCK_MOLD_PROGRAM)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
add_link_options(-Wl,--as-needed)
