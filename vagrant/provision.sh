#!/bin/sh
# Inside the machine: install, build, start. Harmless when all that is done already.
set -eu
cd "$HOME/bazar"

command -v make >/dev/null || {
	sudo apt-get update -q
	sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends make
}

# The forwarded port arrives on the machine's own network, so Bazar.com must listen there; whoever
# administers it from outside then needs the token.
if [ ! -f run/bazar.conf ]; then
	mkdir -p -m 700 run
	umask 077
	{
		echo "BAZAR_LISTEN=0.0.0.0"
		echo "BAZAR_ADMIN_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')"
	} >run/bazar.conf
	echo "The token of admin calls is in $PWD/run/bazar.conf."
fi
make up
