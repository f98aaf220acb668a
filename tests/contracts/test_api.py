"""What Atoll relies on in an API server; tests/cluster/test_kube_api.py asks the real one the same."""

from __future__ import annotations

import threading
import time

import pytest

from kube import kinds
from kube.api import AlreadyExists, Api, ApiError, Conflict, Invalid, NotFound, ObjectRef, Silent, Unreachable
from tests.contracts.apis import (
    Space,
    at,
    config_map,
    lease,
    names_of,
    network,
    new_space,
    next_of,
    read,
    text_at,
    version_of,
)

CONFIG_MAPS, LEASES, NETWORKS = kinds.CONFIG_MAPS, kinds.LEASES, kinds.VIRTUAL_NETWORKS
FINALIZER = "atoll.dev/in-use"


@pytest.fixture
def space(api: Api) -> Space:
    return new_space(api)


# Creating and reading


def test_a_created_object_has_uid_version_and_time_of_creation(space: Space) -> None:
    created = read(space.config_map("one", {"a": "1"}))
    for name in ("uid", "resourceVersion", "creationTimestamp"):
        assert text_at(created, "metadata", name)
    assert created["data"] == {"a": "1"}
    assert (created["apiVersion"], created["kind"]) == ("v1", "ConfigMap")


def test_what_was_created_can_be_read(space: Space) -> None:
    created = space.config_map("one", {"a": "1"})
    assert read(space.api.get(space.ref(CONFIG_MAPS, "one"))) == read(created)


def test_a_name_can_be_left_to_the_server(space: Space) -> None:
    names = {
        text_at(read(space.create(CONFIG_MAPS, {"metadata": {"generateName": "some-"}})), "metadata", "name")
        for _ in range(2)
    }
    assert len(names) == 2
    assert all(name.startswith("some-") for name in names)


def test_reading_what_does_not_exist_is_not_found(space: Space) -> None:
    with pytest.raises(NotFound) as caught:
        space.api.get(space.ref(CONFIG_MAPS, "none"))
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")
    assert caught.value.message == 'configmaps "none" not found'


def test_a_name_is_taken_once(space: Space) -> None:
    space.config_map("one")
    with pytest.raises(AlreadyExists) as caught:
        space.config_map("one")
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")


def test_nothing_is_created_in_a_namespace_that_does_not_exist(space: Space) -> None:
    with pytest.raises(NotFound, match='namespaces "not-there" not found'):
        space.api.create(CONFIG_MAPS, config_map("one"), namespace="not-there")


def test_a_body_of_another_namespace_is_refused(space: Space) -> None:
    with pytest.raises(ApiError) as caught:
        space.config_map("one", namespace="default")
    assert (caught.value.status, caught.value.reason) == (400, "BadRequest")


def test_an_object_needs_a_name(space: Space) -> None:
    with pytest.raises(Invalid) as caught:
        space.create(CONFIG_MAPS, {"metadata": {}})
    assert [cause.field for cause in caught.value.causes] == ["metadata.name"]


def test_what_is_to_be_created_has_no_version(space: Space) -> None:
    with pytest.raises(Unreachable, match="resourceVersion should not be set"):
        space.config_map("one", resourceVersion="1")


# Replacing


def test_a_replacement_of_the_present_version_gets_a_new_one(space: Space) -> None:
    first = version_of(space.config_map("one", {"a": "1"}))
    body = config_map("one", {"a": "2"}, resourceVersion=first)
    replaced = space.api.replace(space.ref(CONFIG_MAPS, "one"), body)
    assert int(version_of(replaced)) > int(first)
    assert read(space.api.get(space.ref(CONFIG_MAPS, "one")))["data"] == {"a": "2"}


def test_a_replacement_of_an_old_version_conflicts_and_changes_nothing(space: Space) -> None:
    old = version_of(space.config_map("one", {"a": "1"}))
    ref = space.ref(CONFIG_MAPS, "one")
    space.api.replace(ref, config_map("one", {"a": "2"}))
    with pytest.raises(Conflict) as caught:
        space.api.replace(ref, config_map("one", {"a": "3"}, resourceVersion=old))
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert read(space.api.get(ref))["data"] == {"a": "2"}


def test_a_replacement_of_another_uid_conflicts(space: Space) -> None:
    space.config_map("one")
    with pytest.raises(Conflict):
        space.api.replace(space.ref(CONFIG_MAPS, "one"), config_map("one", uid="another"))


