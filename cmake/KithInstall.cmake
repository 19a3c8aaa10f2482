# SPDX-License-Identifier: Apache-2.0
# What is installed beside programs, plugins and headers. Nothing in it names the prefix: the folder may be moved.
install(DIRECTORY config/ DESTINATION share/kith/config PATTERN "*.service" EXCLUDE)
install(FILES config/kithd.service DESTINATION share/kith)
install(DIRECTORY LICENSES/ DESTINATION share/kith/licences)
install(DIRECTORY docs/man/ DESTINATION share/man/man1 FILES_MATCHING PATTERN "*.1")
install(DIRECTORY docs/ DESTINATION share/doc/kith FILES_MATCHING PATTERN "*.md" PATTERN man EXCLUDE) # --help names them
