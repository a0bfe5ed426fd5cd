#!/bin/sh
# Installs the Debian packages that the lab needs, or those named as arguments, without starting
# any of their daemons on this machine. Does nothing, at once, when all are there.
set -eu

packages=${*:-frr nftables iproute2 conntrack iputils-arping iputils-ping libpcap0.8 curl procps}
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    # Not apt-get: it would start their daemons on this machine.
    echo "The lab needs Debian packages that are missing:$missing. Run 'sudo netns-lab/debian.sh$missing', or make as root." >&2
    exit 1
fi

# Debian's maintainer scripts ask this file whether they may start a daemon; 101 says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi

echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word a package
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } > /tmp/herald-apt.$$ 2>&1 || {
    tail -n 5 /tmp/herald-apt.$$ >&2
    rm -f /tmp/herald-apt.$$
    echo "Debian's packages can't be had: check the network and apt's sources, then run make again." >&2
    exit 1
}
rm -f /tmp/herald-apt.$$