def test_a_replacement_keeps_uid_and_time_of_creation(space: Space) -> None:
    before = at(read(space.config_map("one")), "metadata")
    after = at(
        read(space.api.replace(space.ref(CONFIG_MAPS, "one"), config_map("one", {"a": "1"}))), "metadata"
    )
    assert at(after, "uid") == at(before, "uid")
    assert at(after, "creationTimestamp") == at(before, "creationTimestamp")


def test_a_replacement_that_changes_nothing_makes_no_version(space: Space) -> None:
    first = version_of(space.config_map("one", {"a": "1"}))
    assert (
        version_of(space.api.replace(space.ref(CONFIG_MAPS, "one"), config_map("one", {"a": "1"}))) == first
    )


def test_a_config_map_that_does_not_exist_is_not_replaced(space: Space) -> None:
    with pytest.raises(NotFound):
        space.api.replace(space.ref(CONFIG_MAPS, "none"), config_map("none"))


def test_a_body_of_another_name_is_refused(space: Space) -> None:
    space.config_map("one")
    with pytest.raises(ApiError) as caught:
        space.api.replace(space.ref(CONFIG_MAPS, "one"), config_map("two"))
    assert (caught.value.status, caught.value.reason) == (400, "BadRequest")


def test_a_lease_is_replaced_only_in_a_version(space: Space) -> None:
    space.create(LEASES, lease("one", "me"))
    with pytest.raises(Invalid):
        space.api.replace(space.ref(LEASES, "one"), lease("one", "you"))


def test_a_lease_that_does_not_exist_is_created_by_replacing_it(space: Space) -> None:
    created = space.api.replace(space.ref(LEASES, "one"), lease("one", "me", resourceVersion="1"))
    assert text_at(read(created), "spec", "holderIdentity") == "me"


def test_a_lease_that_does_not_exist_is_not_created_where_a_uid_is_given(space: Space) -> None:
    with pytest.raises(Conflict):
        space.api.replace(space.ref(LEASES, "one"), lease("one", "me", resourceVersion="1", uid="another"))


# Patching


def test_a_patch_is_merged_and_null_removes(space: Space) -> None:
    space.config_map("one", {"a": "1", "b": "2"})
    patched = space.api.patch(space.ref(CONFIG_MAPS, "one"), {"data": {"a": None, "c": "3"}})
    assert read(patched)["data"] == {"b": "2", "c": "3"}


def test_a_version_in_a_patch_is_a_precondition(space: Space) -> None:
    old = version_of(space.config_map("one", {"a": "1"}))
    ref = space.ref(CONFIG_MAPS, "one")
    space.api.patch(ref, {"metadata": {"resourceVersion": old}, "data": {"a": "2"}})
    with pytest.raises(Conflict):
        space.api.patch(ref, {"metadata": {"resourceVersion": old}, "data": {"a": "3"}})


def test_a_patch_that_changes_nothing_makes_no_version(space: Space) -> None:
    first = version_of(space.config_map("one", {"a": "1"}))
    assert version_of(space.api.patch(space.ref(CONFIG_MAPS, "one"), {"data": {"a": "1"}})) == first


def test_what_does_not_exist_is_not_patched(space: Space) -> None:
    with pytest.raises(NotFound):
        space.api.patch(space.ref(CONFIG_MAPS, "none"), {"data": {"a": "1"}})


# Status and generation


def test_the_main_resource_does_not_change_the_status(space: Space) -> None:
    created = read(space.create(NETWORKS, network("shop") | {"status": {"number": 7}}))
    assert at(created, "status", "number") is None
    patched = read(space.api.patch(space.ref(NETWORKS, "shop"), {"status": {"number": 7}}))
    assert at(patched, "status", "number") is None


def test_the_status_changes_only_the_status(space: Space) -> None:
    space.create(NETWORKS, network("shop"))
    patch = {"spec": {"subnets": ["10.99.0.0/24"]}, "status": {"number": 7}}
    patched = read(space.api.patch(space.ref(NETWORKS, "shop"), patch, subresource="status"))
    assert at(patched, "status", "number") == 7
    assert at(patched, "spec", "subnets") == ["10.10.0.0/24"]


