# SPDX-License-Identifier: Apache-2.0
# Every third-party library, as one target each, system includes all. scripts/setup puts wolfSSL and ngtcp2 under KITH_DEPS_DIR.
set(KITH_DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "Where scripts/setup built wolfSSL and ngtcp2")
if(NOT EXISTS ${KITH_DEPS_DIR}/wolfssl/.done OR NOT EXISTS ${KITH_DEPS_DIR}/ngtcp2/.done)
  message(FATAL_ERROR "wolfSSL and ngtcp2 are not built: run scripts/setup first")
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json filesystem system)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
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

add_library(dep_sodium ALIAS PkgConfig::SODIUM)
add_library(dep_sqlite ALIAS PkgConfig::SQLITE)
add_library(dep_yaml INTERFACE)
target_link_libraries(dep_yaml INTERFACE yaml-cpp)
add_library(dep_valijson INTERFACE) # headers only
add_library(dep_json INTERFACE)
target_link_libraries(dep_json INTERFACE Boost::json)
add_library(dep_dll INTERFACE)      # headers over dlopen
target_link_libraries(dep_dll INTERFACE Boost::filesystem Boost::system ${CMAKE_DL_LIBS})
add_library(dep_spdlog INTERFACE)
target_link_libraries(dep_spdlog INTERFACE spdlog::spdlog fmt::fmt)
add_library(dep_cli11 INTERFACE)
target_link_libraries(dep_cli11 INTERFACE CLI11::CLI11)

if(KITH_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
