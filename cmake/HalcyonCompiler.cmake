# Compiler, warnings, fast linker and sanitizers for every target.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines silently. Use a preset (clang++-19): "
    "cmake --preset dev")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # clang's own coverage and LTO need lld; mold is the fastest for everything else.
  find_program(MOLD mold)
  find_program(LLD ld.lld-19 ld.lld)
  if(MOLD AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    add_link_options(-fuse-ld=mold)
  elseif(LLD)
    add_link_options(--ld-path=${LLD})
  endif()
endif()

if(HALCYON_SANITIZE)
  add_compile_options(-fsanitize=${HALCYON_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${HALCYON_SANITIZE})
  if(HALCYON_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
