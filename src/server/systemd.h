// What systemd and its kin say to a service and want to hear (sd_notify, socket activation),
// without its library. Everything is a no-op where nobody asked.
#pragma once

#include <string>

namespace halcyon::server {

void notify_service_manager(const std::string& state);  // "READY=1", "STOPPING=1", ...
void notify_reloading();                                // RELOADING=1 with the time it began
// The first socket we were started with (LISTEN_FDS), or -1. Removes the variables.
int take_activated_socket();

}  // namespace halcyon::server
