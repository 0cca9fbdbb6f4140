"""The same uses as scenario.ts, with the Python client.

    scenario.py <folder of cairn.py> <the proxy's URL> <prefix of ids> <a URL without a server>
"""

import json
import sys
import time
import urllib.request

folder, url, prefix, nowhere = sys.argv[1:]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True

from cairn import Cairn, CairnProblemError, CairnQueueError, CairnUnreachableError  # noqa: E402


def faults(*kinds):
    body = json.dumps(kinds).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/faults", data=body)).read()


def failure(call):
    try:
        return call()
    except (CairnProblemError, CairnUnreachableError, CairnQueueError) as error:
        return error


def item(n):
    return f"{prefix}/item {n}"


lost = []
cairn = Cairn(
    url,
    backoff=0.01,
    # Never over here: a thread that waits for the processor between two events would split a batch.
    flush_interval=3600,
    batch_events_max=3,
    on_lost=lambda events, error: lost.append((events, error)),
)
findings = {}

stored = cairn.items.put(item(1), {"tags": ["a"], "price": 2})
findings["put"] = [stored["version"], stored["attributes"]]
findings["get"] = cairn.items.get(item(1))["attributes"]
findings["absent"] = cairn.users.get(f"{prefix}-absent")
many = cairn.items.put_many(
    [{"id": item(i + 1), "attributes": {"tags": ["b"]}} for i in range(1200)]
    + [{"id": item(1201), "attributes": {"tags": 7}}]
)
findings["putMany"] = [
    many["stored"],
    many["rejected"],
    len(many["profiles"]),
    many["profiles"][1200]["status"],
]
cairn.items.delete(item(1200))
findings["patch"] = cairn.items.patch(item(1), {"price": 3, "tags": None})["attributes"]
listed = {profile["id"] for profile in cairn.items.list() if profile["id"].startswith(prefix)}
findings["listed"] = [len(listed), cairn.items.count() >= 1199]
findings["stale"] = len(list(cairn.items.list(written_before=1772366400000)))
findings["deleted"] = cairn.items.get(item(1200))

erasure = cairn.users.forget(f"{prefix}/bob")
same = cairn.users.erasure(erasure["erasureId"])["erasureId"] == erasure["erasureId"]
findings["erasure"] = [erasure["profile"]["removed"], same]

candidates = [{"id": item(1)}, {"id": item(2)}, {"id": item(3)}]
faults("busy", "html", "gone", "lost")
ranking = cairn.rank({"user": f"{prefix}-ann", "candidates": candidates})
is_number = isinstance(ranking["items"][0]["score"], float)
findings["rank"] = [len(ranking["items"]), "number" if is_number else "?"]

ranking_id = ranking["rankingId"]


def click(n, event_id=None):
    event = {"rankingId": ranking_id, "item": item(n), "action": "click"}
    return event if event_id is None else {**event, "eventId": event_id}


faults("lost")
reported = cairn.shown({"rankingId": ranking_id, "items": [item(3), item(1), item(2)]})
findings["shown"] = [
    reported["rankingId"] == ranking_id,
    reported["items"],
    reported.get("note"),
]
error = failure(lambda: cairn.shown({"rankingId": ranking_id, "items": ["elsewhere"]}))
findings["notShown"] = [error.kind, error.attempts]

faults("busy", "lost", "gone")
event_ids = [cairn.track(click(n)) for n in (1, 2, 3)]
wrong = cairn.track({"rankingId": ranking_id, "item": "elsewhere", "action": "click"})
cairn.flush()
findings["lost"] = [
    [[event["eventId"] == wrong for event in events], error.kind] for events, error in lost
]
again = cairn.send_events([click(n + 1, event_id) for n, event_id in enumerate(event_ids)])
findings["again"] = [again["accepted"], again["duplicates"], again["rejected"]]
mixed = cairn.send_events(
    [
        {"rankingId": ranking_id, "item": item(1), "action": "dismiss"},
        {"rankingId": ranking_id, "item": "elsewhere", "action": "click"},
    ]
)
findings["mixed"] = [
    mixed["accepted"],
    mixed["duplicates"],
    mixed["rejected"],
    mixed["events"][1]["status"],
]

for _ in range(200):
    recommended = cairn.recommend({"user": f"{prefix}-ann", "limit": 5})
    findings["recommended"] = len(recommended["items"])
    if findings["recommended"] == 5:
        break
    time.sleep(0.05)
similar = cairn.similar({"item": item(2), "limit": 3, "learn": False})
findings["similar"] = len(similar["items"])

error = failure(lambda: cairn.rank({"user": "ann", "candidates": []}))
pointer = error.problem["errors"][0]["pointer"]
findings["wrong"] = [error.kind, error.status, error.attempts, pointer]
faults("html", "html", "html")
error = failure(lambda: Cairn(url, retries_max=1, backoff=0.001).users.get("ann"))
findings["givenUp"] = [error.kind, error.status, error.attempts, error.problem["detail"]]
faults()
error = failure(lambda: Cairn(nowhere, retries_max=1, backoff=0.001).users.get("ann"))
findings["unreachable"] = error.attempts if isinstance(error, CairnUnreachableError) else repr(error)

cairn.track(click(2, f"{prefix}-last"))
cairn.close()
findings["closed"] = cairn.send_events([click(2, f"{prefix}-last")])["duplicates"]
findings["afterClose"] = type(failure(lambda: cairn.track(click(2)))).__name__
print(json.dumps(findings))
