# SPDX-License-Identifier: Apache-2.0
# Language, warnings, sanitizers, ccache and linker, for every target of ours.
include(GNUInstallDirs)

option(KITH_TESTS "Build the tests" ON)
option(KITH_BENCH "Build the benchmarks" OFF)
option(KITH_STATIC_DEPS "Link the system's archives of libraries rather than its shared objects: kithd starts faster (docs/adr/0020)" ON)
option(KITH_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)
set(KITH_SANITIZE "" CACHE STRING "address (with undefined), thread, or empty")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(KITH_CCACHE ccache)
if(KITH_CCACHE) # with paths made relative, so that a second checkout or build folder finds what the first one compiled
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${KITH_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()
find_program(KITH_MOLD mold)
if(KITH_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# The same layout in the build tree as installed, so that the daemon finds its plugins beside itself in both.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(KITH_PLUGIN_DIR lib/kith/plugins) # below the build folder, and below the install prefix

add_library(kith_flags INTERFACE)
target_compile_options(kith_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast>
  # g++ 12 sees overlapping copies in `"text" + std::string` when it optimises (its bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-restrict>)

if(KITH_SANITIZE STREQUAL "address")
  # null, alignment and vptr are left out: they double the build time, and Boost.JSON trips over them.
  set(sanitize -fsanitize=address,undefined -fno-sanitize=null,alignment,vptr -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(KITH_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(NOT KITH_SANITIZE STREQUAL "")
  message(FATAL_ERROR "KITH_SANITIZE is address, thread or empty")
endif()
if(KITH_SANITIZE)
  add_compile_options(${sanitize})
  add_link_options(${sanitize})
endif()
if(KITH_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function,vptr -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
