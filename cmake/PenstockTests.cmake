# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# One test binary per room, one for tests/, one for bench/. Tests run in the root of the source tree.

include(GoogleTest)

function(penstock_test_binary target label)
  set(fixture)
  if(label STREQUAL "integration")
    set(fixture FIXTURES_REQUIRED shipped_models)
  endif()
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE
    penstock_flags penstock penstock_runtime penstock_compiler_deps penstock_cli_deps GTest::gmock GTest::gtest
    GTest::gtest_main)
  if(TARGET penstock_testlib)
    target_link_libraries(${target} PRIVATE penstock_testlib)
  endif()
  add_dependencies(${target} penstock_onnx_headers)
  penstock_precompile(${target} tests ${PENSTOCK_STANDARD_HEADERS} <gtest/gtest.h>)
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES TIMEOUT 600 LABELS ${label} ${fixture})
endfunction()

if(PENSTOCK_TESTS)
  get_property(testlib GLOBAL PROPERTY PENSTOCK_TESTLIB)
  file(GLOB_RECURSE shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*_testlib.cc")
  list(APPEND testlib ${shared})
  if(testlib)
    add_library(penstock_testlib OBJECT ${testlib})
    target_link_libraries(penstock_testlib PUBLIC penstock_flags penstock penstock_compiler_deps GTest::gmock)
    add_dependencies(penstock_testlib penstock_onnx_headers)
  endif()

  get_property(rooms GLOBAL PROPERTY PENSTOCK_TESTED_ROOMS)
  foreach(room IN LISTS rooms)
    get_property(sources GLOBAL PROPERTY PENSTOCK_TESTS_${room})
    if(NOT sources)
      continue()
    endif()
    penstock_test_binary(penstock_${room}_test unit ${sources})
    if(room STREQUAL "serve" OR room STREQUAL "cli")
      target_link_libraries(penstock_${room}_test PRIVATE penstock_serve penstock_serve_deps)
      add_dependencies(penstock_${room}_test penstock_serve_headers)
    endif()
    if(room STREQUAL "load" OR room STREQUAL "cli")
      target_link_libraries(penstock_${room}_test PRIVATE penstock_load)
    endif()
    if(room STREQUAL "cli" AND TARGET penstock_cli_objects)
      # The program is not a library: its tests take its objects, all but the one with main().
      target_sources(penstock_cli_test PRIVATE
        $<FILTER:$<TARGET_OBJECTS:penstock_cli_objects>,EXCLUDE,/main\\.cc\\.o$>)
    endif()
  endforeach()

  # On a machine with a GPU it runs there; everywhere, on the stand-in for one.
  file(GLOB gpu_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/gpu_*test.cc")
  penstock_test_binary(penstock_gpu_test unit ${gpu_tests})
  add_library(penstock_standin_cuda SHARED "${PROJECT_SOURCE_DIR}/tests/standin_cuda.cc")
  target_link_libraries(penstock_standin_cuda PRIVATE penstock_flags penstock_runtime penstock_runtime_deps)
  target_include_directories(penstock_standin_cuda PRIVATE "${PROJECT_SOURCE_DIR}/src")
  set(standin "${PROJECT_BINARY_DIR}/standin")
  set_target_properties(penstock_standin_cuda PROPERTIES
    OUTPUT_NAME penstock_cuda VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LIBRARY_OUTPUT_DIRECTORY "${standin}")
  file(MAKE_DIRECTORY "${standin}")
  foreach(library penstock_runtime penstock)
    set(name "lib${library}.so.${PROJECT_VERSION_MAJOR}")
    file(CREATE_LINK "${PROJECT_BINARY_DIR}/lib/${name}" "${standin}/${name}" SYMBOLIC)
  endforeach()
  add_test(NAME gpu_test_on_the_standin COMMAND penstock_gpu_test WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(gpu_test_on_the_standin PROPERTIES
    LABELS unit TIMEOUT 600 ENVIRONMENT "LD_LIBRARY_PATH=${standin}" FAIL_REGULAR_EXPRESSION "SKIPPED")

  file(GLOB_RECURSE integration CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*_test.cc")
  list(REMOVE_ITEM integration ${gpu_tests})
  if(integration)
    penstock_test_binary(penstock_integration_test integration ${integration})
    add_test(NAME shipped_models
      COMMAND "${PENSTOCK_VENV}/bin/python" -B examples/unpack.py build/models cifar_resnet20
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(shipped_models PROPERTIES LABELS integration FIXTURES_SETUP shipped_models)
  endif()
endif()

file(GLOB bench CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.cc")
if(PENSTOCK_BENCH AND bench AND benchmark_FOUND AND TARGET penstock_testlib)
  add_executable(penstock_microbench ${bench})
  target_link_libraries(penstock_microbench PRIVATE
    penstock_flags penstock penstock_runtime penstock_compiler_deps penstock_testlib benchmark::benchmark
    benchmark::benchmark_main)
  add_dependencies(penstock_microbench penstock_onnx_headers)
endif()
if(PENSTOCK_BENCH)
  # What is measured with threads and clocks of its own, a program a file.
  file(GLOB programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/programs/*.cc")
  foreach(source IN LISTS programs)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(penstock_${name} "${source}")
    target_link_libraries(penstock_${name} PRIVATE
      penstock_flags penstock penstock_runtime penstock_compiler_deps CLI11::CLI11)
  endforeach()
  if(TARGET penstock_grpc_echo)
    target_link_libraries(penstock_grpc_echo PRIVATE penstock_serve_deps)
  endif()
endif()
