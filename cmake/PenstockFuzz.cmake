# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Fuzzers: each *_fuzz.cc of src/ and tests/fuzz/ is one program on libFuzzer, which comes with clang.

option(PENSTOCK_FUZZ "Build the fuzzers, with clang" OFF)
if(NOT PENSTOCK_FUZZ)
  return()
endif()
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR NOT TARGET penstock_testlib)
  message(FATAL_ERROR "The fuzzers stand on libFuzzer and what the tests share: configure with clang and "
                      "PENSTOCK_TESTS=ON, or run './dev fuzz'.")
endif()

file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/*_fuzz.cc" "${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cc")
foreach(source IN LISTS fuzzers)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  if(source MATCHES "/src/cli/")
    # The program is no library: its objects are taken, all but the one with main().
    target_sources(${name} PRIVATE
      $<FILTER:$<TARGET_OBJECTS:penstock_cli_objects>,EXCLUDE,/main\\.cc\\.o$>)
    target_link_libraries(${name} PRIVATE penstock_load penstock_serve penstock_serve_deps penstock_cli_deps)
  elseif(source MATCHES "/src/load/")
    target_link_libraries(${name} PRIVATE penstock_load)
  endif()
  if(source MATCHES "/src/serve/")
    target_link_libraries(${name} PRIVATE penstock_serve penstock_serve_deps)
    add_dependencies(${name} penstock_serve_headers)
  endif()
  target_link_libraries(${name} PRIVATE
    penstock_flags penstock penstock_runtime penstock_compiler_deps penstock_testlib GTest::gmock GTest::gtest)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endforeach()
