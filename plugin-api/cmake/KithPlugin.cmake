# SPDX-License-Identifier: Apache-2.0
# kith_add_plugin(Echo SOURCES plugin.cpp … SCHEMA config.schema.json [OUTPUT_DIRECTORY DIR]): a plugin, lib<Name>.so without the lib: Echo.so.
#
# The library exports kith_plugin_entry alone (two versions in one process otherwise share inline statics through unique symbols), leaves no symbol
# undefined, and carries the schema: <kith_schema.hpp> in the sources gives `kith_config_schema`, a NUL-terminated array of its text.

function(kith_add_plugin name)
  cmake_parse_arguments(arg "" "SCHEMA;OUTPUT_DIRECTORY" "SOURCES" ${ARGN})
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "kith_add_plugin(${name}): SOURCES is missing")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE kith::plugin_api)
  target_compile_features(${name} PRIVATE cxx_std_20)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON LINK_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.version)
  target_link_options(${name} PRIVATE -Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.version -Wl,--gc-sections)
  if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize" AND NOT KITH_SANITIZE) # the sanitizers' runtime comes with the program
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  target_compile_options(${name} PRIVATE -ffunction-sections -fdata-sections)
  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT_DIRECTORY})
  endif()
  if(arg_SCHEMA)
    get_filename_component(schema ${arg_SCHEMA} ABSOLUTE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema})
    file(READ ${schema} text)
    set(header ${CMAKE_CURRENT_BINARY_DIR}/${name}_schema/kith_schema.hpp)
    file(CONFIGURE OUTPUT ${header} @ONLY CONTENT "// Made by kith_add_plugin from the plugin's config schema.
#pragma once
inline constexpr char kith_config_schema[] = R\"kith_schema(@text@)kith_schema\";
")
    target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${name}_schema)
  endif()
endfunction()
