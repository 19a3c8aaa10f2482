# SPDX-License-Identifier: Apache-2.0
# One folder, one target, one namespace. These functions keep the targets alike.

# What scripts build: everything that is run, and the tests that carry a label with all that they need.
foreach(aggregate programs tests-unit tests-sim tests-plugin tests-e2e tests-threads)
  add_custom_target(${aggregate})
endforeach()

# kith_module(quic SOURCES a.cpp b.cpp USES kith::base PRIVATE dep_ngtcp2): the static library kith_quic, alias kith::quic.
# USES are other modules whose headers ours include; PRIVATE are third-party libraries whose headers stay inside.
function(kith_module name)
  cmake_parse_arguments(arg "" "INCLUDE_ROOT" "SOURCES;USES;PRIVATE" ${ARGN})
  add_library(kith_${name} STATIC ${arg_SOURCES})
  add_library(kith::${name} ALIAS kith_${name})
  if(NOT arg_INCLUDE_ROOT)
    set(arg_INCLUDE_ROOT ${CMAKE_CURRENT_SOURCE_DIR}/..)
  endif()
  target_include_directories(kith_${name} PUBLIC ${arg_INCLUDE_ROOT})
  target_link_libraries(kith_${name} PUBLIC ${arg_USES} PRIVATE ${arg_PRIVATE} kith_flags)
endfunction()

# kith_program(kithd SOURCES main.cpp USES kith::daemon): an executable, installed in bin/; part of the target `programs`.
function(kith_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_USES} ${arg_PRIVATE} kith_flags)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  add_dependencies(programs ${name})
endfunction()

# kith_plugin(Echo …): a plugin of this tree. Takes what kith_add_plugin (plugin-api/cmake/KithPlugin.cmake) takes; puts the library where the daemon looks
# for it, in the build tree as installed. Part of the target `programs`.
function(kith_plugin name)
  kith_add_plugin(${name} OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${KITH_PLUGIN_DIR} ${ARGN})
  target_link_libraries(${name} PRIVATE kith_flags)
  install(TARGETS ${name} LIBRARY DESTINATION ${KITH_PLUGIN_DIR})
  add_dependencies(programs ${name})
endfunction()

# kith_test(base_test LABELS unit SOURCES a_test.cpp USES kith::base): a GoogleTest program whose cases are ctests of their own, called base_test.Suite.case.
# Several labels: LABELS unit threads. NEEDS: targets that the test runs (kithd, plugins). Part of the targets tests-LABEL.
function(kith_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "LABELS;SOURCES;USES;ENVIRONMENT;NEEDS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_USES} GTest::gtest GTest::gmock GTest::gtest_main kith_flags)
  if(arg_NEEDS)
    add_dependencies(${name} ${arg_NEEDS})
  endif()
  foreach(label ${arg_LABELS})
    if(TARGET tests-${label})
      add_dependencies(tests-${label} ${name})
    endif()
  endforeach()
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
  # gtest_discover_tests takes lists apart: the properties are set by a file that ctest reads after it.
  set(properties ${CMAKE_CURRENT_BINARY_DIR}/${name}_properties.cmake)
  file(WRITE ${properties} "foreach(test IN LISTS ${name}_TESTS)
  set_tests_properties(\"\${test}\" PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS \"${arg_LABELS}\" ENVIRONMENT \"${arg_ENVIRONMENT}\")
endforeach()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${properties})
endfunction()

