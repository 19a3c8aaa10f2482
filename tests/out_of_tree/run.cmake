# SPDX-License-Identifier: Apache-2.0
# Installs the plugin package, builds the project in shout/ against it, and checks the result.
foreach(step
    "install;${CMAKE_COMMAND};--install;${BUILD};--component;plugin-sdk;--prefix;${WORK}/prefix"
    "configure;${CMAKE_COMMAND};-S;${SOURCE}/shout;-B;${WORK}/build;-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCMAKE_CXX_COMPILER=${COMPILER}"
    "build;${CMAKE_COMMAND};--build;${WORK}/build"
    "check;${CHECK};${WORK}/build/Shout.so")
  list(POP_FRONT step name)
  execute_process(COMMAND ${step} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    message(FATAL_ERROR "${name}: ${output}")
  endif()
endforeach()
