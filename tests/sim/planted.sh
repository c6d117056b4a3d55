#!/bin/sh
# Shows that the simulator sees what it is for: builds it once for every planted bug of
# replica/core/plant.h, and demands that each is caught within LIMIT schedules.
#
# A primary takes where a log ends from the backup's own words, so in the simulator .prev is never wrong:
# PREV is for peers that lie, and is left to the fuzzer that plays them (tests/fuzz/core.c), which sees
# a log whose entries do not follow each other. R8 is the catalog's own, about searches, which the
# simulator does not make: tests/torture/planted.sh.
#
#   tests/sim/planted.sh [BUG...]      in $BUILD/planted (default build/planted)
set -eu
cd "$(dirname "$0")/../.."
LIMIT=${LIMIT:-150000}
JOBS=${JOBS:-$(nproc)}
BUILD=${BUILD:-build}
DIR=$BUILD/planted
mkdir -p "$DIR"
bugs=$(sed -n 's/^#define PLANT_ARG_PLANT_\([A-Z0-9]*\) .*/\1/p' replica/core/plant.h | grep -vx R8)
[ $# -eq 0 ] || bugs=$*

# Only where data are lost on purpose does a cache change its history.
options() {
	case $1 in
	C3) echo --losses ;;
	esac
}

# Prints "caught BUG, seed N: what was seen", or what went wrong instead.
try() {
	# The options are words.
	# shellcheck disable=SC2046
	if "$DIR/$1/sim" --schedules "$LIMIT" --first $(options "$1") >"$DIR/$1/sim.log" 2>&1; then
		echo "FAILED $1: not caught in $LIMIT schedules"
	elif seen=$(grep '^FAILED seed' "$DIR/$1/sim.log"); then
		echo "caught $1, ${seen#FAILED }"
	else
		echo "FAILED $1: see $DIR/$1/sim.log"
	fi >"$DIR/$1/verdict"
}

FUZZ_LIMIT=${FUZZ_LIMIT:-120} # seconds
try_fuzz() {
	mkdir -p "$DIR/$1/found"
	if ! clang -std=gnu11 -D_GNU_SOURCE -I. -O1 "-DPLANT_$1" -fsanitize=fuzzer tests/fuzz/core.c \
		replica/core/*.c "$BUILD/common.a" -luuid -o "$DIR/$1/fuzz"; then
		echo "FAILED $1: does not compile"
	elif "$DIR/$1/fuzz" -seed=1 -max_len=4096 -max_total_time="$FUZZ_LIMIT" -artifact_prefix="$DIR/$1/" \
		"$DIR/$1/found" tests/fuzz/corpus/core >"$DIR/$1/fuzz.log" 2>&1; then
		echo "FAILED $1: not caught in $FUZZ_LIMIT seconds of fuzzing"
	elif seen=$(grep -o 'Assertion .* failed' "$DIR/$1/fuzz.log"); then
		echo "caught $1, by the fuzzer: $seen"
	else
		echo "FAILED $1: see $DIR/$1/fuzz.log"
	fi >"$DIR/$1/verdict"
}

for bug in $bugs; do
	mkdir -p "$DIR/$bug"
	[ "$bug" = PREV ] || make -s -j"$JOBS" BUILD="$BUILD" PLANT="$bug" "$DIR/$bug/sim" >"$DIR/$bug/make.log"
done

running=0
for bug in $bugs; do
	case $bug in
	PREV) try_fuzz "$bug" & ;;
	*) try "$bug" & ;;
	esac
	running=$((running + 1))
	if [ "$running" -ge "$JOBS" ]; then
		wait
		running=0
	fi
done
wait

passed=0 failed=0
for bug in $bugs; do
	cat "$DIR/$bug/verdict"
	if grep -q '^caught' "$DIR/$bug/verdict"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
