# SPDX-License-Identifier: Apache-2.0
# One folder, one target, one namespace. These functions keep the targets alike.

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

# kith_program(kithd SOURCES main.cpp USES kith::daemon): an executable, installed in bin/.
function(kith_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_USES} kith_flags)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# kith_test(base_test LABELS unit SOURCES a_test.cpp USES kith::base): a GoogleTest program whose cases are ctests of their own.
function(kith_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "LABELS;SOURCES;USES;ENVIRONMENT" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_USES} GTest::gtest GTest::gmock GTest::gtest_main kith_flags)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${arg_ENVIRONMENT}")
endfunction()
