"""nft's JSON to values, equal to those of its text (goldens: test_real_listing), and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from verifier.nft_json import read_ruleset_json
from verifier.nft_text import read_ruleset
from verifier.unreadable import Unreadable

OURS = {"family": "inet", "table": "atoll"}
TABLE: dict[str, Any] = {"table": {"family": "inet", "name": "atoll", "handle": 1}}
PEERS: dict[str, Any] = {
    "set": {**OURS, "name": "peers", "type": ["devgroup", "devgroup"], "elem": [{"concat": [1, 2]}]}
}
FORWARD: dict[str, Any] = {
    "chain": {**OURS, "name": "forward", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
}
GROUP = {"meta": {"key": "iifgroup"}}
MARK = {"meta": {"key": "mark"}}
TO = {"payload": {"protocol": "ip", "field": "daddr"}}


def listing(*items: dict[str, Any]) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, TABLE, *items]})


def rule(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {**OURS, "chain": "forward", "handle": 7, "expr": list(expressions)}}


@pytest.mark.parametrize(
    ("expressions", "text"),
    [
        ([{"match": {"op": "==", "left": GROUP, "right": "default"}}, {"accept": None}], "iifgroup 0 accept"),
        ([{"match": {"op": ">=", "left": GROUP, "right": 5}}, {"accept": None}], "iifgroup >= 5 accept"),
        (
            [
                {"match": {"op": "==", "left": GROUP, "right": {"set": [3, {"range": [1, 2]}]}}},
                {"drop": None},
            ],
            "iifgroup { 1-2, 3 } drop",
        ),
        (
            [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["related", "established"]}}],
            "ct state established,related",
        ),
        (
            [{"match": {"op": "!=", "left": TO, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}}],
            "ip daddr != 10.0.0.0/8",
        ),
        (
            [{"match": {"op": "==", "left": {"concat": [GROUP, TO]}, "right": {"concat": [1, "10.0.0.1"]}}}],
            "iifgroup . ip daddr 1 . 10.0.0.1",
        ),
        (
            [
                {
                    "vmap": {
                        "key": GROUP,
                        "data": {"set": [[1, {"accept": None}], [2, {"goto": {"target": "forward"}}]]},
                    }
                }
            ],
            "iifgroup vmap { 1 : accept, 2 : goto forward }",
        ),
        (
            [
                {
                    "mangle": {
                        "key": MARK,
                        "value": {"numgen": {"mode": "random", "mod": 2, "offset": -1493172224}},
                    }
                }
            ],
            "meta mark set numgen random mod 2 offset 0xa7000000",
        ),
        ([{"mangle": {"key": {"ct": {"key": "zone"}}, "value": 5}}], "ct zone set 5"),
        ([{"dnat": {"family": "ip", "addr": "10.0.0.1", "port": 80}}], "dnat ip to 10.0.0.1:80"),
        ([{"snat": {"family": "ip", "addr": TO}}], "snat ip to ip daddr"),
        ([{"reject": None}], "reject"),
        ([{"counter": {"packets": 3, "bytes": 4}}, {"masquerade": None}], "counter masquerade"),
    ],
)
def test_a_rule_reads_as_its_text(expressions: list[dict[str, Any]], text: str) -> None:
    chain = f"chain forward {{\ntype filter hook forward priority 0; policy drop;\n{text}\n}}\n"
    assert read_ruleset_json(listing(FORWARD, rule(*expressions))) == read_ruleset(
        f"table inet atoll {{\n{chain}}}\n"
    )


def test_newer_nft_names_the_fields_of_a_set() -> None:
    typed = {"typeof": {"concat": [GROUP, {"meta": {"key": "oifgroup"}}]}}
    newer = {"set": {**PEERS["set"], "type": typed}}
    assert read_ruleset_json(listing(newer)) == read_ruleset_json(listing(PEERS))


def test_rules_are_put_in_words() -> None:
    found = read_ruleset_json(
        listing(
            FORWARD,
            rule(
                {"match": {"op": "!=", "left": TO, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}},
                {"accept": None},
            ),
        )
    )
    assert [rule.text for rule in found.chains["forward"].rules] == ["ip daddr != 10.0.0.0/8 accept"]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([rule({"limit": {"rate": 5}})], "rule forward: `{'limit': {'rate': 5}}`: it is not understood"),
        ([rule({"accept": None, "drop": None})], "it is not understood"),
        (
            [
                {
                    "set": {
                        "family": "inet",
                        "table": "atoll",
                        "name": "peers",
                        "type": "devgroup",
                        "elem": [n],
                    }
                }
                for n in (1, 2)
            ],
            "set peers: it stands here twice",
        ),
        ([rule({"match": {"op": "==", "left": GROUP, "right": 1, "more": 2}})], "the key 'more' is not"),
        (
            [rule({"match": {"op": "==", "left": {"meta": {"key": "cpu"}}, "right": 1}})],
            "it is not understood",
        ),
        ([rule({"match": {"op": "==", "left": GROUP, "right": "@absent"}})], "there is no set or map absent"),
        ([rule({"match": {"op": "==", "left": {"concat": []}, "right": 1}})], "it is not understood"),
        ([rule({"snat": {"family": "arp", "addr": TO}})], "it is not understood"),
        ([rule({"goto": {"target": "absent"}})], "there is no chain absent"),
        ([{"set": {**PEERS["set"], "timeout": 5}}], "the key 'timeout' is not understood"),
        ([{"set": {**PEERS["set"], "flags": ["dynamic"]}}], "the flag `dynamic` is not understood"),
        ([{"set": {**PEERS["set"], "elem": [{"concat": [1, {"range": [1, 9]}]}]}}], "takes no ranges"),
        ([{"set": {**PEERS["set"], "elem": [1]}}], "it has 1 columns where the set has 2"),
        ([{"set": {**PEERS["set"], "type": "strange"}}], "the type `strange` is not understood"),
        ([{"set": {**PEERS["set"], "table": "other"}}], "table inet other is not Atoll's"),
        ([{"flowtable": {**OURS, "name": "f"}}], "flowtable f: it is not understood"),
        ([{"rule": {**OURS, "chain": "absent", "expr": []}}], "rules of chains that are not there: absent"),
    ],
)
def test_what_is_not_understood_is_refused(items: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_ruleset_json(listing(FORWARD, *items))
    assert reason in str(refused.value)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(Unreadable, match="it is not JSON"):
        read_ruleset_json("table inet atoll {}")
