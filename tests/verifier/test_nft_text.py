"""nft's text to values: what is understood is exact, what is not is refused with its line."""

from __future__ import annotations

import pytest

from verifier.nft_elements import Elements
from verifier.nft_rule import statements
from verifier.nft_text import Reader, read_ruleset
from verifier.ruleset import (
    Accept,
    Chain,
    ChainType,
    Counter,
    DataType,
    Drop,
    Element,
    Field,
    Goto,
    HashChoice,
    Hook,
    Jump,
    Literal,
    MapLookup,
    Match,
    NamedSet,
    Nat,
    NatKind,
    Notrack,
    RandomChoice,
    Reject,
    Return,
    Ruleset,
    SetMark,
    SetZone,
    Statement,
    VerdictMap,
)
from verifier.unreadable import Unreadable

RULES: dict[str, tuple[Statement, ...]] = {
    "iifgroup 1-65534 goto refuse": (
        Match(fields=(Field.IIFGROUP,), values=((1, 65534),)),
        Goto(chain="refuse"),
    ),
    'iifgroup != 1-131072 oifgroup "default" drop': (
        Match(fields=(Field.IIFGROUP,), values=((1, 131072),), negated=True),
        Match(fields=(Field.OIFGROUP,), values=((0, 0),)),
        Drop(),
    ),
    "iifgroup >= 0 accept": (Match(fields=(Field.IIFGROUP,), values=((0, 2**32 - 1),)), Accept()),
    "th dport < 1024 return": (Match(fields=(Field.TH_DPORT,), values=((0, 1023),)), Return()),
    "iifgroup . oifgroup @peers accept": (
        Match(fields=(Field.IIFGROUP, Field.OIFGROUP), values="peers"),
        Accept(),
    ),
    "iifgroup . oifgroup 1 . 2 accept": (
        Match(
            fields=(Field.IIFGROUP, Field.OIFGROUP),
            values=NamedSet(
                name="", types=(DataType.GROUP, DataType.GROUP), elements=(Element(key=((1, 1), (2, 2))),)
            ),
        ),
        Accept(),
    ),
    "tcp dport { 443, 80, 8000-8080 } accept": (
        Match(
            fields=(Field.TCP_DPORT,),
            values=NamedSet(
                name="",
                types=(DataType.PORT,),
                elements=(
                    Element(key=((80, 80),)),
                    Element(key=((443, 443),)),
                    Element(key=((8000, 8080),)),
                ),
            ),
        ),
        Accept(),
    ),
    'meta iifkind != "vrf" fib saddr . iif oif missing counter packets 7 bytes 9 drop': (
        Match(fields=(Field.IIFKIND,), values=("vrf",), negated=True),
        Match(fields=(Field.FIB_SADDR_IIF_OIF,), values=((0, 0),)),
        Counter(),
        Drop(),
    ),
    "fib saddr . iif oif exists accept": (
        Match(fields=(Field.FIB_SADDR_IIF_OIF,), values=((0, 0),), negated=True),
        Accept(),
    ),
    "fib daddr type local goto refuse": (
        Match(fields=(Field.FIB_DADDR_TYPE,), values=((2, 2),)),
        Goto(chain="refuse"),
    ),
    "ct state established,related ct direction reply accept": (
        Match(fields=(Field.CT_STATE,), values=((2, 2), (4, 4))),
        Match(fields=(Field.CT_DIRECTION,), values=((1, 1),)),
        Accept(),
    ),
    "meta l4proto icmpv6 jump other": (
        Match(fields=(Field.L4PROTO,), values=((58, 58),)),
        Jump(chain="other"),
    ),
    "ip daddr != 10.0.0.0/8 accept": (
        Match(fields=(Field.IP_DADDR,), values=((0x0A000000, 0x0AFFFFFF),), negated=True),
        Accept(),
    ),
    "ip6 saddr fe80::1 notrack": (
        Match(fields=(Field.IP6_SADDR,), values=(((0xFE80 << 112) + 1,) * 2,)),
        Notrack(),
    ),
    "ip daddr vmap @isolated4": (VerdictMap(fields=(Field.IP_DADDR,), map="isolated4"),),
    "iifgroup vmap { 1 : accept, 2 : goto refuse }": (
        VerdictMap(
            fields=(Field.IIFGROUP,),
            map=NamedSet(
                name="",
                types=(DataType.GROUP,),
                verdicts=True,
                elements=(
                    Element(key=((1, 1),), value=Accept()),
                    Element(key=((2, 2),), value=Goto(chain="refuse")),
                ),
            ),
        ),
    ),
    "ct zone set iifgroup map @zones": (SetZone(value=MapLookup(fields=(Field.IIFGROUP,), map="zones")),),
    "ct zone set 5": (SetZone(value=5),),
    "meta mark 0xa7000000-0xa70003ff meta mark set 0": (
        Match(fields=(Field.MARK,), values=((0xA7000000, 0xA70003FF),)),
        SetMark(value=0),
    ),
    "meta mark set numgen random mod 3 offset 0xa7000000 accept": (
        SetMark(value=RandomChoice(modulus=3, offset=0xA7000000)),
        Accept(),
    ),
    "meta mark set jhash ip saddr mod 4 seed 0x41746f6c offset 2801795072": (
        SetMark(value=HashChoice(fields=(Field.IP_SADDR,), modulus=4, seed=0x41746F6C, offset=0xA7000000)),
    ),
    "dnat ip to iifgroup . ip daddr map @backends4": (
        Nat(
            kind=NatKind.DNAT,
            family=4,
            to=MapLookup(fields=(Field.IIFGROUP, Field.IP_DADDR), map="backends4"),
        ),
    ),
    "dnat ip6 to ip6 daddr": (Nat(kind=NatKind.DNAT, family=6, to=Field.IP6_DADDR),),
    "snat ip to 10.0.0.1": (Nat(kind=NatKind.SNAT, family=4, to=Literal(address=(0x0A000001, 0x0A000001))),),
    "dnat ip to 10.0.0.1:80": (
        Nat(kind=NatKind.DNAT, family=4, to=Literal(address=(0x0A000001, 0x0A000001), port=(80, 80))),
    ),
    "dnat ip6 to [fe80::1]:80": (
        Nat(kind=NatKind.DNAT, family=6, to=Literal(address=((0xFE80 << 112) + 1,) * 2, port=(80, 80))),
    ),
    'oifgroup 0 masquerade comment "out"': (
        Match(fields=(Field.OIFGROUP,), values=((0, 0),)),
        Nat(kind=NatKind.MASQUERADE),
        Counter(),
    ),
    "meta l4proto tcp reject with tcp reset": (
        Match(fields=(Field.L4PROTO,), values=((6, 6),)),
        Reject(answer="tcp reset"),
    ),
    "reject with icmpx type admin-prohibited": (Reject(answer="icmpx admin-prohibited"),),
    "reject": (Reject(answer="icmpx port-unreachable"),),
}