def test_the_status_of_a_pod_changes_its_annotations_and_never_its_spec(space: Space) -> None:
    space.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})  # no pod is admitted without
    container = {"name": "main", "image": "registry.example/image"}
    created = read(
        space.create(kinds.PODS, {"metadata": {"name": "web"}, "spec": {"containers": [container]}})
    )
    metadata = {"uid": at(created, "metadata", "uid"), "annotations": {"example.com/note": "told"}}
    patch = {"metadata": metadata, "spec": {"hostNetwork": True}}
    patched = read(space.api.patch(space.ref(kinds.PODS, "web"), patch, subresource="status"))
    assert at(patched, "metadata", "annotations", "example.com/note") == "told"
    assert at(patched, "spec", "hostNetwork") is None
    other = {"metadata": metadata | {"uid": "00000000-0000-0000-0000-000000000000"}}
    with pytest.raises((Conflict, Invalid)):  # the real one calls it a change of what is immutable
        space.api.patch(space.ref(kinds.PODS, "web"), other, subresource="status")


def test_the_generation_counts_changes_of_the_spec_alone(space: Space) -> None:
    ref = space.ref(NETWORKS, "shop")
    created = read(space.create(NETWORKS, network("shop")))
    labelled = read(space.api.patch(ref, {"metadata": {"labels": {"a": "b"}}}))
    reported = read(space.api.patch(ref, {"status": {"number": 7}}, subresource="status"))
    moved = read(space.api.patch(ref, {"spec": {"subnets": ["10.10.1.0/24"]}}))
    bodies = (created, labelled, reported, moved)
    assert [at(body, "metadata", "generation") for body in bodies] == [1, 1, 1, 2]


def test_what_has_no_status_refuses_one(space: Space) -> None:
    space.config_map("one")
    with pytest.raises(NotFound):
        space.api.patch(space.ref(CONFIG_MAPS, "one"), {"status": {}}, subresource="status")


# Deleting


def test_a_deleted_object_is_gone(space: Space) -> None:
    space.config_map("one")
    space.api.delete(space.ref(CONFIG_MAPS, "one"))
    with pytest.raises(NotFound):
        space.api.delete(space.ref(CONFIG_MAPS, "one"))


def test_a_deletion_of_another_uid_or_version_conflicts(space: Space) -> None:
    space.config_map("one")
    ref = space.ref(CONFIG_MAPS, "one")
    with pytest.raises(Conflict):
        space.api.delete(ref, uid="another")
    with pytest.raises(Conflict):
        space.api.delete(ref, resource_version="1")
    assert names_of(space.list(CONFIG_MAPS)) == ["one"]


def test_a_deletion_of_the_present_uid_and_version_is_done(space: Space) -> None:
    created = space.config_map("one")
    uid = text_at(read(created), "metadata", "uid")
    space.api.delete(space.ref(CONFIG_MAPS, "one"), resource_version=version_of(created), uid=uid)
    assert names_of(space.list(CONFIG_MAPS)) == []


def test_a_finalizer_delays_the_deletion_until_it_is_taken_off(space: Space) -> None:
    ref = space.ref(NETWORKS, "shop")
    space.create(NETWORKS, network("shop", finalizers=[FINALIZER]))
    space.api.delete(ref)
    waiting = read(space.api.get(ref))
    assert text_at(waiting, "metadata", "deletionTimestamp")
    assert at(waiting, "metadata", "generation") == 2
    space.api.patch(ref, {"metadata": {"finalizers": []}})
    with pytest.raises(NotFound):
        space.api.get(ref)


def test_deleting_again_what_waits_changes_nothing(space: Space) -> None:
    ref = space.ref(NETWORKS, "shop")
    space.create(NETWORKS, network("shop", finalizers=[FINALIZER]))
    space.api.delete(ref)
    before = version_of(space.api.get(ref))
    space.api.delete(ref)
    assert version_of(space.api.get(ref)) == before


# Listing


def test_a_list_is_in_the_order_of_names(space: Space) -> None:
    for name in ("b", "c", "a"):
        space.config_map(name)
    assert names_of(space.list(CONFIG_MAPS)) == ["a", "b", "c"]


def test_all_pages_of_a_list_show_one_version(space: Space) -> None:
    for name in ("a", "b", "c"):
        space.config_map(name)
    first = space.api.list(CONFIG_MAPS, namespace=space.name, limit=2)
    space.config_map("d")
    space.api.delete(space.ref(CONFIG_MAPS, "c"))
    token = text_at(read(first), "metadata", "continue")
    second = space.api.list(CONFIG_MAPS, namespace=space.name, limit=2, continue_token=token)
    assert (names_of(first), names_of(second)) == (["a", "b"], ["c"])
    assert version_of(first) == version_of(second)
    assert not at(read(second), "metadata", "continue")


