# shellcheck shell=bash
# Completion of bazarctl for bash. Commands and options are asked of bazarctl itself, names of the node file.
_bazarctl() {
	local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} run='' command='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--run) run=${COMP_WORDS[++i]} ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --run ]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
	fi
	local usage names words
	usage=$("$program" help 2>/dev/null) || return
	if [ -z "$command" ]; then
		words="--run --help $(awk '/^  [a-z]/ {print $1}' <<<"$usage")"
	else
		usage=$(awk -v c="$command" '/^  [a-z]/ && $1 == c {$1 = ""; print}' <<<"$usage")
		words=$(grep -o -- '--[a-z-]*' <<<"$usage" | sort -u)
		case $usage in
		*NAME*)
			[ -n "$run" ] || run=$(sed -n 's/.*(DIR: \(.*\))$/\1/p' <("$program" help))
			names=$(awk '!/^[ \t]*(#|$)/ {print $1}' "$run/nodes" 2>/dev/null)
			;;
		esac
		case $usage in *SERVICE*) names="$names catalog order" ;; esac
		case $usage in *'add '*'remove '*) names="$names add remove" ;; esac
		case $usage in *FILE* | *DIR*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;; esac
	fi
	mapfile -O "${#COMPREPLY[@]}" -t COMPREPLY < <(compgen -W "$words $names" -- "$word")
}
complete -F _bazarctl bazarctl
