#!/usr/bin/env bash
# Runs the fourteen benchmarks of smarr/are-we-fast-yet, unchanged, in a world; each verifies its result.
#
#   tests/awfy.sh DIR [ITERATIONS]
#
# DIR is a checkout of that repository. WARM names the program (by default the release build).
set -euo pipefail
folder=${1:?usage: tests/awfy.sh DIR [ITERATIONS]}
iterations=${2:-1}
here=$(cd "$(dirname "$0")/.." && pwd)
warm=${WARM:-$here/target/release/warm}
sources=$(cd "$folder/benchmarks/Smalltalk" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
world=$scratch/awfy.world

"$warm" new "$world"
"$warm" load "$world" "$sources/Scripting.st" "$sources/SomLoader-Compiler.st"
cat >"$scratch/load.st" <<CODE
| loader |
loader := SomLoader load: '$sources'.
loader createClasses.
loader createMethods.
CODE
"$warm" run "$world" "$scratch/load.st"

passed=0
failed=0
# Names and problem sizes as in the repository's rebench.conf.
while read -r name size; do
    if line=$("$warm" run "$world" "$sources/run.st" "$name" "$iterations" "$size" --no-save 2>&1 | grep "average:"); then
        echo "$line"
        passed=$((passed + 1))
    else
        echo "$name: no result"
        failed=$((failed + 1))
    fi
done <<SIZES
Richards 100
DeltaBlue 12000
Json 100
CD 250
Havlak 1500
Bounce 1500
List 1500
Mandelbrot 500
NBody 250000
Permute 1000
Queens 1000
Sieve 3000
Storage 1000
Towers 600
SIZES
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
