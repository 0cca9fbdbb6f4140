"""Client of Cairn's HTTP API in one file, for Python 3.9 or later, with the standard library only.

    from cairn import Cairn

    with Cairn("http://localhost:8080") as cairn:
        ranking = cairn.rank({"user": "ann", "candidates": [{"id": "heat"}, {"id": "up"}]})
        cairn.track({"rankingId": ranking["rankingId"], "item": "up", "action": "click"})

Retries are safe: an event has an id and counts once, and a ranking has an id and is logged once.
Requests and answers are dicts with the fields of /openapi.json. All methods may be called by several
threads at once; a thread of the client sends the tracked events.
"""

import email.utils
import http.client
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

__all__ = ["Cairn", "CairnError", "CairnProblemError", "CairnQueueError", "CairnUnreachableError"]

# Statuses after which the same request may succeed.
_STATUSES_TO_RETRY = frozenset([408, 429, 502, 503, 504])
# Profiles of one list.
_PROFILES_PER_LIST_MAX = 1000


class CairnError(Exception):
    """Base of all errors of this client."""


class CairnProblemError(CairnError):
    """The server answered with a problem that a retry does not change, or retries were used up.

    kind: last part of the problem's type, such as "unknown-ranking"; "unknown" for an answer that is
        no problem document, as of a proxy.
    status: HTTP status.
    problem: the RFC 9457 problem as a dict.
    attempts: requests that were sent.
    """

    def __init__(self, request, problem, attempts):
        title, detail = problem.get("title", ""), problem.get("detail", "")
        said = [detail] if detail.startswith(title) else [title, detail]
        after = f" after {attempts} attempts" if attempts > 1 else ""
        answered = f"{request} was answered {problem['status']}{after}"
        super().__init__(": ".join(part for part in [answered, *said] if part))
        before, slash, kind = problem["type"].rpartition("/problems/")
        self.kind = kind if slash else "unknown"
        self.status = problem["status"]
        self.problem = problem
        self.attempts = attempts


class CairnUnreachableError(CairnError):
    """No answer came: the server cannot be reached, or every attempt timed out."""

    def __init__(self, request, attempts, cause):
        tried = f" in {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"{request} got no answer{tried}: {cause}")
        self.attempts = attempts


class CairnQueueError(CairnError):
    """The queue of tracked events is full, or the client is closed; the event was not taken."""


