#!/bin/sh
# provision.sh [PACKAGE.deb]: makes this Debian 12 host a whole shop, under systemd. As root; from a
# tree of the sources, which it builds the package of when none is given. Harmless when all that is
# done already.
set -eu
cd "$(dirname "$0")/.."

package=${1-}
replicas='bazar@catalog-1.service bazar@catalog-2.service bazar@order-1.service bazar@order-2.service'

if [ -z "$package" ]; then
	command -v make >/dev/null || {
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends make
	}
	make deb
	package=$(ls "$PWD"/build/deb/bazar_*.deb)
fi

# The same package again is no upgrade, and restarts nothing.
wanted=$(dpkg-deb -f "$package" Version)
present=$(dpkg-query -W -f '${Version}' bazar 2>/dev/null) || present=
[ "$wanted" = "$present" ] ||
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package"

# nginx runs with a configuration of ours; Debian's own is nobody's page.
! systemctl -q is-enabled nginx.service 2>/dev/null || systemctl disable -q --now nginx.service

# A port that is forwarded arrives on the host's own address. Whoever administers the shop from outside
# then needs the token.
settings=/etc/bazar/bazar.conf
if [ "${BAZAR_LISTEN-}" ] && ! grep -q '^BAZAR_LISTEN=' "$settings"; then
	printf 'BAZAR_LISTEN=%s\nBAZAR_ADMIN_TOKEN=%s\n' "$BAZAR_LISTEN" \
		"$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >>"$settings"
	echo "The token of admin calls is in $settings."
fi

# Names without blanks, one word each.
# shellcheck disable=SC2086
systemctl enable -q --now bazar.target bazar-front.service $replicas
bazarctl wait --timeout 60
bazarctl status
