// Makes `halcyon-previous` of the parts of `halcyon`: the program as it was before the last
// release's migrations (3 and 4), for tests of upgrades under load.
#include "server/schema_version.h"

int halcyon::server::schema_version_limit() { return 2; }