def test_a_page_token_of_another_make_is_refused(space: Space) -> None:
    with pytest.raises(ApiError) as caught:
        space.list(CONFIG_MAPS, continue_token="made-up")
    assert caught.value.status == 400


def test_items_of_kubernetes_own_kinds_do_not_name_the_kind(space: Space) -> None:
    space.config_map("one")
    space.create(NETWORKS, network("shop"))
    own, ours = (read(space.list(resource))["items"] for resource in (CONFIG_MAPS, NETWORKS))
    assert isinstance(own, list)
    assert isinstance(ours, list)
    assert at(own[0], "kind") is None
    assert at(ours[0], "kind") == "VirtualNetwork"


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=web", ["web"]),
        ("tier==web", ["web"]),
        ("tier!=web", ["bare", "data"]),
        ("tier", ["data", "web"]),
        ("!tier", ["bare"]),
        ("tier in (web, data)", ["data", "web"]),
        ("tier notin (web),tier", ["data"]),
    ],
)
def test_a_list_is_selected_by_labels(space: Space, selector: str, names: list[str]) -> None:
    space.config_map("web", labels={"tier": "web"})
    space.config_map("data", labels={"tier": "data"})
    space.config_map("bare")
    assert names_of(space.list(CONFIG_MAPS, label_selector=selector)) == names


def test_a_list_is_selected_by_fields(space: Space) -> None:
    space.config_map("one")
    space.config_map("two")
    assert names_of(space.list(CONFIG_MAPS, field_selector="metadata.name=one")) == ["one"]
    assert names_of(space.list(CONFIG_MAPS, field_selector="metadata.name!=one")) == ["two"]


def test_a_list_of_a_version_that_is_still_to_come_is_not_answered(space: Space) -> None:
    later = str(int(space.now()) + 1_000_000)
    with pytest.raises(Unreachable, match="Too large resource version") as caught:
        space.list(CONFIG_MAPS, resource_version=later)
    assert (caught.value.status, caught.value.retry_after) == (504, 1)


# Watching


def test_a_watch_tells_each_change_after_its_version_in_order(space: Space) -> None:
    space.config_map("before")
    since = space.now()
    space.config_map("one")
    with space.watch(since=since) as watch:
        added = next_of(watch)
        space.api.patch(space.ref(CONFIG_MAPS, "one"), {"data": {"a": "1"}})
        modified = next_of(watch)
        space.api.delete(space.ref(CONFIG_MAPS, "one"))
        deleted = next_of(watch)
    events = (added, modified, deleted)
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert {event.key for event in events} == {(space.name, "one")}
    assert int(since) < added.version < modified.version < deleted.version


def test_an_event_names_the_kind(space: Space) -> None:
    since = space.now()
    space.config_map("one")
    with space.watch(since=since) as watch:
        event = read(next(watch))
    assert (at(event, "object", "apiVersion"), at(event, "object", "kind")) == ("v1", "ConfigMap")


def test_what_leaves_the_selection_is_told_as_deleted(space: Space) -> None:
    since = space.now()
    ref = space.ref(CONFIG_MAPS, "one")
    space.config_map("one", labels={"tier": "web"})
    space.api.patch(ref, {"metadata": {"labels": {"tier": "data"}}})
    space.api.patch(ref, {"metadata": {"labels": {"tier": "web"}}})
    with space.watch(since=since, label_selector="tier=web") as watch:
        assert [next_of(watch).type for _ in range(3)] == ["ADDED", "DELETED", "ADDED"]


def test_a_watch_of_a_namespace_tells_of_no_other(space: Space) -> None:
    since = space.now()
    elsewhere = space.api.create(CONFIG_MAPS, {"metadata": {"generateName": "x-"}}, namespace="default")
    space.config_map("here")
    with space.watch(since=since) as watch:
        assert next_of(watch).key == (space.name, "here")
    name = text_at(read(elsewhere), "metadata", "name")
    space.api.delete(ObjectRef(resource=CONFIG_MAPS, name=name, namespace="default"))


def test_the_server_ends_a_watch_at_its_time(space: Space) -> None:
    with space.api.watch(CONFIG_MAPS, resource_version=space.now(), timeout_seconds=1) as watch:
        assert [line for line in watch if b"BOOKMARK" not in line[:30]] == []


