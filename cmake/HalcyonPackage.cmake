# The Debian package: cmake --preset release && cmake --build build/release --target halcyon &&
# cpack --config build/release/CPackConfig.cmake -B build
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY TRUE)  # only what is installed need be built
set(deploy ${CMAKE_SOURCE_DIR}/deploy)
install(TARGETS halcyon RUNTIME DESTINATION /usr/bin)
install(FILES ${deploy}/systemd/halcyon@.service ${deploy}/systemd/halcyon@.socket DESTINATION /usr/lib/systemd/system)
install(FILES ${deploy}/systemd/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME halcyon.conf)
install(FILES ${deploy}/systemd/halcyon.env DESTINATION /etc/halcyon)
install(FILES ${CMAKE_SOURCE_DIR}/.env.example DESTINATION /usr/share/doc/halcyon RENAME env.example)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION /usr/share/doc/halcyon RENAME copyright)
install(FILES ${deploy}/nginx/halcyon.conf DESTINATION /usr/share/doc/halcyon/examples RENAME nginx-site.conf OPTIONAL)
install(FILES ${deploy}/keepalived/keepalived.conf DESTINATION /usr/share/doc/halcyon/examples)
if(EXISTS ${CMAKE_SOURCE_DIR}/web/dist/index.html)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/web/dist/ DESTINATION /usr/share/halcyon/web)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME halcyon)
set(CPACK_PACKAGE_CONTACT "Halcyon contributors <halcyon@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Open no-code platform that stays up")
set(CPACK_PACKAGE_DESCRIPTION "People model data as collections and get an HTTP API, pages, permissions, background jobs and workflows from the model. One program, any number of equal replicas.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)  # absolute destinations, for /etc
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, tzdata, passwd")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nginx, postgresql, keepalived")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${deploy}/debian/postinst;${deploy}/debian/prerm;${deploy}/debian/postrm;${deploy}/debian/conffiles")
include(CPack)
