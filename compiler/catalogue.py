"""Every kind of problem that Atoll reports: code, severity, what it means, an example, the remedy.

A code is stable: it is never reused, and its meaning never changes. The hundreds say where it belongs:
1xx text and YAML, 2xx kinds and fields, 3xx references and selection, 4xx addresses,
5xx routers, 6xx deletion and guarded rules, 7xx inventory and capacity, 8xx repository and inventory file.
`docs/reference/errors.md` is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from compiler.problem import Code, Origin, Problem, Severity

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The documentation of one code."""

    title: str
    severity: Severity
    explanation: str
    example: str
    """Text that provokes the problem; a comment in words where text alone cannot."""
    remedy: str
    """What to do, as one sentence without its full stop."""


_RED = "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}\n"
_CLUSTER = "apiVersion: atoll.dev/v1alpha1\nkind: ClusterConfig\nmetadata: {name: cluster}\n"
_ROUTER = (
    "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetworkRouter\nmetadata: {name: all, namespace: team-a}\n"
)
_SUBNET = "apiVersion: core.contrail.juniper.net/v3\nkind: Subnet\nmetadata: {name: s1, namespace: team-a}\n"

_ENTRIES: dict[str, Entry] = {
    # --- 1xx: text and YAML -------------------------------------------------------------------
    "ATL101": Entry(
        title="File too large",
        severity=ERROR,
        explanation="A declaration file may have at most 1 MiB. The file was not read.",
        example="# a file of more than 1 MiB",
        remedy="Split the file",
    ),
    "ATL102": Entry(
        title="Not UTF-8",
        severity=ERROR,
        explanation=(
            "Declarations are UTF-8 text; a byte-order mark is accepted. The place is the first byte "
            "that is not."
        ),
        example="# a file saved as Latin-1 or UTF-16",
        remedy="Save the file as UTF-8",
    ),
    "ATL103": Entry(
        title="Control character",
        severity=ERROR,
        explanation=(
            "YAML allows no control characters but tab and line ends; NUL bytes are refused as well."
        ),
        example="# a file with a NUL byte",
        remedy="Remove the character",
    ),
    "ATL104": Entry(
        title="YAML syntax",
        severity=ERROR,
        explanation="The text is not YAML. What stands before the place was read; what follows was not.",
        example="metadata: {name: red\nkind: VirtualNetwork",
        remedy="Correct the syntax at this place or just before it",
    ),
    "ATL105": Entry(
        title="Key given twice",
        severity=ERROR,
        explanation="A mapping has the same key twice. YAML readers disagree on which of the two counts.",
        example="metadata:\n  name: red\n  name: blue",
        remedy="Keep one of the two",
    ),
    "ATL106": Entry(
        title="Anchor or alias",
        severity=ERROR,
        explanation=(
            "Anchors (`&x`) and aliases (`*x`) are refused: a few nested ones expand without bound, and"
            " a reviewer cannot read the value where it stands."
        ),
        example="metadata: &meta\n  name: red\nother: *meta",
        remedy="Write the value out; quote it if it is text that begins with & or *",
    ),
    "ATL107": Entry(
        title="Tag",
        severity=ERROR,
        explanation=(
            "Tags (`!x`, `!!str`) are refused: declarations have only plain values. Reading stopped at the"
            " place."
        ),
        example="spec: !custom\n  egress: none",
        remedy="Remove the tag; quote the value if it is text",
    ),
    "ATL108": Entry(
        title="Merge key",
        severity=ERROR,
        explanation="The merge key `<<` is refused, as aliases are. It is not part of YAML 1.2.",
        example="metadata:\n  <<: {name: red}",
        remedy="Write the fields out",
    ),
    "ATL109": Entry(
        title="Nested too deeply",
        severity=ERROR,
        explanation="Values may be nested at most 32 deep. Reading stopped at the place.",
        example="spec: " + "[" * 33 + "]" * 33,
        remedy="Remove the nesting; no declaration needs so much",
    ),
    "ATL110": Entry(
        title="Too many values",
        severity=ERROR,
        explanation="A file may hold at most 100,000 keys and values. Reading stopped at the place.",
        example="# a file with a list of 100,001 numbers",
        remedy="Split the file",
    ),
    "ATL111": Entry(
        title="Too many documents",
        severity=ERROR,
        explanation="A file may hold at most 1,000 documents. Reading stopped at the place.",
        example="# a file of 1,001 documents",
        remedy="Split the file",
    ),
    "ATL112": Entry(
        title="Key is not text",
        severity=ERROR,
        explanation=(
            "Keys are text. YAML reads an unquoted `1`, `true` or `null` as something else, and a list "
            "or mapping can be a key too; none of them is one here."
        ),
        example="metadata:\n  labels:\n    1: first",
        remedy="Put the key in quotes",
    ),
    "ATL113": Entry(
        title="Number out of range",
        severity=ERROR,
        explanation="Numbers are finite, and whole numbers fit into 64 bits.",
        example="spec:\n  mtu: .inf",
        remedy="Write a smaller number, or quote the value if it is text",
    ),
    "ATL114": Entry(
        title="YAML directive",
        severity=ERROR,
        explanation="`%TAG` and `%YAML` directives other than `%YAML 1.2` are refused.",
        example="%YAML 1.1\n---\nkind: VirtualNetwork",
        remedy="Remove the directive",
    ),
    "ATL115": Entry(
        title="Repository too large",
        severity=ERROR,
        explanation=(
            "A repository may hold at most 10,000 declaration files and 16 MiB of them. Nothing was read."
        ),
        example="# 10,001 files",
        remedy="Split the repository, or move what declares nothing into a hidden directory",
    ),
    "ATL116": Entry(
        title="Further errors not listed",
        severity=ERROR,
        explanation="At most 100 errors are listed for each file.",
        example="# a file with 101 errors",
        remedy="Correct the errors listed and look again",
    ),
    "ATL117": Entry(
        title="Unusable path",
        severity=ERROR,
        explanation=(
            "Paths are relative, printable and normalised: no `..`, no empty part, no backslash, no "
            "control character, at most 500 characters."
        ),
        example="# a file named ../other/networks.yaml",
        remedy="Rename the file",
    ),
    "ATL118": Entry(
        title="Symbolic link",
        severity=ERROR,
        explanation=(
            "Symbolic links are never followed, they could lead outside the repository. Links in hidden "
            "directories are left alone."
        ),
        example="# a symbolic link networks.yaml -> ../other/networks.yaml",
        remedy="Replace the link by a copy of the file",
    ),
    "ATL119": Entry(
        title="Submodule or special file",
        severity=ERROR,
        explanation=(
            "Only files and directories are read. A submodule's content is not part of the reviewed "
            "commit and is never fetched."
        ),
        example="# a Git submodule vendor/networks",
        remedy="Commit the files themselves",
    ),
    "ATL120": Entry(
        title="Further warnings not listed",
        severity=WARNING,
        explanation="At most 1,000 warnings are listed for each file.",
        example="# a file with 1,001 warnings",
        remedy="See to the warnings listed and look again",
    ),
    # --- 2xx: kinds and fields ----------------------------------------------------------------
    "ATL201": Entry(
        title="apiVersion or kind missing",
        severity=ERROR,
        explanation=(
            "The document looks like a declaration, but does not say what it is. Documents without any "
            "of `apiVersion`, `kind`, `metadata` and `spec` are not declarations and are left alone."
        ),
        example=(
            "kind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}\nspec: {subnets: [10.1.0.0/24]}"
        ),
        remedy="Add `apiVersion: atoll.dev/v1alpha1` and the kind",
    ),
    "ATL202": Entry(
        title="Unknown version",
        severity=ERROR,
        explanation=(
            "The group is ours, the version is not one that this release reads: `atoll.dev/v1alpha1`; "
            "`core.contrail.juniper.net/v1alpha1`, `v1`, `v2` and `v3`."
        ),
        example="apiVersion: atoll.dev/v9\nkind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}",
        remedy="Use a version that this release reads",
    ),
    "ATL203": Entry(
        title="Unknown kind",
        severity=ERROR,
        explanation="`atoll.dev` has the kinds VirtualNetwork, VirtualNetworkRouter and ClusterConfig.",
        example=(
            "apiVersion: atoll.dev/v1alpha1\nkind: VirtualNetwrok\nmetadata: {name: red, namespace: team-a}"
        ),
        remedy="Use one of these kinds",
    ),
    "ATL204": Entry(
        title="Looks like a misspelt declaration",
        severity=WARNING,
        explanation=(
            "Objects of other API groups are left alone. This one was too, although its apiVersion or "
            "kind differs only a little from one of ours."
        ),
        example=(
            "apiVersion: atol.dev/v1alpha1\nkind: VirtualNetwork\nmetadata: {name: red, namespace: team-a}"
        ),
        remedy="Correct the spelling if a declaration was meant; else nothing is to be done",
    ),
    "ATL205": Entry(
        title="Unknown field",
        severity=ERROR,
        explanation=(
            "The object has no such field. Fields are never ignored: a misspelt one would change what "
            "may talk."
        ),
        example=_RED + "spec: {subnet: [10.1.0.0/24]}",
        remedy="Correct the spelling or remove the field",
    ),
    "ATL206": Entry(
        title="Field missing",
        severity=ERROR,
        explanation="A field without a default is absent. The place is the object that lacks it.",
        example=_RED + "spec: {egress: none}",
        remedy="Add the field",
    ),
    "ATL207": Entry(
        title="Wrong type",
        severity=ERROR,
        explanation="Text, number, list or mapping was expected, and something else is there.",
        example=_RED + "spec: {subnets: 10.1.0.0/24}",
        remedy="Write the value in the type expected",
    ),
    "ATL208": Entry(
        title="Value not among the choices",
        severity=ERROR,
        explanation="The field takes one of a few values.",
        example=_RED + "spec: {subnets: [10.1.0.0/24], egress: nat}",
        remedy="Use one of the values listed",
    ),
    "ATL209": Entry(
        title="Value or length out of bounds",
        severity=ERROR,
        explanation="A number, the length of a text or the number of entries is outside its bounds.",
        example=_RED + "spec: {subnets: []}",
        remedy="Choose a value within the bounds",
    ),
    "ATL210": Entry(
        title="Entry listed twice",
        severity=ERROR,
        explanation="A list whose entries must differ has the same one twice.",
        example=_RED + "spec: {subnets: [10.1.0.0/24], infrastructure: {services: [dns, dns]}}",
        remedy="Remove one of the two",
    ),
    "ATL211": Entry(
        title="Not a name",
        severity=ERROR,
        explanation=(
            "Names follow RFC 1123, as Kubernetes checks them: lower case letters, digits, `-`, and `.`"
            " between parts, beginning and ending with a letter or digit. Namespaces and Services have "
            "no `.`. At most 63 characters, so that `namespace/name` fits into the kernel's alternative"
            " interface names."
        ),
        example=(
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: Red, namespace: team-a}\n"
            "spec: {subnets: [10.1.0.0/24]}"
        ),
        remedy="Rename it",
    ),
    "ATL212": Entry(
        title="Namespace missing or not wanted",
        severity=ERROR,
        explanation=(
            "Networks and routers belong to a namespace, which the file says itself: nothing is implied"
            " by a directory or a kubectl context. ClusterConfig has none."
        ),
        example=(
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: red}\n"
            "spec: {subnets: [10.1.0.0/24]}"
        ),
        remedy="Add `metadata.namespace`",
    ),
    "ATL213": Entry(
        title="Not a label",
        severity=ERROR,
        explanation=(
            "Label keys are `name` or `prefix/name`: the name has at most 63 letters, digits, `-`, `_` "
            "and `.`, the prefix is a DNS name. Values are empty or like names."
        ),
        example=(
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: red, namespace: team-a, labels: {tier: front end}}\n"
            "spec: {subnets: [10.1.0.0/24]}"
        ),
        remedy="Correct the label",
    ),
    "ATL214": Entry(
        title="Selector expression is contradictory",
        severity=ERROR,
        explanation="`In` and `NotIn` need `values`; `Exists` and `DoesNotExist` have none.",
        example=(
            _RED + "spec:\n"
            "  subnets: [10.1.0.0/24]\n"
            "  allowedNamespaces:\n"
            "    matchExpressions:\n"
            "      - {key: team, operator: In}"
        ),
        remedy="Add values, or change the operator",
    ),
    "ATL215": Entry(
        title="Two objects with one name",
        severity=ERROR,
        explanation=(
            "Kind, namespace and name identify an object. Compatibility manifests share the names of ours."
        ),
        example=(
            _RED + "spec: {subnets: [10.1.0.0/24]}\n"
            "---\n"
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: red, namespace: team-a}\n"
            "spec: {subnets: [10.2.0.0/24]}"
        ),
        remedy="Rename or remove one of the two",
    ),
    "ATL216": Entry(
        title="No ClusterConfig",
        severity=ERROR,
        explanation=(
            "One file must hold the ClusterConfig: without the cluster's ranges nothing can be checked."
        ),
        example="# a repository without a ClusterConfig",
        remedy="Add a file with a ClusterConfig; docs/reference/declarations.md has one to copy",
    ),
    "ATL217": Entry(
        title="More than one ClusterConfig",
        severity=ERROR,
        explanation="A repository describes one cluster.",
        example=(
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: ClusterConfig\n"
            "metadata: {name: second}\n"
            "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.9.0.0/16], nodeRanges: [192.0.2.0/24]}"
        ),
        remedy="Keep one",
    ),
    "ATL218": Entry(
        title="Fields need each other",
        severity=ERROR,
        explanation=(
            "One field has a meaning only together with another: `addresses` of a piece of "
            "infrastructure with their `ports`."
        ),
        example=(
            _CLUSTER + "spec:\n"
            "  podRanges: [10.8.0.0/16]\n"
            "  serviceRanges: [10.9.0.0/16]\n"
            "  nodeRanges: [192.0.2.0/24]\n"
            "  dns: {addresses: [192.0.2.53]}"
        ),
        remedy="Add the other field, or remove this one",
    ),
    "ATL219": Entry(
        title="Confirmed deletion has no effect",
        severity=WARNING,
        explanation="`confirmDeletionOf` names a network that this commit still declares.",
        example=(
            _CLUSTER
            + "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.9.0.0/16], nodeRanges: [192.0.2.0/24],\n"
            "  confirmDeletionOf: [team-a/red]}\n---\n" + _RED + "spec: {subnets: [10.1.0.0/24]}"
        ),
        remedy="Remove the network or the entry",
    ),
    "ATL221": Entry(
        title="Compatibility field without a meaning",
        severity=WARNING,
        explanation=(
            "A field of a `core.contrail.juniper.net` manifest has no counterpart here, or its value "
            "asks for what Atoll does not do. The rest of the object is used."
        ),
        example=_SUBNET + "spec: {cidr: 10.1.0.0/24, defaultGateway: 10.1.0.1}",
        remedy="Remove the field once the manifest is no longer used elsewhere",
    ),
    "ATL222": Entry(
        title="Compatibility kind without a meaning",
        severity=WARNING,
        explanation=(
            "Of `core.contrail.juniper.net`, VirtualNetwork, Subnet and VirtualNetworkRouter are read. "
            "Objects of its other kinds are left alone."
        ),
        example=(
            "apiVersion: core.contrail.juniper.net/v3\n"
            "kind: RouteTable\n"
            "metadata: {name: routes, namespace: team-a}"
        ),
        remedy="Remove the object once it is no longer used elsewhere",
    ),
    "ATL223": Entry(
        title="Policy in another file",
        severity=ERROR,
        explanation=(
            "A ReviewPolicy stands in the file `policy.yaml` and nowhere else, so that its owners can guard "
            "one path and reviewers know where to look."
        ),
        example=(
            "apiVersion: atoll.dev/v1alpha1\n"
            "kind: ReviewPolicy\n"
            "metadata: {name: review}\n"
            "spec: {changes: {approvers: [alice]}}"
        ),
        remedy="Move it to policy.yaml, beside the ClusterConfig",
    ),
    "ATL224": Entry(
        title="Not an approver",
        severity=ERROR,
        explanation=(
            "Approvers are user names of the platform that holds the repository, as `alice`, without `@`, or "
            "teams that the policy itself lists, as `team/security`."
        ),
        example="# a ReviewPolicy with approvers: ['@alice']",
        remedy="Write the user name, or team/ and the name of a team of spec.teams",
    ),
    "ATL225": Entry(
        title="Policy cannot be read",
        severity=ERROR,
        explanation=(
            "`policy.yaml` holds exactly one ReviewPolicy, its guards have different names, and there is one "
            "such file. While the policy that counts cannot be read, no change passes its review."
        ),
        example="# a policy.yaml with two guards of one name",
        remedy="Correct the file",
    ),
    # --- 3xx: references, selection, membership -------------------------------------------------
    "ATL301": Entry(
        title="Reference to a Subnet that is not there",
        severity=ERROR,
        explanation="A `v4SubnetReference` or `v6SubnetReference` names no Subnet of this commit.",
        example=(
            "apiVersion: core.contrail.juniper.net/v3\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: red, namespace: team-a}\n"
            "spec: {v4SubnetReference: {name: missing}}"
        ),
        remedy="Add the Subnet, or correct the reference",
    ),
    "ATL302": Entry(
        title="Subnet that nothing references",
        severity=WARNING,
        explanation=(
            "A `core.contrail.juniper.net` Subnet has an effect only through a network that references it."
        ),
        example=_SUBNET + "spec: {cidr: 10.1.0.0/24}",
        remedy="Reference it from a VirtualNetwork, or remove it",
    ),
    "ATL303": Entry(
        title="Reference to a Subnet of the other family",
        severity=ERROR,
        explanation="`v4SubnetReference` needs an IPv4 Subnet, `v6SubnetReference` an IPv6 one.",
        example=(
            _SUBNET + "spec: {cidr: 'fd00:1::/64'}\n"
            "---\n"
            "apiVersion: core.contrail.juniper.net/v3\n"
            "kind: VirtualNetwork\n"
            "metadata: {name: red, namespace: team-a}\n"
            "spec: {v4SubnetReference: {name: s1}}"
        ),
        remedy="Use the other field, or another Subnet",
    ),
    "ATL304": Entry(
        title="Team not defined",
        severity=ERROR,
        explanation="The policy names a team that its `spec.teams` does not list, so nobody could approve.",
        example="# a ReviewPolicy with approvers: [team/security], and no such team",
        remedy="Add the team to spec.teams, or correct the name",
    ),
    "ATL311": Entry(
        title="Router that selects no network",
        severity=WARNING,
        explanation=(
            "`virtualNetworkSelector` is held against the networks of the router's own namespace, and "
            "none has the labels that it asks for."
        ),
        example=_ROUTER + "spec: {type: mesh, virtualNetworkSelector: {matchLabels: {tier: missing}}}",
        remedy="Give a network of that namespace the labels that it asks for, or correct the selector",
    ),
    "ATL312": Entry(
        title="Import that selects no other router",
        severity=WARNING,
        explanation=(
            "No router has the labels and the namespace that the import asks for; the router itself "
            "does not count. Without `namespaceSelector` only its own namespace is searched."
        ),
        example=(
            _ROUTER + "spec:\n"
            "  type: spoke\n"
            "  virtualNetworkSelector: {}\n"
            "  import:\n"
            "    virtualNetworkRouters:\n"
            "      - virtualNetworkRouterSelector: {matchLabels: {role: missing}}"
        ),
        remedy="Correct its virtualNetworkRouterSelector or namespaceSelector, or remove it",
    ),
    "ATL313": Entry(
        title="allowedNamespaces that admits nobody",
        severity=WARNING,
        explanation=(
            "No namespace of the cluster but the network's own has the labels that `allowedNamespaces` "
            "asks for. The network's own namespace needs no permission."
        ),
        example=_RED + "spec: {subnets: [10.1.0.0/24], allowedNamespaces: {matchLabels: {team: missing}}}",
        remedy="Correct the selector, label the namespace that should be admitted, or remove the field",
    ),
    "ATL314": Entry(
        title="Infrastructure Service that is not there",
        severity=WARNING,
        explanation="An entry of `infrastructure.services` names a Service that the cluster does not have.",
        example=_RED + "spec: {subnets: [10.1.0.0/24], infrastructure: {services: [logging/missing]}}",
        remedy="Correct the entry, create the Service, or remove the entry",
    ),
    "ATL315": Entry(
        title="DNS or API server that is not there",
        severity=WARNING,
        explanation=(
            "A network uses DNS or the API server, and the Service that ClusterConfig gives for it is "
            "not in the cluster."
        ),
        example=(
            _CLUSTER
            + "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.9.0.0/16], nodeRanges: [192.0.2.0/24],\n"
            "  dns: {service: kube-system/missing}}"
        ),
        remedy="Correct the Service, or give addresses and ports in its place",
    ),
    "ATL316": Entry(
        title="Running pod not on the network that it names",
        severity=WARNING,
        explanation=(
            "A pod's network is fixed when it is created. Its annotation, its namespace's or the "
            "network's permissions have changed since, and that has no effect before it starts again."
        ),
        example="# a running pod whose annotation atoll.dev/network was changed",
        remedy="Delete the pod so that it starts again, or restore what was changed",
    ),
    "ATL317": Entry(
        title="Pods that wait",
        severity=WARNING,
        explanation=(
            "The network that a pod chooses, by its annotation or its namespace's, is not declared, does not "
            "admit the namespace, or cannot be told. Such a pod never starts on the default network: it "
            "waits. Pods of one namespace with one annotation are told of together."
        ),
        example="# three pods with the annotation atoll.dev/network: gone, and no network of that name",
        remedy="Declare the network, let it admit the namespace, or correct the annotation",
    ),
    "ATL318": Entry(
        title="Infrastructure without effect",
        severity=WARNING,
        explanation=(
            "An entry of `infrastructure.services` opens the way to endpoints in the default network, in the "
            "families of the network's subnets. What this one names has none: it is reached in the other "
            "family alone, its endpoints are in networks, or none serves. Pods of networks are reached "
            "through routers."
        ),
        example="# a network with IPv6 subnets alone, and cluster DNS with IPv4 addresses alone",
        remedy="Give the Service an endpoint there, add a subnet of the other family, or remove the entry",
    ),
    "ATL319": Entry(
        title="Guard without effect",
        severity=WARNING,
        explanation="A guard of the policy selects no network that is declared, so it guards nothing now.",
        example="# a guard over networks labelled data: card, and no network with that label",
        remedy="Correct the selector, or remove the guard",
    ),
    "ATL320": Entry(
        title="Approval that nobody can give",
        severity=ERROR,
        explanation="A rule of the policy asks for more approvals than its approvers are people.",
        example="# a guard with approvals: 2 and approvers: [alice]",
        remedy="Name more people, or ask for fewer approvals",
    ),
    # --- 4xx: addresses and overlap -------------------------------------------------------------
    "ATL401": Entry(
        title="Not an address or range",
        severity=ERROR,
        explanation=(
            "Ranges are written as CIDR, `10.1.0.0/24` or `fd00:1::/64`; addresses without a length, "
            "`10.1.0.1`. Leading zeros, zones and IPv4-mapped IPv6 are refused."
        ),
        example=_RED + "spec: {subnets: [10.1.0/24]}",
        remedy="Write it as CIDR",
    ),
    "ATL402": Entry(
        title="Bits beyond the prefix length",
        severity=ERROR,
        explanation=(
            "The address has bits set that its prefix length says are free: either the address or the "
            "length is not what was meant."
        ),
        example=_RED + "spec: {subnets: [10.1.0.5/24]}",
        remedy="Write the first address of the range",
    ),
    "ATL403": Entry(
        title="Prefix length out of bounds",
        severity=ERROR,
        explanation="Subnets of networks have 8 to 30 bits in IPv4 and 48 to 124 in IPv6.",
        example=_RED + "spec: {subnets: [10.1.0.0/31]}",
        remedy="Choose a length within the bounds",
    ),
    "ATL404": Entry(
        title="Reserved addresses",
        severity=ERROR,
        explanation=(
            "Unspecified, loopback, link-local, multicast and reserved addresses have meanings of their"
            " own on every Linux host."
        ),
        example=_RED + "spec: {subnets: [169.254.0.0/24]}",
        remedy="Choose another range, such as one of 10.0.0.0/8 or of fd00::/8",
    ),
    "ATL405": Entry(
        title="Subnets of one network overlap",
        severity=ERROR,
        explanation="An address of a network belongs to one of its subnets.",
        example=_RED + "spec: {subnets: [10.1.0.0/24, 10.1.0.128/25]}",
        remedy="Make them disjoint, or keep the larger one",
    ),
    "ATL406": Entry(
        title="Subnet overlaps the cluster",
        severity=ERROR,
        explanation=(
            "A network's subnets keep clear of the cluster's pod, service, node and host-link ranges "
            "and of the addresses of DNS and the API server: inside the network these must keep their "
            "meaning."
        ),
        example=_RED + "spec: {subnets: [100.64.0.0/24]}",
        remedy="Choose another subnet",
    ),
    "ATL407": Entry(
        title="Subnet smaller than a block",
        severity=ERROR,
        explanation=(
            "Nodes get whole blocks of `blockSizeV4` or `blockSizeV6` bits; this subnet holds none."
        ),
        example=_RED + "spec: {subnets: [10.1.0.0/30]}",
        remedy="Choose a larger subnet, or smaller blocks in the ClusterConfig",
    ),
    "ATL408": Entry(
        title="Ranges of the cluster overlap",
        severity=ERROR,
        explanation=(
            "The pod, service, node and host-link ranges of the ClusterConfig are disjoint: an address "
            "must say what it belongs to. The addresses of DNS and of the API server are those where they "
            "listen, so none is a Service's."
        ),
        example=(
            _CLUSTER
            + "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.8.1.0/24], nodeRanges: [192.0.2.0/24]}"
        ),
        remedy="Correct the range that is not the cluster's, or choose other host links",
    ),
    "ATL409": Entry(
        title="Host-link range of the wrong size or family",
        severity=ERROR,
        explanation=(
            "Every network number has a pair of addresses in the host-link range: 2 x 65,536 addresses,"
            " so IPv4 /15 or shorter, IPv6 /111 or shorter."
        ),
        example=(
            _CLUSTER
            + "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.9.0.0/16], nodeRanges: [192.0.2.0/24],\n"
            "  hostLinksV4: 100.64.0.0/16}"
        ),
        remedy="Choose a larger range that nothing else uses",
    ),
    "ATL411": Entry(
        title="Subnets overlap inside a routing domain",
        severity=ERROR,
        explanation=(
            "Networks that routers connect, directly or over others, exchange routes, so their subnets "
            "must differ. The chain of routers between the two is named. Networks that nothing connects "
            "may overlap."
        ),
        example="# two networks of one mesh router, both with subnet 10.1.0.0/24",
        remedy="Give one of the two another subnet, or take the networks apart by changing the routers",
    ),
    # --- 5xx: routers ---------------------------------------------------------------------------
    "ATL501": Entry(
        title="Waiting for consent",
        severity=WARNING,
        explanation=(
            "Routers connect when each imports the other. One side has asked; the networks do not talk "
            "before the other side's router has an import that selects this one."
        ),
        example="# a spoke that imports a hub, which does not import the spoke",
        remedy="Let the other router import this one too, or remove this import",
    ),
    "ATL502": Entry(
        title="Import between types that never connect",
        severity=WARNING,
        explanation=(
            "Mesh connects with mesh, and hub with spoke. Every other pair of types has no effect, even "
            "when both sides import each other."
        ),
        example="# a spoke that imports a spoke",
        remedy=(
            "Import mesh from mesh (across namespaces, two mesh routers that import each other) and hub "
            "from spoke, or narrow the selector"
        ),
    ),
    "ATL503": Entry(
        title="Router without effect",
        severity=WARNING,
        explanation=(
            "A mesh router with a single network, or a hub or spoke router, connects only through "
            "imports, and this one has none."
        ),
        example=_RED.replace("name: red,", "name: red, labels: {tier: web},")
        + "spec: {subnets: [10.1.0.0/24]}\n---\n"
        + _ROUTER
        + "spec: {type: hub, virtualNetworkSelector: {matchLabels: {tier: web}}}",
        remedy="Import the routers that it should connect to, or remove it",
    ),
    # --- 6xx: deletion --------------------------------------------------------------------------
    "ATL601": Entry(
        title="Too many networks deleted at once",
        severity=ERROR,
        explanation=(
            "The commit no longer declares more than `limits.maxDeletedShare` of the networks: a wrong "
            "folder or a bad merge looks like this. A single network may always be deleted."
        ),
        example="# a commit that removes four of ten networks",
        remedy="Restore them, or name them in spec.confirmDeletionOf of the ClusterConfig in the same commit",
    ),
    "ATL602": Entry(
        title="Network deleted while pods use it",
        severity=ERROR,
        explanation=(
            "Pods that are bound to nodes name the network that the commit no longer declares; they would "
            "be cut off."
        ),
        example="# a commit that removes network team-a/red while pods run on it",
        remedy="Restore it, move its pods first, or name it in spec.confirmDeletionOf of the ClusterConfig",
    ),
    "ATL603": Entry(
        title="Confirmed deletion of what is not deleted",
        severity=WARNING,
        explanation=(
            "`confirmDeletionOf` names a network that is not declared and never was. Left in place, "
            "it would confirm a deletion that nobody means."
        ),
        example=_CLUSTER
        + "spec: {podRanges: [10.8.0.0/16], serviceRanges: [10.9.0.0/16], nodeRanges: [192.0.2.0/24],\n"
        "  confirmDeletionOf: [team-a/never-declared]}",
        remedy="Remove the name from spec.confirmDeletionOf",
    ),
    "ATL611": Entry(
        title="Guarded rule broken",
        severity=ERROR,
        explanation=(
            "The change does what a guard of the policy refuses without approval. The policy is that of the "
            "commit before the change. Approvals count for the commit that they were given to, and not from "
            "the author."
        ),
        example="# a router that connects a network labelled data: card, which a guard covers",
        remedy="Have it approved by those whom the guard names, or leave it out",
    ),
    "ATL612": Entry(
        title="Policy changed",
        severity=ERROR,
        explanation=(
            "The change alters or removes the policy that judges it. That needs approval of those whom the "
            "policy before the change names in `spec.changes`; guards are judged as they were before."
        ),
        example="# a commit that takes a label out of a guard in policy.yaml",
        remedy="Have it approved by those whom spec.changes names, or leave it out",
    ),
    # --- 7xx: inventory and capacity ------------------------------------------------------------
    "ATL701": Entry(
        title="Inventory is not readable",
        severity=ERROR,
        explanation=(
            "The inventory is what `kubectl get nodes,namespaces,pods,services,endpointslices -A` prints "
            "with `-o json` or `-o yaml`, unchanged. This is neither."
        ),
        example="# an inventory that is cut off in the middle",
        remedy="Take the inventory again",
    ),
    "ATL702": Entry(
        title="Object of the inventory is not usable",
        severity=WARNING,
        explanation=(
            "A field has the wrong type, a name is none, or an address is none. The object counts as "
            "absent; all others are used."
        ),
        example="# a pod without metadata",
        remedy="Look at the object in the cluster, and take the inventory again",
    ),
    "ATL751": Entry(
        title="No addresses left for a node",
        severity=WARNING,
        explanation=(
            "Nodes get blocks of a network's subnets, and none of even two addresses is free. Pods with an "
            "address keep it; the others wait."
        ),
        example="# a network with subnet 10.1.0.0/27 and pods on three nodes, with blocks of 16 addresses",
        remedy="Add a subnet to the network, or widen one",
    ),
    "ATL752": Entry(
        title="No network number left",
        severity=ERROR,
        explanation=(
            "A cluster has 65,534 network numbers. Those of deleted networks are free again once every "
            "node has applied a plan without them."
        ),
        example="# the 65,535th network",
        remedy="Delete networks that nothing uses, or wait until earlier deletions are applied everywhere",
    ),
    "ATL753": Entry(
        title="Addresses are running out",
        severity=WARNING,
        explanation=(
            "Blocks that belong to nodes cover more than `limits.addressWarningShare` of the network's "
            "subnets of one family."
        ),
        example="# a network with subnet 10.1.0.0/24 and blocks of 16 addresses on 14 nodes",
        remedy="Add a subnet to the network, or widen one, before pods have to wait",
    ),
    "ATL754": Entry(
        title="Many networks on one node",
        severity=WARNING,
        explanation=(
            "A node holds the networks of its pods and those that these may talk to. Each costs devices, "
            "routes and memory; `limits.maxNetworksPerNode` says how many are expected."
        ),
        example="# a node with pods of a network that may talk to 600 others",
        remedy="Narrow the routers, spread the pods differently, or raise spec.limits.maxNetworksPerNode",
    ),
    "ATL755": Entry(
        title="Node without an underlay address",
        severity=WARNING,
        explanation=(
            "Nodes reach each other over the first IPv4 address of each, or over the first IPv6 address "
            "where one has no IPv4 address. A node without it gets no plan, and its pods wait."
        ),
        example="# a node whose status has no address yet",
        remedy="Wait until the kubelet reports its addresses, or correct its --node-ip",
    ),
    "ATL756": Entry(
        title="No node number left",
        severity=WARNING,
        explanation=(
            "A cluster has 65,534 node numbers. Those of removed nodes are free again once every node has "
            "applied a plan without them."
        ),
        example="# the 65,535th node",
        remedy="Wait until earlier removals are applied everywhere",
    ),
    "ATL757": Entry(
        title="Pods on nodes that the inventory does not hold",
        severity=WARNING,
        explanation=(
            "Pods are bound to nodes that are not in the inventory. These nodes get no plan, and no blocks "
            "for their pods."
        ),
        example="# an inventory that was taken without nodes",
        remedy="Take the inventory again, with nodes",
    ),
    "ATL758": Entry(
        title="Node address outside the node ranges",
        severity=WARNING,
        explanation=(
            "`nodeRanges` says where nodes are: no network may use these addresses, and a network with "
            "`egress: snat` does not reach them. An InternalIP of a node is not there, so neither holds."
        ),
        example="# nodeRanges: [192.0.2.0/24], and a node at 198.51.100.7",
        remedy="Add the range of these addresses to spec.nodeRanges",
    ),
    "ATL759": Entry(
        title="Two nodes with one address",
        severity=WARNING,
        explanation=(
            "Nodes reach each other by their InternalIP. What is sent to one of these nodes arrives at "
            "another."
        ),
        example="# two nodes whose InternalIP is 192.0.2.1",
        remedy="Correct the --node-ip of the kubelets, or remove the Node that is gone",
    ),
    "ATL760": Entry(
        title="Node address in another range of the cluster",
        severity=WARNING,
        explanation=(
            "An address of a node is in the pod, service or host-link ranges: an address must say what it "
            "belongs to."
        ),
        example="# podRanges: [10.8.0.0/16], and a node at 10.8.0.1",
        remedy="Correct the range in the ClusterConfig, or choose other host links",
    ),
    "ATL761": Entry(
        title="Pod range of a node outside the pod ranges",
        severity=WARNING,
        explanation=(
            "`podRanges` says which addresses are the default network's. Pods of this node would not be "
            "known as its pods."
        ),
        example="# podRanges: [10.8.0.0/16], and a node whose spec.podCIDR is 10.9.1.0/24",
        remedy="Add the cluster's whole pod range to spec.podRanges",
    ),
    "ATL762": Entry(
        title="Node address inside a network",
        severity=WARNING,
        explanation=(
            "Inside the network the address means one of its pods: these do not reach the node there, nor "
            "DNS or an API server that listens there."
        ),
        example="# a network with subnet 198.51.100.0/24, and a node at 198.51.100.7",
        remedy="Choose another subnet, and add the nodes' range to spec.nodeRanges of the ClusterConfig",
    ),
    "ATL763": Entry(
        title="Service address outside the service ranges",
        severity=WARNING,
        explanation=(
            "`serviceRanges` says which addresses are Services', so that what a network may not ask is "
            "refused at once. At these addresses its pods wait for a time-out."
        ),
        example="# serviceRanges: [10.9.0.0/16], and a Service at 10.10.0.1",
        remedy="Add the cluster's whole service range to spec.serviceRanges",
    ),
    "ATL764": Entry(
        title="Two Services at one address and port",
        severity=WARNING,
        explanation=(
            "Services share an external address, a protocol and a port, and at least one has endpoints in a "
            "network. To a client that may use endpoints of several, the first by namespace and name answers."
        ),
        example="# two Services with externalIPs: [203.0.113.9] and port 80",
        remedy="Give one of them another address or another port",
    ),
    # --- 8xx: repository and inventory file -----------------------------------------------------
    "ATL766": Entry(
        title="Pods that wait for an address of their choice",
        severity=WARNING,
        explanation=(
            "A pod asks for an address by the annotation atoll.dev/ip: one IPv4 address, one IPv6 address, "
            "or both. It must be in a subnet of the pod's network, not the first or last of an IPv4 subnet, "
            "no other pod's, and in no block of another node. Otherwise the pod waits; it never starts with "
            "another address. Pods of one namespace that wait for one reason are told of together."
        ),
        example="# two pods with the annotation atoll.dev/ip: 10.1.0.200",
        remedy="Choose a free address, best at the end of a subnet, for blocks are taken from its beginning",
    ),
    "ATL767": Entry(
        title="Address that a pod asks for in vain",
        severity=WARNING,
        explanation=(
            "The annotation atoll.dev/ip of this pod has no effect: the pod is in the default network, whose "
            "addresses another CNI plugin gives, or it runs already and keeps the address that it has."
        ),
        example="# a pod of the default network with the annotation atoll.dev/ip: 10.1.0.200",
        remedy="Remove the annotation, or delete the pod so that it starts again with the address",
    ),
    "ATL801": Entry(
        title="Repository refused",
        severity=ERROR,
        explanation=(
            "A repository is an https or ssh URL without a password, or a local path. Git would read "
            "other texts as options, as remote helpers or as unencrypted transports."
        ),
        example="# atoll controller --repo 'ext::sh -c whoami'",
        remedy="Give an https or ssh URL without a password, or the path of a local repository",
    ),
    "ATL802": Entry(
        title="Repository cannot be read",
        severity=ERROR,
        explanation="The repository or directory is not there or does not answer. The last good one stays.",
        example="# atoll controller --repo https://git.example.com/typo.git",
        remedy="Look whether the host answers and the URL is right",
    ),
    "ATL803": Entry(
        title="Revision not found",
        severity=ERROR,
        explanation="The branch, tag, commit or folder that was asked for does not exist in the repository.",
        example="# atoll compile --revision v9",
        remedy="Push it, or name a branch, tag, commit or folder that exists",
    ),
    "ATL804": Entry(
        title="Git beyond its limits",
        severity=ERROR,
        explanation=(
            "Each Git operation has 60 seconds, or the NetworkSource's `spec.timeout`, and the check of "
            "signatures ten minutes; each may write at most 1 GiB, and its cache must be usable. The last "
            "good commit stays."
        ),
        example="# a repository that takes longer than a minute to fetch",
        remedy="Keep declarations in a repository of their own",
    ),
    "ATL805": Entry(
        title="History rewritten",
        severity=WARNING,
        explanation=(
            "The ref was moved to a commit that does not follow the one seen before, as a forced push does. "
            "The new commit is used all the same: the ref says what is wanted."
        ),
        example="# git push --force",
        remedy="If nobody meant it, push the former commit again",
    ),
    "ATL806": Entry(
        title="Inventory file cannot be read",
        severity=ERROR,
        explanation="The inventory file is not there or not readable. The last good inventory stays in use.",
        example="# atoll controller --inventory missing.json",
        remedy="Write it with kubectl get nodes,namespaces,pods,services,endpointslices -A -o json",
    ),
    "ATL810": Entry(
        title="Commit not signed",
        severity=ERROR,
        explanation=(
            "The source demands signatures, and a commit that came in carries none. A signed tag does not "
            "sign the commits below it. The last good commit stays."
        ),
        example="# git commit --no-gpg-sign",
        remedy="Sign it, with git commit --amend --no-edit -S, and push again",
    ),
    "ATL811": Entry(
        title="Commit signed by an unknown key",
        severity=ERROR,
        explanation=(
            "The signature is by a key that is not among those of the source's verify.keysFrom. Keys of the "
            "machine or of key servers do not count. The last good commit stays."
        ),
        example="# a commit signed by a key that was taken out of the Secret",
        remedy="Add the public key to verify.keysFrom, or sign the commit with an allowed key",
    ),
    "ATL812": Entry(
        title="Signature not good",
        severity=ERROR,
        explanation=(
            "The commit carries a signature that does not count: it does not match the content, it or its "
            "key has expired, the key is revoked, or it is not meant for Git. Keys are judged at the "
            "present, never at the date that a commit claims. The last good commit stays."
        ),
        example="# a commit signed by an expired key",
        remedy="Sign the commit with a key that is valid now, and push again",
    ),
    "ATL813": Entry(
        title="Keys for signatures not usable",
        severity=ERROR,
        explanation=(
            "What verify.keysFrom names holds no key, a private key, or a text that is no key. As long as "
            "that is so, no commit can be verified, and the last good one stays."
        ),
        example="# a Secret whose value is the file id_ed25519 instead of id_ed25519.pub",
        remedy="Give public keys: what gpg --export --armor prints, .pub files or allowed_signers",
    ),
    "ATL814": Entry(
        title="Credentials not usable",
        severity=ERROR,
        explanation=(
            "The Secret of the source does not fit its URL. https takes username and password, or "
            "bearerToken, and ca.crt for an authority of one's own; ssh takes identity and known_hosts."
        ),
        example="# an ssh URL, and a Secret without known_hosts",
        remedy="Correct the Secret that spec.secretRef names",
    ),
    "ATL815": Entry(
        title="Signatures cannot be checked",
        severity=ERROR,
        explanation=(
            "gpg or ssh-keygen is missing where the controller runs, or more than 10,000 commits would have "
            "to be verified at once. What is not verified is not applied; the last good commit stays."
        ),
        example="# a push of 20,000 commits",
        remedy="Install gnupg and openssh-client, and push in smaller steps",
    ),
    "ATL820": Entry(
        title="Rollout halted",
        severity=ERROR,
        explanation=(
            "A node did not report the commit's plan as applied in time. The commit before is in force again "
            "everywhere; this one stays quarantined until the ref names another."
        ),
        example="# a canary whose kernel refuses a link",
        remedy="Look at the node with kubectl describe nodenetwork, mend it, and commit again",
    ),
}

