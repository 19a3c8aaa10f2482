# SPDX-License-Identifier: Apache-2.0
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE now COMMAND_ERROR_IS_FATAL ANY)
file(READ ${GOLDEN} golden)
if(NOT now STREQUAL golden)
  message(FATAL_ERROR "the layout of the plugin ABI differs from ${GOLDEN}; it is now:\n${now}")
endif()
