#!/bin/sh
# Shows that the simulator sees what it is for: builds it once for every planted bug of
# replica/core/plant.h, and demands that each is caught within LIMIT schedules.
#
# A primary takes where a log ends from the backup's own words, so in the simulator .prev is never wrong:
# PREV is for peers that lie, and is left to the fuzzer that plays them (tests/fuzz/core.c), which sees
# a log whose entries do not follow each other.
#
#   tests/sim/planted.sh           in $BUILD/planted (default build/planted), with $CC
set -eu
cd "$(dirname "$0")/../.."
TOP=$PWD
LIMIT=${LIMIT:-50000}
JOBS=${JOBS:-$(nproc)}
mkdir -p "${BUILD:-build}/planted/common"
DIR=$(cd "${BUILD:-build}/planted" && pwd)
bugs=$(sed -n 's/^#define PLANT_ARG_PLANT_\([A-Z0-9]*\) .*/\1/p' replica/core/plant.h)

compile() {
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -I"$TOP" -O1 -DNDEBUG "$@"
}

# Only replica/core and fcgi/cache differ from one to the next.
(cd "$DIR/common" && compile -c "$TOP"/tests/sim/*.c "$TOP"/fcgi/base/buf.c \
	"$TOP"/fcgi/base/uuid.c "$TOP"/fcgi/base/xalloc.c)

# Prints "caught BUG, seed N: what was seen", or what went wrong instead.
try() {
	if ! compile "-DPLANT_$1" replica/core/*.c fcgi/cache/*.c "$DIR"/common/*.o \
		-luuid -lpthread -o "$DIR/$1"; then
		echo "FAILED $1: does not compile"
	elif "$DIR/$1" --schedules "$LIMIT" --first >"$DIR/$1.log" 2>&1; then
		echo "FAILED $1: not caught in $LIMIT schedules"
	elif seen=$(grep '^FAILED seed' "$DIR/$1.log"); then
		echo "caught $1, ${seen#FAILED }"
	else
		echo "FAILED $1: see $DIR/$1.log"
	fi >"$DIR/$1.verdict"
}

FUZZ_LIMIT=${FUZZ_LIMIT:-120} # seconds
try_fuzz() {
	mkdir -p "$DIR/$1-found"
	if ! clang -std=gnu11 -D_GNU_SOURCE -I"$TOP" -O1 "-DPLANT_$1" -fsanitize=fuzzer tests/fuzz/core.c \
		replica/core/*.c "$DIR"/common/buf.o "$DIR"/common/uuid.o "$DIR"/common/xalloc.o -luuid -o "$DIR/$1"; then
		echo "FAILED $1: does not compile"
	elif "$DIR/$1" -seed=1 -max_len=4096 -max_total_time="$FUZZ_LIMIT" -artifact_prefix="$DIR/$1-" \
		"$DIR/$1-found" tests/fuzz/corpus/core >"$DIR/$1.log" 2>&1; then
		echo "FAILED $1: not caught in $FUZZ_LIMIT seconds of fuzzing"
	elif seen=$(grep -o 'Assertion .* failed' "$DIR/$1.log"); then
		echo "caught $1, by the fuzzer: $seen"
	else
		echo "FAILED $1: see $DIR/$1.log"
	fi >"$DIR/$1.verdict"
}

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
	cat "$DIR/$bug.verdict"
	if grep -q '^caught' "$DIR/$bug.verdict"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
