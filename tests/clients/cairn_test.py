"""Batches, waits and bounds of the Python client, against a scripted server.

    cairn_test.py <folder of cairn.py>
"""

import http.server
import json
import sys
import threading
import time
import unittest

sys.path.insert(0, sys.argv.pop(1))

from cairn import Cairn, CairnProblemError, CairnQueueError  # noqa: E402


class Server:
    """Answers each request by `answer(path, body)`: a status, headers and a body."""

    def __init__(self, answer):
        outer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append(body)
                status, headers, answered = answer(self.path, body)
                text = json.dumps(answered).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def accept_all(_path, events):
    results = [{"eventId": e["eventId"], "status": "accepted", "acceptedAtMs": 1} for e in events]
    return 200, {}, {"accepted": len(events), "duplicates": 0, "rejected": 0, "events": results}


def titled(body):
    problem = {"type": "about:blank", "status": 404, **body}
    return lambda _path, _body: (404, {}, problem)


def problem(kind, status, headers):
    body = {"type": f"/problems/{kind}", "title": "t", "status": status, "detail": "d"}
    return lambda _path, _body: (status, headers, body)


def click(n):
    return {"eventId": f"e-{n}", "rankingId": "r", "item": "i", "action": "click"}


class ClientTest(unittest.TestCase):
    def test_events_of_several_threads_are_sent_once_in_batches_within_the_bound(self):
        with Server(accept_all) as server:
            with Cairn(server.url, batch_events_max=50) as cairn:
                threads = [
                    threading.Thread(
                        target=lambda k=k: [cairn.track(click(k * 100 + i)) for i in range(100)]
                    )
                    for k in range(8)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            ids = [event["eventId"] for batch in server.requests for event in batch]
            self.assertEqual(sorted(ids), sorted(f"e-{n}" for n in range(800)))
            self.assertLessEqual(max(len(batch) for batch in server.requests), 50)

    def test_an_event_is_sent_after_the_flush_interval(self):
        with Server(accept_all) as server:
            cairn = Cairn(server.url, flush_interval=0.02)
            cairn.track(click(1))
            ends_at = time.monotonic() + 10
            while not server.requests and time.monotonic() < ends_at:
                time.sleep(0.005)
            self.assertEqual(server.requests, [[click(1)]])
            cairn.close()

    def test_a_retry_waits_as_long_as_the_server_asks_for(self):
        with Server(problem("log-full", 503, {"retry-after": "1"})) as server:
            begun_at = time.monotonic()
            with self.assertRaises(CairnProblemError) as raised:
                Cairn(server.url, retries_max=1, backoff=0.001).rank({"user": "u"})
            self.assertGreaterEqual(time.monotonic() - begun_at, 1.0)
            self.assertEqual((raised.exception.kind, raised.exception.attempts), ("log-full", 2))
            first, second = server.requests
            self.assertEqual(first["rankingId"], second["rankingId"])

    def test_a_longer_wait_than_allowed_is_not_begun(self):
        with Server(problem("overloaded", 429, {"retry-after": "3600"})) as server:
            with self.assertRaises(CairnProblemError) as raised:
                Cairn(server.url).rank({"user": "u"})
            self.assertEqual(raised.exception.attempts, 1)

    def test_an_address_without_http_is_refused_at_once(self):
        with self.assertRaises(ValueError) as raised:
            Cairn("localhost:8080")
        self.assertEqual(
            str(raised.exception), 'url is "localhost:8080"; begin it with http:// or https://'
        )

    def test_an_error_names_the_attempts_where_there_were_several(self):
        for retries_max, text in [(0, "503: "), (1, "503 after 2 attempts: ")]:
            with Server(problem("log-full", 503, {})) as server:
                with self.assertRaises(CairnProblemError) as raised:
                    Cairn(server.url, retries_max=retries_max, backoff=0.001).rank({"user": "u"})
                self.assertIn(f"POST /v1/rank was answered {text}", str(raised.exception))

    def test_an_error_without_a_detail_ends_in_its_title(self):
        for body, text in [({"title": "Gone"}, "404: Gone"), ({}, "404")]:
            with Server(titled(body)) as server:
                with self.assertRaises(CairnProblemError) as raised:
                    Cairn(server.url).rank({"user": "u"})
                self.assertEqual(str(raised.exception), f"POST /v1/rank was answered {text}")

    def test_an_event_that_the_server_could_not_take_just_now_is_sent_again_alone(self):
        refused = []

        def answer(path, events):
            status, headers, body = accept_all(path, events)
            if not refused:
                refused.append(events[1])
                rejected = {
                    "type": "/problems/log-full",
                    "title": "t",
                    "status": 503,
                    "detail": "d",
                    "retryAfterSeconds": 0.1,
                }
                body["events"][1] = {"status": "rejected", "problem": rejected}
                return 207, headers, body
            return status, headers, body

        with Server(answer) as server:
            begun_at = time.monotonic()
            sent = Cairn(server.url, backoff=0.001).send_events([click(1), click(2), click(3)])
            self.assertGreaterEqual(time.monotonic() - begun_at, 0.1)
            self.assertEqual((sent["accepted"], sent["rejected"]), (3, 0))
            self.assertEqual([len(batch) for batch in server.requests], [3, 1])

    def test_a_full_queue_and_an_event_that_is_no_json_are_refused(self):
        with Server(accept_all) as server:
            cairn = Cairn(server.url, flush_interval=3600, queue_events_max=2)
            cairn.track(click(1))
            with self.assertRaises(TypeError):
                cairn.track({"item": object()})
            with self.assertRaises(ValueError):
                cairn.track({"value": float("nan")})
            cairn.track(click(2))
            with self.assertRaises(CairnQueueError):
                cairn.track(click(3))
            cairn.close()
            self.assertEqual(server.requests, [[click(1), click(2)]])


if __name__ == "__main__":
    unittest.main()
