"""Holds the code to docs/design.md: module layers, file length, what public headers may include.

Prints one line a fault and exits 1 when there is any.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# In the order of docs/design.md section 3: a module includes only itself and modules above it.
LAYERS = [
    "base", "json", "runtime", "net", "sql", "expr", "schema", "cluster", "data", "access", "features", "api",
    "server",
]
# Heavy or third-party driver headers stay in .cpp files.
PRIVATE = re.compile(r"#include <(boost/(asio|beast)|libpq|mysql|mariadb|sqlite3|spdlog|prometheus|jwt|unicode)")
MAX_LINES = 700
INCLUDE = re.compile(r'#include "([a-z_]+)/')


def faults(path: pathlib.Path):
    module = path.relative_to(ROOT / "src").parts[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    where = path.relative_to(ROOT)
    is_test = path.stem.endswith(("_test", "_fuzz", "_bench"))
    if len(lines) > MAX_LINES and not is_test:
        yield f"{where}: {len(lines)} lines; the limit is {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if path.suffix == ".h" and PRIVATE.search(line) and not path.stem.endswith("_internal"):
            yield f"{where}:{number}: keep this header in a .cpp file or an *_internal.h: {line}"
        match = INCLUDE.match(line)
        if not match or match.group(1) not in LAYERS:
            continue
        if LAYERS.index(match.group(1)) > LAYERS.index(module):
            yield f"{where}:{number}: {module} may not include {match.group(1)} (docs/design.md section 3)"
    if path.suffix == ".h" and not any(line.startswith("//") for line in lines[:3]):
        yield f"{where}: a header opens with what it is for"


def main() -> int:
    found = [
        fault
        for path in sorted((ROOT / "src").rglob("*"))
        if path.suffix in (".h", ".cpp")
        for fault in faults(path)
    ]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