@pytest.mark.parametrize("text", RULES)
def test_a_rule_reads_as_its_statements(text: str) -> None:
    assert statements(text, Elements()) == RULES[text]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ct mark set 5", "`ct` is not understood"),
        ("ct zone 5 accept", "a match on the conntrack zone is not understood"),
        ("meta cpu 1 accept", "`meta` is not understood"),
        ("limit rate 5/second accept", "`limit` is not understood"),
        ("tcp flags syn accept", "`tcp` is not understood"),
        ("iifgroup 5-1 accept", "5-1 begins behind its end"),
        ("ip daddr 10.0.0.1/33 accept", "/33 is no prefix length of ipv4_addr"),
        ("ip daddr fe80::1 accept", "'fe80::1' is not an address"),
        ("tcp dport 70000 accept", "70000 is out of the range of inet_service"),
        ('iifname "vn*" accept', "a name with an asterisk stands for many devices"),
        ("iifgroup 1 , 2 accept", "`,` is not understood"),
        ("iifgroup . oifgroup 1 accept", "`.` is expected where `accept` stands"),
        ("dnat to iifgroup map @x", "a dnat by a map must name its family"),
        ("masquerade to :1024-2048", "`to` is not understood"),
        ("accept later", "`later` is not understood"),
        ("fib saddr . iif oif maybe drop", "`maybe` is no result of a reverse-path check"),
        ("reject with nothing", "a reject with `nothing` is not understood"),
        ("meta mark set numgen often mod 3", "a numgen is `random` or `inc`"),
        ("goto", "it ends where something must follow"),
    ],
)
def test_what_the_model_does_not_have_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        statements(text, Elements())
    assert reason in refused.value.reason


