// Makes `halcyon-unkeyed` of the parts of `halcyon`: the program whose writes leave no key behind,
// and so do not happen exactly once. script/bench --idempotency measures the cost of keys with it.
#include "server/app.h"

bool halcyon::server::writes_keep_keys() { return false; }