def test_a_watch_can_be_ended_by_another_thread(space: Space) -> None:
    with space.watch(since=space.now()) as watch:
        began = time.monotonic()
        threading.Timer(0.1, watch.close).start()
        assert [line for line in watch if b"BOOKMARK" not in line[:30]] == []
        assert time.monotonic() - began < 20


def test_a_watch_without_a_byte_for_too_long_is_silent(space: Space) -> None:
    with (
        space.api.watch(
            CONFIG_MAPS, resource_version=space.now(), namespace=space.name, silence_seconds=0.2
        ) as watch,
        pytest.raises(Silent),
    ):
        next(watch)


def test_a_watch_from_a_version_still_to_come_waits_in_silence(space: Space) -> None:
    later = str(int(space.now()) + 1_000_000)
    space.config_map("one")
    with (
        space.api.watch(
            CONFIG_MAPS, resource_version=later, namespace=space.name, silence_seconds=0.5
        ) as watch,
        pytest.raises(Silent),
    ):
        next(watch)


# Server-side apply


def apply(space: Space, body: dict[str, object], manager: str = "git", *, force: bool = False) -> bytes:
    name = text_at(body, "metadata", "name")
    resource = CONFIG_MAPS if body["kind"] == "ConfigMap" else NETWORKS
    return space.api.apply(space.ref(resource, name), body, field_manager=manager, force=force)


def test_what_does_not_exist_is_created_by_applying_it(space: Space) -> None:
    applied = read(apply(space, config_map("one", {"a": "1"})))
    assert applied["data"] == {"a": "1"}
    assert text_at(applied, "metadata", "uid")


def test_applying_the_same_again_makes_no_version(space: Space) -> None:
    first = version_of(apply(space, config_map("one", {"a": "1"})))
    assert version_of(apply(space, config_map("one", {"a": "1"}))) == first


def test_a_field_that_is_no_longer_applied_is_removed(space: Space) -> None:
    apply(space, config_map("one", {"a": "1", "b": "2"}))
    assert read(apply(space, config_map("one", {"b": "2"})))["data"] == {"b": "2"}


def test_a_field_that_another_applies_too_stays(space: Space) -> None:
    apply(space, config_map("one", {"a": "1", "b": "2"}), "git")
    apply(space, config_map("one", {"a": "1"}), "other")
    assert read(apply(space, config_map("one", {"b": "2"}), "git"))["data"] == {"a": "1", "b": "2"}


def test_a_field_that_another_manager_wants_otherwise_conflicts(space: Space) -> None:
    apply(space, config_map("one", {"a": "1", "b": "2"}), "other")
    with pytest.raises(Conflict) as caught:
        apply(space, config_map("one", {"a": "9", "b": "2"}), "git")
    assert [(cause.reason, cause.field) for cause in caught.value.causes] == [
        ("FieldManagerConflict", ".data.a")
    ]
    assert caught.value.causes[0].message.startswith('conflict with "other"')
    assert read(space.api.get(space.ref(CONFIG_MAPS, "one")))["data"] == {"a": "1", "b": "2"}


def test_whoever_changed_a_field_by_a_patch_owns_it(space: Space) -> None:
    apply(space, config_map("one", {"a": "1"}), "git")
    space.api.patch(space.ref(CONFIG_MAPS, "one"), {"data": {"a": "9"}})
    with pytest.raises(Conflict) as caught:
        apply(space, config_map("one", {"a": "1"}), "git")
    assert [cause.field for cause in caught.value.causes] == [".data.a"]


def test_force_takes_the_field_from_its_owner(space: Space) -> None:
    apply(space, config_map("one", {"a": "1"}), "other")
    assert read(apply(space, config_map("one", {"a": "9"}), "git", force=True))["data"] == {"a": "9"}
    with pytest.raises(Conflict):
        apply(space, config_map("one", {"a": "1"}), "other")


def test_a_dry_run_changes_nothing(space: Space) -> None:
    ref = space.ref(CONFIG_MAPS, "one")
    tried = space.api.apply(ref, config_map("one"), field_manager="git", force=False, dry_run=True)
    assert text_at(read(tried), "metadata", "name") == "one"
    with pytest.raises(NotFound):
        space.api.get(ref)


