"""The constant chains: the same text on every node of a cluster, in the order a packet meets them.

Only the VXLAN port and the host-link ranges, facts of the cluster, vary. Numbers of networks,
addresses and services are data, in the sets of `compiler.sets`. docs/datapath tells why each
rule is where it is.
"""

from __future__ import annotations

from typing import Final

from compiler.device_names import FIRST_GROUP, HOST_LINK_GROUP, LAST_GROUP, OUTSIDE_GROUP
from compiler.plan import Datapath

MARK_BASE: Final = 0xA7000000
"""Choices between backends travel in the packet mark from here, for a few nanoseconds."""
AFFINITY_SEED: Final = 0x41746F6C
"""Fixed: a client keeps its backend when a table is rebuilt."""
EXACT_CHOICES: Final = 16
"""Up to this many backends share exactly evenly; more are spread over the next power of two."""
MAX_CHOICES: Final = 1024
CHOICES: Final = (*range(1, EXACT_CHOICES + 1), 32, 64, 128, 256, 512, MAX_CHOICES)

NETWORK: Final = f"{FIRST_GROUP}-{LAST_GROUP}"
OURS: Final = f"{FIRST_GROUP}-{OUTSIDE_GROUP}"
HOST_LINK: Final = f"{HOST_LINK_GROUP + FIRST_GROUP}-{HOST_LINK_GROUP + LAST_GROUP}"
_SERVICE: Final = "meta l4proto . th dport"


def choices_for(backends: int) -> int:
    """How many slots spread that many backends: the smallest number of choices that holds them."""
    return next((choices for choices in CHOICES if choices >= backends), MAX_CHOICES)


def pick_chain(choices: int, *, client_affinity: bool) -> str:
    return f"{'stick' if client_affinity else 'pick'}{choices}"


def chains_text(datapath: Datapath) -> str:
    """The chains of table `inet atoll`, without its sets."""
    vxlan = f"udp dport {datapath.vxlan_port}"
    v4, v6 = datapath.host_links_v4, datapath.host_links_v6
    return (
        _PREROUTING.format(vxlan=vxlan)
        + _INPUT_AND_FORWARD.format(vxlan=vxlan)
        + _POSTROUTING.format(v4=v4, v6=v6)
        + "".join(_pick_text(choices) for choices in CHOICES)
    )


def _pick_text(choices: int) -> str:
    number, seed = f"mod {choices}", f"seed {AFFINITY_SEED:#x} offset {MARK_BASE:#x}"
    return (
        f"\tchain pick{choices} {{\n"
        f"\t\tmeta mark set numgen random {number} offset {MARK_BASE:#x} accept\n"
        "\t}\n"
        f"\tchain stick{choices} {{\n"
        f"\t\tmeta mark set jhash ip saddr {number} {seed} accept\n"
        f"\t\tmeta mark set jhash ip6 saddr {number} {seed} accept\n"
        "\t}\n"
    )


