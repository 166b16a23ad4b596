# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# What an application needs: libraries, headers, find_package(Penstock). oneDNN comes from a wheel, so it is installed too.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder lib/cmake/Penstock)

install(TARGETS penstock_runtime penstock EXPORT PenstockTargets
        LIBRARY DESTINATION lib COMPONENT runtime NAMELINK_COMPONENT development)
if(TARGET penstock_cuda)
  install(TARGETS penstock_cuda LIBRARY DESTINATION lib COMPONENT runtime NAMELINK_SKIP)
endif()
if(TARGET penstock_cli)
  install(TARGETS penstock_cli RUNTIME DESTINATION bin COMPONENT runtime)
endif()
get_target_property(onednn_file DNNL::dnnl IMPORTED_LOCATION_RELEASE)
get_target_property(onednn_name DNNL::dnnl IMPORTED_SONAME_RELEASE)
install(FILES "${onednn_file}" DESTINATION lib RENAME "${onednn_name}" COMPONENT runtime)

if(EXISTS "${PROJECT_SOURCE_DIR}/include/penstock")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/penstock" DESTINATION include COMPONENT development
          FILES_MATCHING PATTERN "*.h")
endif()
install(EXPORT PenstockTargets NAMESPACE Penstock:: DESTINATION ${package_folder} COMPONENT development)

configure_package_config_file(cmake/PenstockConfig.cmake.in "${PROJECT_BINARY_DIR}/PenstockConfig.cmake"
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/PenstockConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/PenstockConfig.cmake" "${PROJECT_BINARY_DIR}/PenstockConfigVersion.cmake"
        DESTINATION ${package_folder} COMPONENT development)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION share/doc/penstock COMPONENT runtime)
