#!/bin/sh
# Shows that the torture sees what it is for: builds the workers once for every planted bug named below
# (replica/core/plant.h says what each takes away), lets them be tortured with assertions off, and
# demands that each is caught within LIMIT seconds of faults.
#
#   tests/torture/planted.sh [BUG...]      in $BUILD/torture-planted (default build/torture-planted)
set -eu
cd "$(dirname "$0")/../.."
LIMIT=${LIMIT:-300}
SEED=${SEED:-1}
BUILD=${BUILD:-build}
DIR=$BUILD/torture-planted

# Per bug the faults that bring it to light soonest; all kinds would, in time.
kinds() {
	case $1 in
	R4) echo pause,delay ;;
	FLOORS) echo reload,delay ;;
	FLUSH) echo power-loss ;;
	DEDUP) echo cut,lossy,pause,duplicate ;;
	*) echo kill,kill-both,cut-one-way,lossy,pause,delay,duplicate ;;
	esac
}

try() {
	make -s BUILD="$DIR/$1" CPPFLAGS="-DPLANT_$1 -DNDEBUG" all >"$DIR/$1.log" 2>&1 || {
		echo "FAILED $1: does not compile, see $DIR/$1.log"
		return 1
	}
	status=0
	BUILD=$BUILD TORTURE_WORKERS="$DIR/$1" python3 tests/torture/run.py --seed "$SEED" \
		--duration "$LIMIT" --kinds "$(kinds "$1")" --first >"$DIR/$1.log" 2>&1 || status=$?
	seen=$(grep -m 1 '^CAUGHT' "$DIR/$1.log") || seen=
	if [ "$status" -eq 1 ] && [ -n "$seen" ]; then
		echo "caught $1, ${seen#CAUGHT }"
	else
		echo "FAILED $1: not caught in $LIMIT s, see $DIR/$1.log"
		return 1
	fi
}

mkdir -p "$DIR"
passed=0 failed=0
for bug in "${@:-R1 R2 CONFIRM R3 R4 R6 R7 FLOORS DEDUP}"; do
	if try "$bug"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