SMALL = """\
# a remark
table inet atoll { # handle 3
	map zones { # handle 5
		typeof iifgroup : ct zone
		elements = { 65537 comment "a/b, host link" : 1,
			1 comment "a/b" : 1 }
	}
	set cluster4 {
		typeof ip daddr
		flags interval
		elements = { 10.0.0.0/8, 192.0.2.5 }
	}
	map vips4 {
		typeof iifgroup . ip daddr . meta l4proto . th dport : verdict
		elements = { "default" . 10.96.0.10 . tcp . 80 : goto refuse }
	}
	chain input {
		type filter hook input priority filter - 5; policy drop;
		iifgroup 1-65534 counter packets 3 bytes 180 drop # handle 9
		ct zone set iifgroup map @zones; accept
	}
	chain refuse {
	}
}
"""


def test_a_table_reads_as_its_sets_and_chains() -> None:
    zones = NamedSet(
        name="zones",
        types=(DataType.GROUP,),
        value_types=(DataType.INTEGER,),
        elements=(
            Element(key=((1, 1),), value=((1, 1),), comment="a/b"),
            Element(key=((65537, 65537),), value=((1, 1),), comment="a/b, host link"),
        ),
    )
    cluster = NamedSet(
        name="cluster4",
        types=(DataType.IPV4,),
        elements=(Element(key=((0x0A000000, 0x0AFFFFFF),)), Element(key=((0xC0000205, 0xC0000205),))),
    )
    vips = NamedSet(
        name="vips4",
        types=(DataType.GROUP, DataType.IPV4, DataType.PROTOCOL, DataType.PORT),
        verdicts=True,
        elements=(
            Element(key=((0, 0), (0x0A60000A, 0x0A60000A), (6, 6), (80, 80)), value=Goto(chain="refuse")),
        ),
    )
    found = read_ruleset(SMALL)
    assert found.sets == {"zones": zones, "cluster4": cluster, "vips4": vips}
    assert list(found.chains) == ["input", "refuse"]
    entry = found.chains["input"]
    assert (entry.type, entry.hook, entry.priority) == (ChainType.FILTER, Hook.INPUT, -5)
    assert entry.policy == Drop()
    assert [(rule.text, rule.line) for rule in entry.rules] == [
        ("iifgroup 1-65534 counter drop", 19),
        ("ct zone set iifgroup map @zones", 20),
        ("accept", 20),
    ]
    assert found.chains["refuse"] == Chain(name="refuse")


def test_a_table_without_anything_is_empty() -> None:
    assert read_ruleset("table inet atoll {\n}\n") == Ruleset()


def test_what_an_earlier_text_said_is_read_once() -> None:
    reader = Reader()
    first, second = reader.read(SMALL), reader.read(SMALL.replace("192.0.2.5", "192.0.2.6"))
    assert second.sets["zones"].elements is first.sets["zones"].elements
    assert second.sets["cluster4"] != first.sets["cluster4"]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("inet atoll", "inet other", 2, "another table than Atoll's"),
        ("flags interval", "flags timeout", 10, "the flag `timeout` is not understood"),
        ("flags interval", "gc-interval 5s", 10, "it is not understood in a set"),
        ("\t\tflags interval\n", "", 10, "a set without `flags interval` takes no ranges"),
        ("typeof ip daddr\n", "\n", 10, "flags stand behind `typeof`"),
        ("priority filter - 5", "priority soon", 18, "the priority `soon` is not understood"),
        ("hook input", "hook ingress", 18, "the hook `ingress` is not understood"),
        ("policy drop", "policy continue", 18, "the policy `continue` is not understood"),
        ("@zones", "@absent", 20, "there is no set or map absent"),
        ("map @zones", "map @vips4", 20, "vips4 has columns of other types"),
        ("chain refuse", "chain input", 22, "chain input stands here twice"),
        ("chain refuse", "flowtable f", 22, "a set, a map or a chain must stand here"),
        ("\tchain refuse {\n\t}\n}\n", "", 22, "the text ends before its last brace"),
        ("\n}\n", "\n}\ntable inet other {\n}\n", 25, "nothing may follow the table"),
        ("65537 comment", "65537 timeout 5s comment", 5, "it is not understood as an element"),
        (". tcp . 80", ". tcp", 15, "it has 3 columns where the set has 4"),
        ("goto refuse }", "goto nowhere }", 0, "there is no chain nowhere"),
    ],
)
def test_a_table_that_is_not_understood_is_refused_with_its_line(
    old: str, new: str, line: int, reason: str
) -> None:
    assert old in SMALL
    with pytest.raises(Unreadable) as refused:
        read_ruleset(SMALL.replace(old, new, 1))
    assert reason in str(refused.value)
    assert refused.value.line == line
