"""The store's revisions, history and what a watcher sees of a change."""

import json

import pytest

from netns_lab.control_plane.problems import StatusError
from netns_lab.control_plane.selection import Selection, parse_labels
from netns_lab.control_plane.store import ADDED, DELETED, MODIFIED, Change, Store

TABLE = "/services"


def _object(name: str, **labels: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}}


def test_every_write_gets_the_next_revision_and_its_json() -> None:
    store = Store()
    first = store.put(TABLE, _object("a"))
    second = store.put("/nodes", {"metadata": {"name": "n"}})

    assert second.revision == first.revision + 1
    assert json.loads(first.encoded)["metadata"]["resourceVersion"] == str(first.revision)


def test_a_deleted_object_is_last_seen_with_the_revision_of_its_deletion() -> None:
    store = Store()
    seen: list[Change | None] = []
    store.table(TABLE).listeners.append(seen.append)
    created = store.put(TABLE, _object("a"))
    removed = store.remove(TABLE, created.key)

    assert removed.revision == created.revision + 1
    assert [change.type for change in seen if change] == [ADDED, DELETED]
    assert json.loads(removed.encoded)["metadata"]["resourceVersion"] == str(removed.revision)
    assert store.get(TABLE, created.key) is None


def test_history_replays_what_came_after_a_revision() -> None:
    store = Store()
    first = store.put(TABLE, _object("a"))
    store.put(TABLE, _object("b"))
    store.put(TABLE, _object("a", tier="web"))

    changes = store.table(TABLE).since(first.revision)

    assert [(c.type, c.record.key[1]) for c in changes] == [(ADDED, "b"), (MODIFIED, "a")]


def test_history_before_the_window_is_gone_with_410() -> None:
    store = Store(window=2)
    revisions = [store.put(TABLE, _object(f"a{i}")).revision for i in range(4)]

    assert len(store.table(TABLE).since(revisions[1])) == 2
    with pytest.raises(StatusError) as raised:
        store.table(TABLE).since(revisions[0])
    assert (raised.value.code, raised.value.reason) == (410, "Expired")


def test_the_state_at_an_older_revision_is_found_again() -> None:
    store = Store()
    store.put(TABLE, _object("a"))
    then = store.put(TABLE, _object("b", tier="old")).revision
    store.put(TABLE, _object("b", tier="new"))
    store.put(TABLE, _object("c"))
    store.remove(TABLE, ("default", "a"))

    records = store.table(TABLE).at(then)

    assert [r.key[1] for r in records] == ["a", "b"]
    assert records[1].obj["metadata"]["labels"] == {"tier": "old"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("web", "web", MODIFIED, id="stays selected"),
        pytest.param("web", "db", DELETED, id="leaves the selection"),
        pytest.param("db", "web", ADDED, id="enters the selection"),
        pytest.param("db", "db", None, id="is never selected"),
    ],
)
def test_a_selecting_watcher_sees_objects_come_and_go(
    before: str, after: str, expected: str | None
) -> None:
    store = Store()
    store.put(TABLE, _object("a", tier=before))
    store.put(TABLE, _object("a", tier=after))
    change = store.table(TABLE).history[-1]

    assert change.seen_by(Selection(labels=parse_labels("tier=web"))) == expected
