#!/bin/sh
# Removes from a node what Atoll's agent made there: the CNI plugin, links, rules, the nftables table, addresses, plans.
# Run as root, after the agent is gone and no pod of the node is in a network. A reboot would do
# the same, but for the two folders.
set -u
# The configuration first: nothing must call a plugin that is gone.
rm -f "${CNI_CONF:-/etc/cni/net.d}/01-atoll.conflist" "${CNI_BIN:-/opt/cni/bin}/atoll-cni"
rm -rf "${CNI_CACHE:-/var/lib/cni/atoll}"
ip -o link | sed -nE 's/^[0-9]+: ((vn|vx|ah|hh)[0-9]+|at[0-9a-f]{12})[@:].*/\1/p' | while read -r link; do
	ip link delete "$link" 2>/dev/null # the other end of a pair may have taken it along
done
for family in -4 -6; do
	ip $family rule | grep -q '^0:' || ip $family rule add preference 0 lookup local
	ip $family rule flush protocol 65
done
nft list table inet atoll >/dev/null 2>&1 && nft delete table inet atoll
rm -rf "${STATE:-/var/lib/atoll}" "${SOCKET:-/run/atoll}"