def test_a_dry_run_tells_of_a_conflict(space: Space) -> None:
    apply(space, config_map("one", {"a": "1"}), "other")
    with pytest.raises(Conflict):
        space.api.apply(
            space.ref(CONFIG_MAPS, "one"),
            config_map("one", {"a": "9"}),
            field_manager="git",
            force=False,
            dry_run=True,
        )


def test_a_version_in_what_is_applied_is_a_precondition(space: Space) -> None:
    old = version_of(apply(space, config_map("one", {"a": "1"})))
    apply(space, config_map("one", {"a": "2"}))
    with pytest.raises(Conflict):
        apply(space, config_map("one", {"a": "3"}, resourceVersion=old))


def test_a_list_is_one_field(space: Space) -> None:
    apply(space, network("shop", subnet="10.10.0.0/24"), "other")
    with pytest.raises(Conflict) as caught:
        apply(space, network("shop", subnet="10.20.0.0/24"), "git")
    assert [cause.field for cause in caught.value.causes] == [".spec.subnets"]


def test_each_finalizer_has_an_owner_of_its_own(space: Space) -> None:
    apply(space, network("shop", finalizers=[FINALIZER]), "controller")
    applied = read(apply(space, network("shop", finalizers=["example.com/other"]), "other"))
    assert at(applied, "metadata", "finalizers") == [FINALIZER, "example.com/other"]
    applied = read(apply(space, network("shop"), "controller"))
    assert at(applied, "metadata", "finalizers") == ["example.com/other"]


def test_conditions_are_owned_by_their_type(space: Space) -> None:
    space.create(NETWORKS, network("shop"))
    for manager, kind in (("one", "Ready"), ("two", "InSync")):
        condition = {
            "type": kind,
            "status": "True",
            "reason": "Fine",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        body = {
            "apiVersion": NETWORKS.api_version,
            "kind": "VirtualNetwork",
            "metadata": {"name": "shop"},
            "status": {"conditions": [condition]},
        }
        ref = space.ref(NETWORKS, "shop")
        applied = space.api.apply(ref, body, field_manager=manager, force=False, subresource="status")
    conditions = at(read(applied), "status", "conditions")
    assert isinstance(conditions, list)
    assert {at(condition, "type") for condition in conditions} == {"Ready", "InSync"}


def test_what_is_applied_names_its_kind(space: Space) -> None:
    with pytest.raises(ApiError) as caught:
        space.api.apply(
            space.ref(CONFIG_MAPS, "one"), {"metadata": {"name": "one"}}, field_manager="git", force=False
        )
    assert caught.value.status == 400


# Subresources of Kubernetes' own


def test_a_service_account_is_given_a_token(space: Space) -> None:
    space.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "node-1"}})
    answer = space.api.create(
        kinds.SERVICE_ACCOUNTS, {"spec": {}}, namespace=space.name, name="node-1", subresource="token"
    )
    assert text_at(read(answer), "status", "token")
    assert text_at(read(answer), "status", "expirationTimestamp")


def test_no_token_is_given_to_an_account_that_does_not_exist(space: Space) -> None:
    with pytest.raises(NotFound):
        space.api.create(
            kinds.SERVICE_ACCOUNTS, {"spec": {}}, namespace=space.name, name="none", subresource="token"
        )


def test_a_pod_is_bound_to_a_node(space: Space) -> None:
    space.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})
    container = {"name": "web", "image": "example.com/web"}
    space.create(kinds.PODS, {"metadata": {"name": "web-1"}, "spec": {"containers": [container]}})
    binding = {"metadata": {"name": "web-1"}, "target": {"kind": "Node", "name": "worker-1"}}
    space.api.create(kinds.PODS, binding, namespace=space.name, name="web-1", subresource="binding")
    pod = read(space.api.get(space.ref(kinds.PODS, "web-1")))
    assert at(pod, "spec", "nodeName") == "worker-1"
    assert at(pod, "status", "phase") == "Pending"
    assert names_of(space.list(kinds.PODS, field_selector="spec.nodeName=worker-1")) == ["web-1"]
    assert names_of(space.list(kinds.PODS, field_selector="spec.nodeName=worker-2")) == []


def test_a_node_is_registered_with_its_addresses(space: Space) -> None:
    addresses = [{"type": "InternalIP", "address": "192.0.2.11"}]
    body = {"metadata": {"name": f"{space.name}-node"}, "status": {"addresses": addresses}}
    created = read(space.api.create(kinds.NODES, body))
    assert at(created, "status", "addresses") == addresses