class Cairn:
    """A server of Cairn.

    url: the server's address without a path.
    api_key: one of gateway.apiKeys.
    timeout: longest wait for one answer, s.
    retries_max: retries of one request.
    track_retries_max: retries of a batch of tracked events; the default is about a minute and a
        half, in which a server can restart.
    backoff: upper bound of the first wait before a retry, s; it doubles with each.
    backoff_max: longest wait before a retry, s. A server that asks for a longer one by Retry-After
        is not asked again.
    flush_interval: a tracked event is sent after this time at the latest, s.
    batch_events_max: events of one request, at most 1000. A full batch is sent at once.
    batch_characters_max: size of one request, characters.
    queue_events_max: tracked events that are not sent yet; above it, track raises.
    on_lost: called with (events, error) for tracked events that were not accepted, by the thread
        that sends. Default: writes the error to stderr.
    """

    def __init__(
        self,
        url,
        *,
        api_key=None,
        timeout=10.0,
        retries_max=5,
        track_retries_max=10,
        backoff=0.1,
        backoff_max=30.0,
        flush_interval=1.0,
        batch_events_max=200,
        batch_characters_max=262_144,
        queue_events_max=10_000,
        on_lost=None,
    ):
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError(f'url is "{url}"; begin it with http:// or https://')
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._timeout = timeout
        self._retries_max = retries_max
        self._track_retries_max = track_retries_max
        self._backoff = backoff
        self._backoff_max = backoff_max
        self._batch_events_max = batch_events_max
        self._batch_characters_max = batch_characters_max
        self.items = Profiles(self, "item")
        self.users = Users(self, "user")
        self._events = _EventQueue(self, flush_interval, queue_events_max, on_lost or _print_lost)

    def rank(self, request):
        """Orders candidates for a user: POST /v1/rank."""
        return self._rank("/v1/rank", request)

    def recommend(self, request):
        """Finds stored items for a user and ranks them: POST /v1/recommend."""
        return self._rank("/v1/recommend", request)

    def similar(self, request):
        """Finds stored items that are similar to an item: POST /v1/similar."""
        return self._rank("/v1/similar", request)

    def shown(self, report):
        """Reports items of a ranking that were shown: POST /v1/shown. Reports add up."""
        return self._send("POST", "/v1/shown", report)

    def track(self, event):
        """Sends an event with the next batch, and returns its id at once.

        An event that is not accepted goes to on_lost. Raises CairnQueueError.
        """
        return self._events.add(event)

    def send_events(self, events):
        """Sends events now and returns their results, one per event, rejected ones included.

        To send them again after an error, give each an eventId: some may have been accepted.
        """
        results = []
        for batch in self._batches([_with_id(event) for event in events]):
            results += self._send_batch(batch, self._retries_max)

        def count(status):
            return sum(result["status"] == status for result in results)

        return {
            "accepted": count("accepted"),
            "duplicates": count("duplicate"),
            "rejected": count("rejected"),
            "events": results,
        }

    def flush(self):
        """Sends the tracked events, and waits until each is accepted or lost."""
        self._events.flush()

    def close(self):
        """Flushes; track raises from then on."""
        self._events.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _rank(self, path, request):
        """Asks for a ranking. A retry has the ranking id of the first attempt.

        Where the server knows the id already, it has logged the ranking and its answer was lost: the
        order is then asked for without logging it again, and events go to the logged ranking.
        """
        if request.get("learn") is False:
            return self._send("POST", path, request)
        sent = {"rankingId": str(uuid.uuid4()), **request}

        def is_logged(problem, has_unknown_outcome):
            return has_unknown_outcome and problem["type"] == "/problems/ranking-exists"

        answer = self._send("POST", path, sent, accept=is_logged)
        if answer.get("type") != "/problems/ranking-exists":
            return answer
        ranking_id = sent.pop("rankingId")
        return {**self._send("POST", path, {**sent, "learn": False}), "rankingId": ranking_id}

    def _send_batch(self, batch, retries_max):
        """Sends a batch, and sends those events again that the server could not take just now."""
        results = [None] * len(batch)
        waiting = list(range(len(batch)))
        for attempt in range(retries_max + 1):
            answer = self._send(
                "POST",
                "/v1/events",
                [batch[i] for i in waiting],
                retries_max=retries_max,
                accept=lambda problem, _: problem["type"] == "/problems/no-event-accepted",
            )
            for i, result in zip(waiting, answer["events"]):
                results[i] = result
            waits = {}
            for i in waiting:
                if results[i]["status"] != "rejected":
                    continue
                problem = results[i]["problem"]
                retry_after = problem.get("retryAfterSeconds", 0)
                if problem["status"] in _STATUSES_TO_RETRY and retry_after <= self._backoff_max:
                    waits[i] = retry_after
            waiting = list(waits)
            if not waiting or attempt == retries_max:
                break
            time.sleep(self._wait(attempt + 1, max(waits.values())))
        return results

    def _send(
        self,
        method,
        path,
        body=None,
        accept=lambda problem, has_unknown_outcome: False,
        retries_max=None,
    ):
        """Sends a request until it is answered for good.

        accept: whether a problem is returned as the answer, and not raised.
        Raises CairnProblemError or CairnUnreachableError.
        """
        name = f"{method} {path}"
        retries_max = self._retries_max if retries_max is None else retries_max
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        # Whether the server may have acted on an earlier attempt whose answer did not arrive.
        has_unknown_outcome = False
        attempt = 0
        while True:
            attempt += 1
            retry_after = 0.0
            try:
                status, headers, text = self._fetch(method, path, data)
            except (OSError, http.client.HTTPException) as cause:
                error = CairnUnreachableError(name, attempt, cause)
                error.__cause__ = cause
                has_unknown_outcome = True
            else:
                if 200 <= status < 300:
                    return json.loads(text) if text else None
                problem = _problem_of(status, text)
                if accept(problem, has_unknown_outcome):
                    return problem
                error = CairnProblemError(name, problem, attempt)
                if status not in _STATUSES_TO_RETRY:
                    raise error
                has_unknown_outcome = has_unknown_outcome or status in (502, 504)
                retry_after = _retry_after(headers.get("retry-after"))
            if attempt > retries_max or retry_after > self._backoff_max:
                raise error
            time.sleep(self._wait(attempt, retry_after))

    def _wait(self, attempt, retry_after):
        """Seconds before the next attempt; clients refused together do not come back together."""
        bound = min(self._backoff_max, self._backoff * 2 ** (attempt - 1))
        return min(self._backoff_max, retry_after + bound * random.uniform(0.5, 1.0))

    def _fetch(self, method, path, data):
        headers = {} if data is None else {"content-type": "application/json"}
        if self._api_key is not None:
            headers["authorization"] = f"Bearer {self._api_key}"
        request = urllib.request.Request(
            self._url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as response:
            with response:
                return response.code, response.headers, response.read()

    def _batches(self, entries, count_max=None):
        """Cuts a list into batches within both limits; an entry above the size goes alone."""
        count_max = count_max or self._batch_events_max
        batch, characters = [], 0
        for entry in entries:
            size = len(json.dumps(entry, allow_nan=False)) + 2
            is_full = len(batch) >= count_max or characters + size > self._batch_characters_max
            if batch and is_full:
                yield batch
                batch, characters = [], 0
            batch.append(entry)
            characters += size
        if batch:
            yield batch


class Profiles:
    """Stored attributes of items or of users."""

    def __init__(self, cairn, kind):
        self._cairn = cairn
        self._kind = kind

    def put(self, id, attributes):
        """Replaces the attributes, and returns the stored profile."""
        return self._cairn._send("PUT", self._path(id), {"attributes": attributes})

    def put_many(self, profiles):
        """Replaces the attributes of many, in as many requests as that takes.

        profiles: dicts like {"id": "item-1", "attributes": {"year": 1994}}.
        """
        total = {"stored": 0, "rejected": 0, "profiles": []}
        for batch in self._cairn._batches(profiles, _PROFILES_PER_LIST_MAX):
            answer = self._cairn._send(
                "POST",
                f"/v1/{self._kind}s",
                batch,
                accept=lambda problem, _: problem["type"] == "/problems/no-profile-stored",
            )
            total["stored"] += answer["stored"]
            total["rejected"] += answer["rejected"]
            total["profiles"] += answer["profiles"]
            if "note" in answer:
                total.setdefault("note", answer["note"])
        return total

    def patch(self, id, changes):
        """Replaces some attributes, removes those that are None, and keeps the others."""
        return self._cairn._send("PATCH", self._path(id), {"attributes": changes})

    def count(self):
        """Returns the number of stored profiles."""
        return self._page(limit=1)["count"]

    def list(self, written_before=None):
        """Yields every stored profile, read page by page; one that is written meanwhile may come
        twice.

        written_before: only profiles whose last write was before: stale ones; ms since the Unix
            epoch, or an ISO 8601 text with its zone.
        """
        query = {"limit": 1000}
        if written_before is not None:
            query["writtenBefore"] = written_before
        while True:
            page = self._page(**query)
            yield from page["profiles"]
            if "next" not in page:
                return
            query["cursor"] = page["next"]

    def _page(self, **query):
        return self._cairn._send("GET", f"/v1/{self._kind}s?{urllib.parse.urlencode(query)}")

    def get(self, id):
        """Returns the stored profile; None where none is stored."""
        unknown = f"/problems/unknown-{self._kind}"
        answer = self._cairn._send(
            "GET", self._path(id), accept=lambda problem, _: problem["type"] == unknown
        )
        return None if answer.get("type") == unknown else answer

    def delete(self, id):
        """Deletes the attributes; absent ones are no error."""
        self._cairn._send("DELETE", self._path(id))

    def _path(self, id):
        return f"/v1/{self._kind}s/{urllib.parse.quote(id, safe='')}"


class Users(Profiles):
    """Stored attributes of users, and their erasure."""

    def forget(self, id):
        """Erases a user: attributes, kept features, open rankings and learned rows.

        Returns a receipt for `erasure`; keep its "erasureId", which has nothing of the user.
        """
        return self._cairn._send("DELETE", f"{self._path(id)}?forget=true")

    def erasure(self, erasure_id):
        """Returns the receipt of an erasure as it is now."""
        quoted = urllib.parse.quote(erasure_id, safe="")
        return self._cairn._send("GET", f"/v1/erasures/{quoted}")


class _EventQueue:
    """Tracked events that are not sent yet. One thread sends them, in order."""

    def __init__(self, cairn, flush_interval, events_max, on_lost):
        self._cairn = cairn
        self._flush_interval = flush_interval
        self._events_max = events_max
        self._on_lost = on_lost
        self._waiting = []
        self._added = 0
        self._settled = 0
        self._due_at = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = None

    def add(self, event):
        sent = _with_id(event)
        # An event that is no JSON raises here, and not in a batch with others.
        json.dumps(sent, allow_nan=False)
        with self._changed:
            if self._closed:
                raise CairnQueueError("The client is closed; the event was not taken.")
            if len(self._waiting) >= self._events_max:
                raise CairnQueueError(
                    f"{self._events_max} events wait to be sent; the event was not taken. "
                    "Track it later, or raise queue_events_max."
                )
            self._waiting.append(sent)
            self._added += 1
            if self._due_at is None:
                self._due_at = time.monotonic() + self._flush_interval
            if len(self._waiting) >= self._cairn._batch_events_max:
                self._due_at = time.monotonic()
            if self._thread is None:
                # A daemon: a program that forgets close() ends, and loses what was not flushed.
                self._thread = threading.Thread(target=self._run, name="cairn", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return sent["eventId"]

    def flush(self):
        with self._changed:
            added = self._added
            if self._waiting:
                self._due_at = time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._settled >= added)

    def close(self):
        with self._changed:
            self._closed = True
        self.flush()
        with self._changed:
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self):
        while True:
            with self._changed:
                while not self._waiting or time.monotonic() < self._due_at:
                    if self._closed and not self._waiting:
                        return
                    left = None if not self._waiting else self._due_at - time.monotonic()
                    self._changed.wait(left)
                batch = next(self._cairn._batches(self._waiting))
                del self._waiting[: len(batch)]
                if not self._waiting:
                    self._due_at = None
            try:
                self._send(batch)
            finally:
                with self._changed:
                    self._settled += len(batch)
                    self._changed.notify_all()

    def _send(self, batch):
        try:
            results = self._cairn._send_batch(batch, self._cairn._track_retries_max)
        except CairnError as error:
            self._lose(batch, error)
            return
        for event, result in zip(batch, results):
            if result["status"] == "rejected":
                self._lose([event], CairnProblemError("POST /v1/events", result["problem"], 1))

    def _lose(self, events, error):
        try:
            self._on_lost(events, error)
        except Exception as failure:  # a callback must not end the thread that sends
            print(f"cairn: on_lost failed: {failure!r}", file=sys.stderr)


def _with_id(event):
    """An event keeps its id in each retry, so that it counts once."""
    return event if event.get("eventId") is not None else {**event, "eventId": str(uuid.uuid4())}


def _print_lost(events, error):
    print(f"cairn: events that were not accepted: {len(events)}: {error}", file=sys.stderr)


def _problem_of(status, text):
    """The problem of an answer; a text of another kind, as of a proxy, becomes its detail."""
    try:
        problem = json.loads(text)
        if isinstance(problem["type"], str) and isinstance(problem["status"], int):
            return problem
    except (ValueError, KeyError, TypeError):
        pass
    detail = text.decode("utf-8", "replace")[:500]
    return {"type": "about:blank", "title": "", "status": status, "detail": detail}


def _retry_after(value):
    """Wait that the server asks for, in seconds or as a date, s; 0 without a readable one."""
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
