#!/bin/sh
# Shows that the torture sees what it is for: builds the workers once for every planted bug named below
# (replica/core/plant.h says what each takes away), lets them be tortured with assertions off, again
# and again with other seeds, and demands that each is caught within LIMIT seconds.
#
#   tests/torture/planted.sh [BUG...]      in $BUILD/planted (default build/planted)
#
# Left to the simulator (tests/sim/planted.sh) are those that a real shop of two replicas shows seldom
# or never: they can be named here all the same. PARTIAL: it takes a log that was pruned. C3: it takes
# data lost on purpose. SHRINK: of two replicas, the one left out still has to agree to a lower min.
set -eu
cd "$(dirname "$0")/../.."
LIMIT=${LIMIT:-300}
RUN=${RUN:-40}
BUILD=${BUILD:-build}
DIR=$BUILD/planted
BUGS="R1 R8 R9 GRANTED TABLE FLOORS DEDUP FLUSH CART"

# The faults that bring it to light soonest; all kinds would, in time.
options() {
	case $1 in
	R1) echo --kinds kill,kill-all ;;
	R2) echo --kinds kill,kill-all,cut-one-way --min-insync all --losing all ;;
	CONFIRM) echo --kinds kill,away,cut --min-insync 1 ;;
	R9 | GRANTED | C4) echo --kinds cut,cut-one-way,pause --min-insync 1 ;;
	R10) echo --kinds cut,promote --min-insync 1 --crowd 1 ;;
	TABLE) echo --kinds cut,cut-one-way --min-insync all ;;
	FLOORS) echo --kinds pause,delay ;;
	DEDUP) echo --kinds pause,lossy ;;
	FLUSH) echo --kinds promote --min-insync all --losing all ;;
	*) echo --kinds kill,cut-one-way,delay,duplicate,promote,switchover --crowd 0.6 ;;
	esac
}

# Torture until it is caught or the time is over.
torture() {
	seed=1
	end=$(($(date +%s) + LIMIT))
	while [ "$(date +%s)" -lt "$end" ]; do
		# The options are words.
		# shellcheck disable=SC2046
		BUILD=$BUILD TORTURE_WORKERS="$DIR/$1" python3 tests/torture/run.py --planted --replicas 2 \
			--seed "$seed" --duration "$RUN" $(options "$1") >"$DIR/$1/torture.log" 2>&1 && status=0 ||
			status=$?
		[ "$status" -ne 1 ] || return 0
		seed=$((seed + 1))
	done
	return 1
}

try() {
	began=$(date +%s)
	mkdir -p "$DIR/$1"
	if ! make BUILD="$BUILD" PLANT="$1" "$DIR/$1/bazar-catalog" "$DIR/$1/bazar-order" \
		>"$DIR/$1/torture.log" 2>&1; then
		echo "FAILED $1: does not compile, see $DIR/$1/torture.log"
	elif torture "$1" && seen=$(grep -m 1 '^SYMPTOM' "$DIR/$1/torture.log"); then
		echo "caught $1 in $(($(date +%s) - began)) s, seed $seed: ${seen#SYMPTOM }"
		return
	else
		echo "FAILED $1: not caught in $LIMIT s, see $DIR/$1/torture.log"
	fi
	return 1
}

[ $# -gt 0 ] || eval "set -- $BUGS"
passed=0 failed=0
for bug; do
	if try "$bug"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
