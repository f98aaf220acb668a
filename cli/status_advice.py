"""What to do next, by the word that stands in a condition: one flat table for each kind.

`{kubectl}` is the command in the object's namespace, `{kind}` and `{name}` are the object's, `{request}` is
the command that asks for work now.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.cluster.reasons import Reason

SOURCE: Mapping[str, str] = {
    Reason.COMMIT_REFUSED: "mend what is listed under Problems, and push; `atoll validate` tells it before",
    Reason.SOURCE_UNREACHABLE: "nodes keep what they have, and it is tried again by itself; "
    "once the host is back, this asks at once: {request}",
    Reason.VERIFICATION_FAILED: "sign the commit with an allowed key and push it anew, or add its key to "
    "what spec.verify.keysFrom names; then {request}",
    Reason.ROLLOUT_HALTED: "`atoll status` of the node that is named tells more; push another commit, or try "
    "this one again: {request}",
    Reason.INVALID_SOURCE: "mend the NetworkSource or the Secret that it names: "
    "{kubectl} edit networksource {name}",
    Reason.SUPERSEDED: "{kubectl} delete networksource, this one or the other",
    Reason.NODES_FAILED: "see the nodes",
    Reason.CONFLICT_WITH_GIT: "see the objects",
    Reason.NOT_WRITTEN: "it is tried again by itself; mend what the API server objects to",
}
DECLARED: Mapping[str, str] = {
    Reason.INVALID: "mend the object: {kubectl} edit {kind} {name}",
    Reason.NODES_FAILED: "see the nodes",
    Reason.AWAITING_COMMIT: "see the NetworkSource",
    Reason.AWAITING_CONSENT: "ask the owners of those routers to import it, or take the import out",
    Reason.IN_USE: "delete the pods that use it; it goes with the last one",
    Reason.DELETION_UNCONFIRMED: "if it is meant, name the networks in spec.confirmDeletionOf of the "
    "ClusterConfig",
    Reason.COMMIT_REFUSED: "mend it in Git, and push",
    Reason.CONFLICT_WITH_GIT: "let one of the two declare the field; who owns which: "
    "{kubectl} get {kind} {name} -o yaml --show-managed-fields",
    Reason.NOT_WRITTEN: "it is tried again by itself; mend what the API server objects to",
}
NODE: Mapping[str, str] = {
    "PlanRejected": "bring the agent to the controller's release: kubectl get pods -A -o wide -l "
    "app.kubernetes.io/name=atoll",
    "ApplyFailed": "mend on the node what the error names; the agent tries again by itself",
    "RepairFailed": "mend on the node what the error names; the agent tries again by itself",
}
SILENT = "look at the node's agent: kubectl get pods -A -l {labels} --field-selector spec.nodeName={name}"
AGENT_LABELS = "app.kubernetes.io/name=atoll,app.kubernetes.io/component=agent"
POD = (
    "declare the network, or let its allowedNamespaces admit the namespace; a pod keeps the network it was "
    "created with, so delete it if its annotation was wrong"
)
NO_SOURCE = "create a NetworkSource (docs/guides/install.md), or name the controller's namespace with -n"
UNKNOWN = "{kubectl} describe {kind} {name}"
NO_CONTROLLER = "{kubectl} get deployments,pods; or name the controller's namespace with -n"
NO_ADDRESS = "add a subnet to the network, before another pod needs an address"


def kubectl(namespace: str) -> str:
    return f"kubectl -n {namespace}" if namespace else "kubectl"


def request(namespace: str, name: str) -> str:
    """The command that asks for a look at the repository now."""
    annotation = 'reconcile.atoll.dev/requestedAt="$(date)"'
    return f"{kubectl(namespace)} annotate --overwrite networksource {name} {annotation}"
