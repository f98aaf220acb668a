"""The demo's steps, one after the other. Each says what it does, does it, and counts what must hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cli.demonstration.bus import Applied
from cli.demonstration.checks import Answer, Question, Tally
from cli.demonstration.cluster import SERVICES, State
from cli.demonstration.commits import BROKEN, CHECKOUT
from cli.demonstration.elements import element_lines
from cli.demonstration.narrator import Narrator
from cli.demonstration.scene import INTERVAL, Scene
from cli.demonstration.survey import Survey
from cli.demonstration.table import changed_rows, rows_of
from cli.demonstration.witness import Witness
from cli.lab.traffic import Conversation, Probe
from compiler.names import NodeName
from compiler.reachability import Reachability, change_lines, changes
from controller.status import ProblemRecord

DECLARED: Final = {
    ("analytics/reports", "analytics/warehouse"),
    ("payments/ledger", "shared-services/platform"),
    ("shared-services/platform", "shop/storefront"),
}
"""Who may talk by the template, in the words of its README."""
GAINED: Final = ("payments/ledger", "shop/storefront")
_SHOWN_ELEMENTS: Final = 5
_RECHECKED: Final = ("web-1", "pay", "bi-1")
"""Whose questions are asked once more after the broken commit."""


class Story:
    def __init__(self, scene: Scene, narrator: Narrator, *, width: int) -> None:
        self._scene = scene
        self._say = narrator
        self._witness = Witness(narrator, width=width)

    @property
    def tally(self) -> Tally:
        return self._witness.tally

    def tell(self) -> None:
        self._begin()
        self._attach()
        self._look_around()
        self._connect_networks()
        self._break_something()

    def _begin(self) -> None:
        scene, say = self._scene, self._say
        say.step("A Git repository from repo-template/; two nodes, with DNS, API server and kube-proxy")
        scene.build()
        say.step("A controller follows the repository; an agent starts in each node's network namespace")
        scene.start_agents()
        say.detail(*(f"$ {command}" for command in scene.commands))
        self._states = scene.cluster.states()
        scene.tell_inventory()
        say.step("The inventory is there: the first commit goes to the nodes")
        self._plans = scene.await_revision(scene.revision)
        self._reachability = scene.bus.reachability()
        pairs = {(str(n.name), str(p.name)) for n in self._reachability.networks for p in n.peers}
        self._witness.hold(
            f"declared: {DECLARED}, compiled: {pairs}", {p for p in pairs if p[0] < p[1]} == DECLARED
        )
        networks = len(self._reachability.networks)
        say.step(f"Both nodes applied commit {scene.revision[:7]}: {networks} networks")

    def _attach(self) -> None:
        scene, say = self._scene, self._say
        rulesets = scene.cluster.rulesets()
        scene.attach_pods()
        say.step(f"Attached {len(scene.cluster.pods)} pods by CNI requests to the agents' sockets")
        say.detail(*self._pod_lines())
        first, second = (scene.cluster.lab.pods[name] for name in ("shop/web-1", "analytics/bi-2"))
        self._witness.hold("web-1 and bi-2 have different addresses", first.addresses == second.addresses)
        states = scene.cluster.states()
        self._witness.hold_equal("ruleset changed by attaching pods", rulesets, _rulesets(states))
        self._witness.hold_equal("foreign state changed by Atoll", _foreign(self._states), _foreign(states))
        scene.cluster.add_services()
        scene.cluster.lab.start_kube_proxy()
        self._states = scene.cluster.states()
        scene.tell_inventory()
        self._plans = scene.await_change(self._plans)
        say.step(f"{len(SERVICES)} Services have endpoints now; kube-proxy and Atoll know them")

    def _pod_lines(self) -> Iterator[str]:
        for pod in self._scene.cluster.pods:
            network = self._scene.cluster.network_of(pod)
            addresses = " ".join(str(address).ljust(11) for address in pod.addresses)
            yield f"{pod.name:20} {network.name if network else '':11} {pod.node.name}  {addresses}"
        yield "web-1 and bi-2, of different networks, have the same addresses; so have web-2 and bi-1"

    def _look_around(self) -> None:
        survey = Survey(self._scene.cluster, self._reachability)
        questions = list(survey.questions())
        self._say.step(f"Who reaches whom: {len(questions):,} exchanges of TCP, UDP and ICMP")
        self._rows = rows_of(self._ask(questions))
        self._witness.table(survey, self._rows)

    def _connect_networks(self) -> None:
        scene, say = self._scene, self._say
        open_connections = self._open_connections()
        revision = scene.commit("Shop and payments", "Connect the shop with payments", CHECKOUT)
        say.step(f"Commit {revision[:7]}: the shop and payments let each other in, by a router on each side")
        say.detail(*(f"+ {name}" for name in CHECKOUT))
        former, self._plans = self._plans, scene.await_revision(revision)
        say.step(f"Both nodes applied {revision[:7]} (the controller looks every {INTERVAL} s)")
        before, self._reachability = self._reachability, scene.bus.reachability()
        self._tell_changes(before, self._reachability)
        for node, applied in self._plans.items():
            say.detail(*self._node_lines(node, former[node], applied))
        self._look_again()
        for title, conversation in open_connections.items():
            self._witness.hold(
                f"the open connection {title} was cut: {conversation.end}", conversation.exchanges_again()
            )
            say.detail(f"open all the while: {title}, {conversation.exchanged} messages each way")
            conversation.close()

    def _open_connections(self) -> dict[str, Conversation]:
        pods, services = self._scene.cluster.lab.pods, self._scene.cluster.lab.services
        etl, web, git = (pods[name] for name in ("analytics/etl", "shop/web-2", "shared-services/git"))
        ways = {
            "web-2 to git, between nodes": (web, git.addresses[0], 8080),
            "etl to the Service bi, over IPv6": (etl, services["analytics/bi"].addresses[-1], 80),
        }
        opened: dict[str, Conversation] = {}
        for title, (pod, address, port) in ways.items():
            probe = Probe(start=pod.place, address=address, port=port, patience=10.0)
            try:
                opened[title] = self._scene.cluster.lab.traffic.converse(probe)
            except OSError as error:
                self._witness.hold(f"no connection {title}: {error}", False)
        return opened

    def _tell_changes(self, before: Reachability, after: Reachability) -> None:
        change = changes(before, after)
        gained = [(str(pair.left), str(pair.right)) for pair in change.gained]
        self._witness.hold(f"gained: {gained}", gained == [GAINED] and not change.lost)
        self._say.detail(*change_lines(change))

    def _node_lines(self, node: NodeName, former: Applied, applied: Applied) -> Iterator[str]:
        elements = list(element_lines(former.publication.plan, applied.publication.plan))
        links = self._scene.changes_on(node)
        yield f"{node}: {links} links and routes changed, {len(elements)} elements of sets in the firewall:"
        yield from (f"  {element}" for element in elements[:_SHOWN_ELEMENTS])
        if len(elements) > _SHOWN_ELEMENTS:
            yield f"  ... and {len(elements) - _SHOWN_ELEMENTS} more, all in one transaction"

    def _look_again(self) -> None:
        survey = Survey(self._scene.cluster, self._reachability)
        rows = rows_of(self._ask(survey.questions()))
        changed = changed_rows(self._rows, rows)
        self._say.step(
            f"Asked everything again: {len(rows) - len(changed)} rows are as before, these changed"
        )
        self._witness.table(survey, changed)
        self._rows = rows

    def _break_something(self) -> None:
        scene, say = self._scene, self._say
        good, plans, rulesets = scene.revision, scene.bus.plan_texts(), scene.cluster.rulesets()
        revision = scene.commit("Billing", "A network for invoices", BROKEN)
        say.step(f"Commit {revision[:7]}: a broken file")
        scene.await_refusal(revision)
        status = scene.bus.status()
        assert status is not None
        applied = status.applied.revision if status.applied else ""
        self._witness.hold(f"{applied} is in force instead of {good}", applied == good)
        say.step(f"status.json: seen {revision[:7]}, applied {applied[:7]}, problems:")
        for problem in status.problems:
            self._tell_problem(problem)
        self._witness.hold("the broken file has no error", any(p.path in BROKEN for p in status.problems))
        say.detail("and the controller's log:", f"  {scene.controller.line_with('event=refused')}")
        self._witness.hold_equal("plan file changed", plans, scene.bus.plan_texts())
        self._compare_states(rulesets)

    def _compare_states(self, rulesets: Mapping[str, str]) -> None:
        states = self._scene.cluster.states()
        self._witness.hold_equal("ruleset changed", rulesets, _rulesets(states))
        questions = Survey(self._scene.cluster, self._reachability).questions()
        answers = self._ask([question for question in questions if question.client in _RECHECKED])
        self._say.step(
            f"Nothing changed: the same bytes in plans and rulesets, {len(answers)} exchanges as before"
        )
        self._witness.hold_equal("foreign state changed", _foreign(self._states), _foreign(states))
        self._say.step("Tables of kube-proxy and a firewall, links, routes, rules of others: the same bytes")

    def _ask(self, questions: Iterable[Question]) -> list[Answer]:
        return self._witness.ask(self._scene.cluster.lab.traffic, questions)

    def _tell_problem(self, problem: ProblemRecord) -> None:
        place = f"{problem.path}:{problem.line}:{problem.column}"
        self._say.detail(
            f"  {place}: {problem.severity} {problem.code}: {problem.subject}: {problem.reason}",
            f"    = {problem.remedy}",
        )


def _rulesets(states: Mapping[str, State]) -> dict[str, str]:
    return {node: state.ruleset for node, state in states.items()}


def _foreign(states: Mapping[str, State]) -> dict[str, str]:
    return {node: state.foreign for node, state in states.items()}
