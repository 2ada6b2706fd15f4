#!/bin/bash
# bad_sample.sh DIRECTORY: writes a small tree that breaks every rule of include_graph.sh and
# source_rules.sh once, and one good file beside each bad one.
set -euo pipefail

root=$1
rm -rf "$root"
mkdir -p "$root"/{include,engine/core,engine/runtime,wal,http,cli,bench}
cd "$root"

# write FILE: the lines of stdin.
write() {
    cat >"$1"
}

echo '#include <stdint.h>' | write include/florin.h
echo '#include "florin.h"' | write engine/core/money.h
echo '#include "engine/core/money.h"' | write engine/runtime/worker.h
echo '#include "florin.h"' | write wal/log.h

write engine/core/good.c <<'END'
#include "money.h"
#include "florin.h"
#include <string.h>
END
write engine/core/clock.c <<'END'
#include <time.h>
#include "wal/log.h"
END
echo '#include <xxhash.h>' | write engine/core/table.c
echo '#include "engine/core/money.h"' | write wal/knows_money.c
echo '#include <liburing.h>' | write wal/log.c
echo '#  include "http/server.h"' | write engine/runtime/upwards.c
write http/deep.c <<'END'
#include "engine/core/account_table.h"
#include <curl/curl.h>
END
echo '#include <h2o.h>' | write cli/main.c
echo '#include "../wal/log.h"' | write bench/dots.c
echo '#include <florin.h>' | write bench/angle.c
echo '#include "florin.h"' | write include/no_rule.h
mkdir -p engine/new
echo '#include <stdint.h>' | write engine/new/folder.c

seq -f 'int line%.0f;' 600 | write engine/core/long.c
seq -f 'int line%.0f;' 599 | write engine/core/just_short_enough.c
printf '#if%s\n#endif\n' ' defined(A)' | write http/conditional.c
printf '#ifndef A_H\n#define A_H\n#endif\n' | write http/guard.h
echo "/* TO""DO: finish */" | write cli/later.c
echo "see /wo""rk/main for more" | write bench/README.md
echo "a relative wo""rk/main is fine" | write bench/FINE.md
