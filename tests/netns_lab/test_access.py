"""The lab's own client of its API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from netns_lab.access import BUSY, Access


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[Access, list[str]]]:
    """Give a client of a server with these answers, and the requests that it has seen."""
    seen: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(statuses[len(seen) - 1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Access("127.0.0.1", server.server_port, None), seen
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_is_not_ready_for_a_request_is_asked_again() -> None:
    with answering(BUSY, 200) as (access, seen):
        status, _ = access.request("GET", "/things", None, "application/json")

    assert (status, seen) == (200, ["/things", "/things"])


def test_any_other_refusal_is_the_answer() -> None:
    with answering(404) as (access, seen):
        status, _ = access.request("GET", "/none", None, "application/json")

    assert (status, seen) == (404, ["/none"])
