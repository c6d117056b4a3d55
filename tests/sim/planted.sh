#!/bin/sh
# Shows that the simulator sees what it is for: builds it once for every planted bug of
# replica/core/plant.h, and demands that each is caught within LIMIT schedules.
#
#   tests/sim/planted.sh [build directory, default build]      CC, CFLAGS, JOBS as usual
set -eu
cd "$(dirname "$0")/../.."
DIR=${1:-${BUILD:-build}}/planted
LIMIT=${LIMIT:-50000}
JOBS=${JOBS:-$(nproc)}
FLAGS="-std=gnu11 -D_GNU_SOURCE -I. ${CFLAGS:--O1}"
COMMON="tests/sim/*.c fcgi/cache/*.c fcgi/base/buf.c fcgi/base/uuid.c fcgi/base/xalloc.c"
switches=$(sed -n 's/^#define PLANT_ARG_PLANT_\([A-Z0-9]*\) .*/\1/p' replica/core/plant.h)

mkdir -p "$DIR"
# Only replica/core differs from one to the next.
if ! echo $COMMON | xargs -n 1 -P "$JOBS" sh -c '
	'"${CC:-cc} $FLAGS"' -c "$1" -o "'"$DIR"'/$(echo "$1" | tr / _).o"' build; then
	echo "planted: the simulator does not compile" >&2
	exit 1
fi

one() {
	bug=$1
	if ! ${CC:-cc} $FLAGS "-DPLANT_$bug" replica/core/*.c "$DIR"/*.o -luuid -lpthread \
		-o "$DIR/sim-$bug"; then
		echo "FAILED $bug: does not compile"
	elif "$DIR/sim-$bug" --schedules "$LIMIT" --first >"$DIR/$bug.log" 2>&1; then
		echo "FAILED $bug: not caught in $LIMIT schedules"
	else
		why=$(sed -n 's/^FAILED seed //p' "$DIR/$bug.log")
		echo "caught $bug${why:+, seed $why}"
	fi >"$DIR/$bug.verdict"
}

running=0
for bug in $switches; do
	one "$bug" &
	running=$((running + 1))
	if [ "$running" -ge "$JOBS" ]; then
		wait
		running=0
	fi
done
wait

passed=0 failed=0
for bug in $switches; do
	cat "$DIR/$bug.verdict"
	if grep -q '^caught .* seed ' "$DIR/$bug.verdict"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
