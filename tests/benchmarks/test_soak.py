"""What a soak concludes from what it sees, and that it tells right answers from wrong ones."""

from __future__ import annotations

import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmarks.soak import Held, Told, WrongError, judged, kinds, level, summary

from benchmarks import soak
from ocr_serving import data


def held(*, resident: int = 800 << 20, files: int = 50, threads: int = 20, at: int) -> Held:
    return Held(at * 5.0, resident, files, threads, 6)


def test_what_a_service_takes_while_it_warms_up_is_no_growth() -> None:
    samples = [held(at=n, resident=(300 + 200 * min(n, 3)) << 20) for n in range(9)]
    assert judged(samples)["memory"] == 1
    assert level(judged(samples))


@pytest.mark.parametrize("leak", ["resident", "files", "threads"])
def test_what_goes_on_growing_is_missed(leak: str) -> None:
    def sample(n: int) -> Held:
        grown = 1 + n / 20
        return held(
            at=n,
            resident=int((800 << 20) * (grown if leak == "resident" else 1)),
            files=int(50 * (grown if leak == "files" else 1)),
            threads=int(20 * (grown if leak == "threads" else 1)),
        )

    samples = [sample(n) for n in range(30)]
    assert not level(judged(samples))
    told = Told()
    told.note("pages", "500 in place of 200: ")
    said = summary(samples, told, judged(samples), reached=False)
    assert "1 answers were wrong" in said
    assert "- pages: 500 in place of 200" in said
    assert said.endswith("MISSED")


class Broken(BaseHTTPRequestHandler):
    """A service that fails at everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(500)

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_failing_service_is_wrong_whatever_is_posted() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            doing = kinds(f"http://127.0.0.1:{server.server_port}", [data.EXAMPLE], ["ocr_system"])
            # The one waits for no answer, the other posts nothing.
            posts = [kind for kind in doing if kind.name not in ("callers that leave", "probes, metrics, pages for people")]
            assert len(posts) == 7
            for kind in posts:
                with pytest.raises(WrongError, match="500 in place of"):
                    kind.send(random.Random(1))
        finally:
            server.shutdown()
            thread.join()


def test_a_number_of_minutes_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        soak.main(["--minutes", "soon"])
    assert "'soon' is no number of minutes between 0.3 and 600" in capsys.readouterr().err
