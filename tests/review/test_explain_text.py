"""An answer as people read it: yes or no first, nothing told twice."""

from __future__ import annotations

from review.explain_answer import Answer, Family, Line, Reason, Remedy, Step, Way
from review.explain_text import Mark, answer_lines

STEP = Step(
    node="node-1",
    hook="forward",
    link="vn1",
    chain="forward",
    rule="iifgroup . oifgroup @peers accept",
    element='1 . 2 comment "a > b"',
    means="the two networks may talk",
    places=("a.yaml:1", "b.yaml:2"),
)
ZONE = Step(
    node="node-1",
    hook="prerouting",
    link="at1",
    chain="classify",
    rule="ct zone set iifgroup map @zones",
    element='1 comment "a" : 1',
    means="tracked in the zone of its routing domain",
    places=(),
)
ROUTE = Step(
    node="node-1",
    hook="routing",
    link="at2",
    chain="",
    rule="table 1000001: unicast by at2",
    element="",
    means="the routes of a: to a pod's port",
    places=(),
)


def family(version: int, source: str, target: str) -> Family:
    there = Way(arrives=True, end=f"delivered to {target}", steps=(ZONE, ROUTE, STEP))
    back = Way(arrives=True, end=f"delivered to {source}", steps=(ZONE, STEP))
    return Family(version=version, source=source, target=target, reaches=True, there=(there,), back=(back,))


YES = Answer(
    reaches=True,
    source="pod a/one",
    target="pod b/two",
    protocol="tcp",
    port=443,
    declared=True,
    reasons=(Reason(what="they talk by a mesh", places=("r.yaml:3",)),),
    families=(family(4, "10.1.0.1", "10.2.0.1"), family(6, "fd00::1", "fd00::2")),
    lines=(
        Line(place="a.yaml:1", commit="fedcba9876543210", author="Ben"),
        Line(place="r.yaml:3", commit="0123456789abcdef", author="Ann"),
    ),
)
NO = Answer(
    reaches=False,
    source="pod a/one",
    target="pod b/two",
    protocol="udp",
    port=53,
    declared=False,
    reasons=(Reason(what="no router lets them talk"),),
    remedies=(Remedy(what="Add one", yaml="spec:\n  type: mesh\n"),),
    notes=("For network a stands its pod.",),
)


def text(answer: Answer, *, everything: bool = False) -> str:
    return "".join(f"{line.text}\n" for line in answer_lines(answer, everything=everything))


def test_a_yes_is_told_with_its_way_and_the_other_family_in_a_line() -> None:
    assert (
        text(YES)
        == """\
yes: pod a/one reaches pod b/two at tcp/443

Declared
  they talk by a mesh
    r.yaml:3  0123456789  Ann

The way there, IPv4, 10.1.0.1 to 10.2.0.1
  node-1
    prerouting on at1
      classify: ct zone set iifgroup map @zones
        1 comment "a" : 1
        tracked in the zone of its routing domain
    routing
      table 1000001: unicast by at2
        the routes of a: to a pod's port
    forward on vn1
      forward: iifgroup . oifgroup @peers accept
        1 . 2 comment "a > b"
        the two networks may talk  (a.yaml:1, b.yaml:2)
  => delivered to 10.2.0.1

The way back, IPv4, 10.2.0.1 to 10.1.0.1
  node-1
    forward on vn1
      forward: iifgroup . oifgroup @peers accept
        1 . 2 comment "a > b"
        the two networks may talk  (a.yaml:1, b.yaml:2)
  => delivered to 10.1.0.1

IPv6, fd00::1 to fd00::2: the same

Lines that steps name
  a.yaml:1  fedcba9876  Ben
"""
    )


def test_everything_leaves_nothing_out() -> None:
    told = text(YES, everything=True)
    assert told.count("ct zone set iifgroup map @zones") == 4
    assert "The way back, IPv6, fd00::2 to fd00::1" in told


def test_a_no_is_told_with_what_it_takes() -> None:
    assert (
        text(NO)
        == """\
no: pod a/one does not reach pod b/two at udp/53
For network a stands its pod.

Declared
  no router lets them talk

For a yes
  Add one
    spec:
      type: mesh
"""
    )


def test_what_is_not_as_declared_is_said_at_once() -> None:
    wrong = Answer(
        reaches=True,
        source="pod a/one",
        target="pod b/two",
        protocol="tcp",
        port=443,
        declared=False,
        reasons=(),
        families=YES.families,
    )
    first, second = list(answer_lines(wrong))[:2]
    assert (first.mark, second.mark) == (Mark.YES, Mark.NO)
    assert second.text == "This is not what is declared: it should not. `atoll verify` shows more."
