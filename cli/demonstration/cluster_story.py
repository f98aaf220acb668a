"""The demo on a cluster, step by step: commits go in at Git, and an operator watches with kubectl.

With nodes, packets are sent after every step. Without, agents are kernel-free twins, and it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cli.demonstration.checks import Question, Tally
from cli.demonstration.cluster import SERVICES
from cli.demonstration.commits import BROKEN, CHECKOUT
from cli.demonstration.liaison import Headquarters
from cli.demonstration.narrator import Narrator
from cli.demonstration.outpost import Outpost
from cli.demonstration.story import DECLARED, GAINED
from cli.demonstration.survey import API_SERVER, NODE, Survey
from cli.demonstration.table import Row, changed_rows, rows_of
from cli.demonstration.witness import Witness
from compiler import codec
from compiler.reachability import Reachability, change_lines, changes

EDITED: Final = "shop/storefront"
EDIT: Final = '{"spec":{"egress":"none"}}'
"""By hand: no way out of the cluster for the shop, whatever Git says."""
_AFTER_EDIT: Final = ("web-1", "web-2")
_SOURCE: Final = ("get", "networksource", "-n", "atoll-system")
_ALL: Final = ("get", "vn,vnr,nn", "-A")
_PROBLEMS: Final = '{range .status.problems[*]}{.path}:{.line}:{.column}: {.code}: {.reason}{"\\n"}{end}'


class ClusterStory:
    def __init__(
        self, headquarters: Headquarters, outpost: Outpost | None, narrator: Narrator, *, width: int
    ) -> None:
        """Without an outpost: nodes without a kernel, and no packets."""
        self._headquarters = headquarters
        self._outpost = outpost
        self._say = narrator
        self._witness = Witness(narrator, width=width)
        self._rows: list[Row] = []

    @property
    def tally(self) -> Tally:
        return self._witness.tally

    def tell(self) -> None:
        self._begin()
        self._attach()
        self._connect_networks()
        self._break_something()
        self._edit_by_hand()
        self._show_events()

    def _begin(self) -> None:
        say, headquarters = self._say, self._headquarters
        if self._outpost:
            self._outpost.build()
            say.step("Two nodes, network namespaces with pods, DNS and kube-proxy; in each an agent starts")
            self._outpost.start_agents()
            say.detail(*(f"$ {command}" for command in self._outpost.commands))
        self._revision = headquarters.first_revision()
        headquarters.await_applied(self._revision)
        self._reachability = self._declared()
        pairs = {(str(n.name), str(p.name)) for n in self._reachability.networks for p in n.peers}
        self._witness.hold(f"declared: {pairs}", {pair for pair in pairs if pair[0] < pair[1]} == DECLARED)
        say.step(f"Both nodes applied commit {self._revision[:12]}")

    def _declared(self) -> Reachability:
        return codec.decode_reachability(self._headquarters.reachability())

    def _attach(self) -> None:
        if self._outpost:
            self._outpost.attach_pods()
            self._headquarters.await_endpoints()
            pods = len(self._outpost.cluster.pods)
            self._say.step(f"{pods} pods attached by CNI requests; {len(SERVICES)} Services have endpoints")
        self._kubectl(*_ALL)
        self._ask_around()

    def _ask_around(self) -> None:
        if not self._outpost:
            return
        survey = Survey(self._outpost.cluster, self._reachability)
        questions = [question for question in survey.questions() if _is_short(question)]
        self._say.step(f"Who reaches whom: {len(questions):,} exchanges")
        answers = self._witness.ask(self._outpost.cluster.lab.traffic, questions)
        rows = rows_of(answers)
        if self._rows:
            changed = changed_rows(self._rows, rows)
            self._say.detail(f"{len(rows) - len(changed)} rows are as before, these changed:")
            self._witness.table(survey, changed)
        else:
            self._witness.table(survey, rows)
        self._rows = rows

    def _connect_networks(self) -> None:
        say, headquarters = self._say, self._headquarters
        revision = headquarters.commit("Shop and payments", "Connect the shop with payments", CHECKOUT)
        say.step(f"Commit {revision[:12]}: the shop and payments let each other in; it is pushed")
        headquarters.await_applied(revision)
        self._digests = headquarters.digests()
        self._revision = revision
        before, self._reachability = self._reachability, self._declared()
        change = changes(before, self._reachability)
        gained = [(str(pair.left), str(pair.right)) for pair in change.gained]
        self._witness.hold(f"gained: {gained}", gained == [GAINED] and not change.lost)
        say.step("It went to node-1, the canary, and when that was ready, to node-2:")
        say.detail(*change_lines(change))
        lines = headquarters.rollout_lines(revision)
        say.command("kubectl get nodenetworks --watch", "\n".join(lines))
        self._witness.hold("node-2 came before the canary was ready", in_order(lines, "node-1", "node-2"))
        self._ask_around()

    def _break_something(self) -> None:
        say, headquarters = self._say, self._headquarters
        revision = headquarters.commit("Billing", "A network for invoices", BROKEN)
        say.step(f"Commit {revision[:12]}: a broken file")
        headquarters.await_refusal(revision)
        say.step(f"It is refused; {self._revision[:12]} stays in force")
        self._kubectl(*_SOURCE)
        self._kubectl(*_SOURCE, "networks", "-o", f"jsonpath={_PROBLEMS}")
        digests = headquarters.digests()
        self._witness.hold(f"plans changed: {self._digests} {digests}", digests == self._digests)

    def _edit_by_hand(self) -> None:
        say, headquarters = self._say, self._headquarters
        namespace, _slash, name = EDITED.partition("/")
        say.step(f"Somebody edits {EDITED} by hand, against Git")
        self._kubectl("patch", "vn", name, "-n", namespace, "--type=merge", f"--patch={EDIT}")
        headquarters.await_conflict(EDITED)
        self._kubectl("get", "vn", name, "-n", namespace, "-o", "wide")
        self._kubectl("events", "-n", namespace, "--for", f"virtualnetwork/{name}")
        digests = headquarters.digests()
        self._witness.hold(f"plans changed: {self._digests} {digests}", digests == self._digests)
        if self._outpost:
            survey = Survey(self._outpost.cluster, self._reachability)
            questions = [question for question in survey.questions() if question.client in _AFTER_EDIT]
            answers = self._witness.ask(self._outpost.cluster.lab.traffic, questions)
            say.step(f"Git rules: {len(answers)} exchanges as before, those with the outside among them")

    def _show_events(self) -> None:
        self._say.step("What there was to be told, as an operator finds it later")
        self._kubectl("events", "-n", "atoll-system", "--for", "networksource/networks")

    def _kubectl(self, *arguments: str) -> None:
        output = self._headquarters.kubectl(arguments)
        self._say.command(" ".join(["kubectl", *map(_quoted, arguments)]), output)


def _quoted(argument: str) -> str:
    return f"'{argument}'" if set(argument) & set("{}\"' ") else argument


def _is_short(question: Question) -> bool:
    """`make demo` asks by every protocol; here TCP says enough, and is quicker.

    The nodes have a firewall that bans the range of the address which the API server says is its own.
    """
    is_banned = (question.client, question.target) == (NODE, API_SERVER)
    return question.forged or (question.probe.protocol == "TCP" and not is_banned)


def in_order(lines: Sequence[str], first: str, second: str) -> bool:
    """Whether the first node had the plan in force before the second got it; lines of `kubectl --watch`."""
    told = list(_told(lines))
    return (first, True) in told and told.index((first, True)) < min(
        (index for index, (node, _done) in enumerate(told) if node == second), default=-1
    )


def _told(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Node and whether the commit is in force there, in the order of the lines; no header."""
    for line in lines:
        node, *_rest = line.split()
        if node != "NAME":
            yield node, "is in force" in line and "being applied" not in line
