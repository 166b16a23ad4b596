# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# libpenstock_cuda: the CUDA backend, opened at run time where a GPU is asked for. Built where a CUDA toolkit is found.

set(PENSTOCK_CUDA "AUTO" CACHE STRING "The CUDA backend: ON, OFF, or AUTO, where a toolkit is found")
set(PENSTOCK_CUDA_ARCHITECTURES "80-real;86-real;89-real;90;100-real;120-real" CACHE STRING
    "Compute capabilities that kernels are compiled for; cards beyond these compile those of 90 at start")

if(PENSTOCK_CUDA STREQUAL "AUTO" AND PENSTOCK_SANITIZE)
  return()  # sanitizers and NVIDIA's libraries do not go together
endif()
if(NOT PENSTOCK_CUDA)
  return()
endif()

file(GLOB cuda_wheels "${PENSTOCK_VENV}/lib/python3*/site-packages/nvidia/cu13/bin")
find_program(PENSTOCK_NVCC nvcc HINTS ENV CUDA_PATH ${cuda_wheels} PATHS /usr/local/cuda PATH_SUFFIXES bin)
find_path(PENSTOCK_CUDNN_FRONTEND cudnn_frontend.h
  PATHS "${PENSTOCK_VENV}/lib/python3.11/site-packages/include" "${PENSTOCK_VENV}/lib/python3.12/site-packages/include"
        "${PENSTOCK_VENV}/lib/python3.13/site-packages/include")

# The headers of cuDNN come with some toolkits, and as a wheel. Tried with CUDA 13.0.
set(cuda_missing)
if(PENSTOCK_NVCC)
  get_filename_component(cuda_bin "${PENSTOCK_NVCC}" REALPATH)
  get_filename_component(cuda_bin "${cuda_bin}" DIRECTORY)
  file(GLOB cudnn_wheels "${PENSTOCK_VENV}/lib/python3*/site-packages/nvidia/cudnn/include")
  find_path(PENSTOCK_CUDNN cudnn.h
    HINTS "${cuda_bin}/../include" "${cuda_bin}/../targets/x86_64-linux/include" ${cudnn_wheels})
  execute_process(COMMAND "${PENSTOCK_NVCC}" --version OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
  if(NOT nvcc_version MATCHES "release ([0-9]+)" OR CMAKE_MATCH_1 LESS 13)
    list(APPEND cuda_missing "nvcc of CUDA 13")
  endif()
  if(NOT PENSTOCK_CUDNN)
    list(APPEND cuda_missing "the headers of cuDNN 9")
  endif()
else()
  list(APPEND cuda_missing "nvcc")
endif()
if(NOT PENSTOCK_CUDNN_FRONTEND)
  list(APPEND cuda_missing "the headers of nvidia-cudnn-frontend (requirements/cuda.txt)")
endif()
if(cuda_missing)
  list(JOIN cuda_missing ", " cuda_missing)
  if(PENSTOCK_CUDA STREQUAL "AUTO")
    message(STATUS "Without the CUDA backend, which needs ${cuda_missing}")
    return()
  endif()
  message(FATAL_ERROR "The CUDA backend needs ${cuda_missing}")
endif()

set(CMAKE_CUDA_COMPILER "${PENSTOCK_NVCC}")
set(CMAKE_CUDA_ARCHITECTURES ${PENSTOCK_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_STANDARD 20)
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
enable_language(CUDA)
# CMake before 3.26 knows no C++20 for nvcc.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_library(PENSTOCK_CUDART cudart_static REQUIRED HINTS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES})

get_property(cuda_sources GLOBAL PROPERTY PENSTOCK_CUDA_SOURCES)
add_library(penstock_cuda SHARED ${cuda_sources})
target_include_directories(penstock_cuda SYSTEM PRIVATE
  ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} "${PENSTOCK_CUDNN}" "${PENSTOCK_CUDNN_FRONTEND}")
target_include_directories(penstock_cuda PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
target_compile_options(penstock_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-march=${PENSTOCK_ARCH} -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -Wall -Wextra -Wno-restrict>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${PENSTOCK_WERROR}>>:-Werror>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcudafe=--diag_suppress=177>
  # Six architectures in the size of two.
  $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
target_link_libraries(penstock_cuda PRIVATE penstock_runtime penstock_runtime_deps "${PENSTOCK_CUDART}" rt)
target_link_options(penstock_cuda PRIVATE -Wl,-z,defs -Wl,--exclude-libs,libcudart_static.a)
set_target_properties(penstock_cuda PROPERTIES
  LINKER_LANGUAGE CXX CUDA_RUNTIME_LIBRARY None VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  INSTALL_RPATH "\$ORIGIN")