CATALOGUE: Mapping[Code, Entry] = MappingProxyType({Code(code): entry for code, entry in _ENTRIES.items()})


def found(
    code: str, *, origin: Origin | None, subject: str, reason: str, remedy: str | None = None
) -> Problem:
    """A problem of the catalogue: severity, and the remedy where none fits better, are the entry's."""
    entry = CATALOGUE[Code(code)]
    return Problem(
        code=Code(code),
        severity=entry.severity,
        origin=origin,
        subject=subject,
        reason=reason,
        remedy=remedy or entry.remedy,
    )


_CHAPTERS = {
    "1": "Text and YAML",
    "2": "Kinds and fields",
    "3": "References, selection, membership",
    "4": "Addresses and overlap",
    "5": "Routers",
    "6": "Deletion and guarded rules",
    "7": "Inventory and capacity",
    "8": "Repository and inventory file",
}


def reference(catalogue: Mapping[Code, Entry] = CATALOGUE) -> str:
    """The catalogue as Markdown: the text of `docs/reference/errors.md`."""
    lines = [
        "# Errors and warnings",
        "",
        "An error refuses the whole commit, and the last good one stays in force. A warning changes nothing.",
        "Each is reported as `file:line:column: severity code: object: reason. Remedy.`",
        "",
        "This page is made by `python -m compiler.catalogue > docs/reference/errors.md`.",
        "",
    ]
    chapter = ""
    for code in sorted(catalogue):
        if code[3] != chapter:
            chapter = code[3]
            lines += [f"## {chapter}xx: {_CHAPTERS[chapter]}", ""]
        lines += _section(code, catalogue[code])
    return "\n".join(lines)


def _section(code: Code, entry: Entry) -> list[str]:
    return [
        f"### {code}: {entry.title}",
        "",
        f"*{entry.severity.value.capitalize()}.* {entry.explanation}",
        "",
        "```yaml",
        *entry.example.splitlines(),
        "```",
        "",
        f"{entry.remedy}.",
        "",
    ]


if __name__ == "__main__":
    print(reference(), end="")
