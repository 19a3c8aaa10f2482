# SPDX-License-Identifier: Apache-2.0
# Every third-party library, as one target each, system includes all. scripts/setup puts wolfSSL and ngtcp2 under KITH_DEPS_DIR.
set(KITH_DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "Where scripts/setup built wolfSSL and ngtcp2")
if(NOT EXISTS ${KITH_DEPS_DIR}/wolfssl/.done OR NOT EXISTS ${KITH_DEPS_DIR}/ngtcp2/.done)
  message(FATAL_ERROR "wolfSSL and ngtcp2 are not built: run scripts/setup first")
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
set(Boost_USE_STATIC_LIBS ${KITH_STATIC_DEPS})
find_package(Boost 1.81 QUIET COMPONENTS json filesystem system)
if(NOT Boost_FOUND)
  set(Boost_USE_STATIC_LIBS OFF) # some systems have the shared objects alone
endif()
find_package(Boost 1.81 REQUIRED COMPONENTS json filesystem system)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)

add_library(dep_wolfssl INTERFACE)
target_include_directories(dep_wolfssl SYSTEM INTERFACE ${KITH_DEPS_DIR}/wolfssl/include)
target_link_libraries(dep_wolfssl INTERFACE ${KITH_DEPS_DIR}/wolfssl/lib/libwolfssl.a m)

add_library(dep_ngtcp2 INTERFACE)
target_include_directories(dep_ngtcp2 SYSTEM INTERFACE ${KITH_DEPS_DIR}/ngtcp2/include)
target_compile_definitions(dep_ngtcp2 INTERFACE NGTCP2_STATICLIB)
target_link_libraries(dep_ngtcp2 INTERFACE ${KITH_DEPS_DIR}/ngtcp2/lib/libngtcp2_crypto_wolfssl.a ${KITH_DEPS_DIR}/ngtcp2/lib/libngtcp2.a dep_wolfssl)

# A target of the system's archive of a library where it has one and KITH_STATIC_DEPS wants it, of the shared object otherwise (docs/adr/0020).
function(kith_dep target archive shared)
  add_library(${target} INTERFACE)
  find_library(KITH_ARCHIVE_${archive} NAMES lib${archive}.a)
  string(TOUPPER ${archive} found)
  if(KITH_STATIC_DEPS AND KITH_ARCHIVE_${archive} AND NOT "${${found}_STATIC_LIBRARIES}" MATCHES "absl") # RE2 of 2023 and later brings all of Abseil along
    target_include_directories(${target} SYSTEM INTERFACE $<TARGET_PROPERTY:${shared},INTERFACE_INCLUDE_DIRECTORIES>)
    target_link_libraries(${target} INTERFACE ${KITH_ARCHIVE_${archive}} ${ARGN})
  else()
    target_link_libraries(${target} INTERFACE ${shared})
  endif()
endfunction()

kith_dep(dep_sodium sodium PkgConfig::SODIUM)
kith_dep(dep_sqlite sqlite3 PkgConfig::SQLITE Threads::Threads ${CMAKE_DL_LIBS} m)
kith_dep(dep_yaml yaml-cpp yaml-cpp)
kith_dep(dep_re2 re2 PkgConfig::RE2 Threads::Threads)
add_library(dep_json INTERFACE)
target_link_libraries(dep_json INTERFACE Boost::json)
add_library(dep_dll INTERFACE)      # headers over dlopen
target_link_libraries(dep_dll INTERFACE Boost::filesystem Boost::system ${CMAKE_DL_LIBS})
add_library(dep_spdlog INTERFACE)
target_link_libraries(dep_spdlog INTERFACE spdlog::spdlog_header_only fmt::fmt-header-only)
add_library(dep_cli11 INTERFACE)
target_link_libraries(dep_cli11 INTERFACE CLI11::CLI11)

if(KITH_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
