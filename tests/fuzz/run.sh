#!/bin/sh
# Run every fuzzer for FUZZ_SECONDS (default 5), from its seeds and from what it found before, and
# say how much of the sources it is there for was reached. Programs are in BUILD (default build).
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
seconds=${FUZZ_SECONDS:-5}
work=$build/fuzz-work
passed=0 failed=0

# How much of the named sources was reached. Every check of a sanitizer is an edge too, one that is
# never taken, so half of the edges is nearly everything.
coverage() {
	log=$1
	shift
	for source in "$@"; do
		awk -v source="$source" '
			/^(UN)?COVERED_FUNC/ && $NF ~ source ":" {
				split($5, edges, "/"); reached += edges[1]; all += edges[2]
				functions++; seen += /^COVERED/
			}
			END { printf "    %-28s %2d of %2d functions, %2d %% of edges\n", source,
				seen, functions, all ? 100 * reached / all : 0 }' "$log"
	done
}

for target in tests/fuzz/*.c; do
	name=$(basename "$target" .c)
	log=$work/$name.log
	mkdir -p "$work/$name"
	status=0
	"$build/tests/fuzz_$name" -max_total_time="$seconds" -timeout=5 -close_fd_mask=1 \
		-print_coverage=1 -artifact_prefix="$work/$name-" \
		"$work/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
	if [ $status = 0 ]; then
		passed=$((passed + 1))
		grep DONE "$log" | sed "s/^#\([0-9]*\).*DONE *\(cov: [0-9]* ft: [0-9]*\).*/$name: \1 runs, \2/"
		# One word each.
		# shellcheck disable=SC2046
		coverage "$log" $(sed -n 's/^ \* fuzzes: //p' "$target")
	else
		failed=$((failed + 1))
		echo "$name: FAILED"
		grep -v -e COVERED "$log" | tail -n 40
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