_PREROUTING: Final = f"""\
	# A pod's source must be its own; a network's packets are tracked in its domain's zone, whatever
	# other tables exempt in `raw`.
	chain classify {{{{
		type filter hook prerouting priority raw - 5; policy accept;
		iifgroup != {OURS} {{vxlan}} goto overlay
		iifgroup {NETWORK} meta iifkind != "vrf" fib saddr . iif oif missing counter drop
		ct zone set iifgroup map @zones
	}}}}
	# Taken from where its sender is, or a pod of the default network could forge a node's packets.
	chain overlay {{{{
		fib saddr . iif oif missing counter drop
		notrack
	}}}}
	chain classify_own {{{{
		type filter hook output priority raw; policy accept;
		{{vxlan}} notrack
	}}}}

	# A network's packet to a Service picks its backend; everyone else's, to a Service of networks, is
	# refused. Filter chains, because all nat chains run together at the nat hook.
	chain services {{{{
		type filter hook prerouting priority dstnat - 10; policy accept;
		iifgroup {NETWORK} goto services_of_network
		ip daddr vmap @isolated4
		ip6 daddr vmap @isolated6
		fib daddr type local {_SERVICE} @isolated_ports goto refuse
	}}}}
	chain services_of_own {{{{
		type filter hook output priority -110; policy accept;
		ip daddr vmap @isolated4
		ip6 daddr vmap @isolated6
		fib daddr type local {_SERVICE} @isolated_ports goto refuse
	}}}}
	chain services_of_network {{{{
		iifgroup . ip daddr . {_SERVICE} vmap @vips4
		iifgroup . ip6 daddr . {_SERVICE} vmap @vips6
	}}}}
	# A reset for TCP, because the kernel rations ICMP errors (icmp_ratelimit): one second each.
	chain refuse {{{{
		meta l4proto tcp counter reject with tcp reset
		counter reject with icmpx admin-prohibited
	}}}}
	# Only a packet that came in has a group: the node's own ones go on to kube-proxy.
	chain mixed {{{{
		iifgroup . ip daddr . {_SERVICE} vmap @vips4
		iifgroup . ip6 daddr . {_SERVICE} vmap @vips6
		iifgroup >= 0 goto refuse
	}}}}
	# The rest goes where it was going, as a translation: a connection once translated is left alone
	# by the nat chains that follow, kube-proxy's with its node ports and other networks' Services.
	# The forward chain refuses it: a reset from here would be routed outside the VRF.
	chain translate {{{{
		type nat hook prerouting priority dstnat - 10; policy accept;
		dnat ip to iifgroup . ip daddr . {_SERVICE} . meta mark map @backends4
		dnat ip6 to iifgroup . ip6 daddr . {_SERVICE} . meta mark map @backends6
		iifgroup {NETWORK} dnat ip to ip daddr
		iifgroup {NETWORK} dnat ip6 to ip6 daddr
	}}}}
	chain forget_choice {{{{
		type filter hook prerouting priority dstnat + 10; policy accept;
		meta mark {MARK_BASE:#x}-{MARK_BASE + MAX_CHOICES - 1:#x} meta mark set 0
	}}}}
"""

_INPUT_AND_FORWARD: Final = f"""
	# A pod never talks to its node; the overlay takes packets of known nodes only.
	chain input {{{{
		type filter hook input priority filter; policy accept;
		{{vxlan}} ip saddr != @underlay4 counter drop
		{{vxlan}} ip6 saddr != @underlay6 counter drop
		iifgroup {NETWORK} counter drop
	}}}}

	# Networks that may talk do so without state: taking a pair out cuts its connections at once.
	chain forward {{{{
		type filter hook forward priority filter; policy accept;
		oifgroup {NETWORK} meta oifkind "vrf" goto refuse
		iifgroup . oifgroup @peers accept
		iifgroup {NETWORK} goto leaving
		oifgroup {NETWORK} goto refuse
		oifgroup {OUTSIDE_GROUP} ct direction reply accept
		oifgroup {OUTSIDE_GROUP} goto refuse
		{{vxlan}} ip daddr @underlay4 counter drop
		{{vxlan}} ip6 daddr @underlay6 counter drop
	}}}}
	chain leaving {{{{
		oifgroup {HOST_LINK} goto to_host
		goto refuse
	}}}}
	chain to_host {{{{
		ct state invalid counter drop
		ct state established ct direction reply accept
		ct state related meta l4proto icmp accept
		ct state related meta l4proto icmpv6 accept
		iifgroup . ip daddr . {_SERVICE} @infrastructure4 accept
		iifgroup . ip6 daddr . {_SERVICE} @infrastructure6 accept
		fib daddr type local goto refuse
		iifgroup @egress ip daddr != @cluster4 accept
		iifgroup @egress ip6 daddr != @cluster6 accept
		goto refuse
	}}}}
"""

_POSTROUTING: Final = f"""
	# Outside a VRF nobody sees a network's addresses: they may overlap.
	chain sources {{{{
		type nat hook postrouting priority srcnat - 10; policy accept;
		oifgroup {HOST_LINK} snat ip to oifgroup map @host_links4
		oifgroup {HOST_LINK} snat ip6 to oifgroup map @host_links6
		oifgroup . ip saddr . ip daddr @hairpins4 snat ip to oifgroup map @host_links4
		oifgroup . ip6 saddr . ip6 daddr @hairpins6 snat ip6 to oifgroup map @host_links6
		oifgroup 0 ip saddr {{v4}} masquerade
		oifgroup 0 ip6 saddr {{v6}} masquerade
	}}}}
"""
