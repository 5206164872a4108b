"""`ocr-serving client` against the real service, and against servers that are full, broken or not there."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest

from helpers.services import free_port
from ocr_serving import cli, data
from ocr_serving.client import AnswerError, Client, UnreachableError

GOOD = {
    "msg": "",
    "results": [[{"text": "hello", "confidence": 0.9, "text_region": [[1, 1], [9, 1], [9, 5], [1, 5]]}]],
    "status": "000",
}


@dataclass
class Scripted:
    """A server that gives prepared answers, `(code, headers, body)` in turn and the last for ever; None drops the connection."""

    answers: list[tuple[int, dict[str, str], bytes] | None]
    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes] | None) -> Iterator[Scripted]:
    script = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.before()
            script.requests.append((dict(self.headers), body))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            for name, value in (answer[1] | {"Content-Length": str(len(answer[2]))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer[2])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}/predict/ocr_system"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever, 0.02)
        try:
            yield script
        finally:
            server.shutdown()
            server.server_close()


def answer(body: object = GOOD, code: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()


def test_a_server_is_waited_for_while_it_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at first, then it loads its models for longer than a full one would be asked again."""
    with scripted(*[answer(LOADING, 503, Retry_After="1")] * 5, answer()) as script, Client(script.url, patience=60) as client:
        client.url = f"http://127.0.0.1:{free_port()}/predict/ocr_system"
        looks: list[float] = []

        def comes_back(seconds: float) -> None:
            looks.append(seconds)
            client.url = script.url

        monkeypatch.setattr("ocr_serving.client.time.sleep", comes_back)
        assert client.predict(b"x").entries == GOOD["results"]
        assert len(looks) == 1 + 5


def test_a_full_server_is_asked_no_more_often_for_patience(waits: list[float]) -> None:
    full = [answer(FULL, 503, Retry_After="1")] * 5
    with scripted(answer(), *full, answer()) as script, Client(script.url, patience=60) as client:
        client.predict(b"x")
        with pytest.raises(AnswerError, match="All workers are busy"):
            client.predict(b"x")
        assert len(waits) == client.retries


def test_without_patience_nobody_who_listens_is_waited_for(waits: list[float]) -> None:
    with Client(f"http://127.0.0.1:{free_port()}/predict/ocr_system") as client, pytest.raises(UnreachableError):
        client.predict(b"x")
    assert waits == []


LOADING = {"msg": "The models are still loading.", "results": "", "status": "101"}
FULL = {"msg": "All workers are busy.", "results": "", "status": "101"}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits the client would have made, which the test does not."""
    made: list[float] = []
    monkeypatch.setattr("ocr_serving.client.time.sleep", made.append)
    return made


@pytest.mark.models
def test_a_folder_gives_lines_answers_and_pictures_and_goes_on_after_a_bad_image(
    ocr_system_url: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    shutil.copy(data.PAGE, "in/invoice.jpg")
    shutil.copy(data.WARMUP, "in/strip.png")
    Path("in/broken.JPG").write_bytes(b"not an image")
    Path("in/notes.txt").write_text("not taken")
    Path("in/deeper").mkdir()
    shutil.copy(data.WARMUP, "in/deeper/strip.png")
    assert cli.main(["client", "--server_url", ocr_system_url, "--image_dir", "in", "--visualize"]) == 1
    out, err = capsys.readouterr()
    average, summary = out.splitlines()
    assert re.fullmatch(r"avg time cost: \d+\.\d{3} s per image, 3 images, without the 1 that failed", average)
    assert summary == "3 read, 1 failed, 3 pages; 1 other files left alone (1 .txt)."
    assert err.startswith("  in/broken.JPG  images[0] cannot be decoded")
    assert err.count("\n") == 1
    written = {path.relative_to("hubserving_result").as_posix() for path in Path("hubserving_result").rglob("*.*")}
    assert written == {"invoice.json", "invoice.jpg", "strip.json", "strip.png", "deeper/strip.json", "deeper/strip.png"}
    body = json.loads(Path("hubserving_result/invoice.json").read_bytes())
    assert body["status"] == "000"
    assert body["results"][0][0]["text"] == "INVOICE"
    page, picture = cv2.imread(str(data.PAGE)), cv2.imread("hubserving_result/invoice.jpg")
    assert page is not None
    assert picture is not None
    assert picture.shape == (page.shape[0], 2 * page.shape[1], 3)


@pytest.mark.models
def test_one_file_and_visualize_false_write_only_the_answer(ocr_system_url: str, elsewhere: Path) -> None:
    args = [
        "client",
        "--server_url",
        ocr_system_url,
        "--image_dir",
        str(data.WARMUP),
        "--visualize",
        "false",
        "--output",
        "deep/out",
    ]
    assert cli.main(args) == 0
    assert [path.name for path in Path("deep/out").iterdir()] == [f"{data.WARMUP.stem}.json"]


def test_the_request_is_the_contracts(elsewhere: Path) -> None:
    with scripted(answer()) as server, Client(server.url, api_key="secret") as asking:
        reply = asking.predict(b"\x00image\xff")
    [(headers, body)] = server.requests
    assert json.loads(body) == {"images": [base64.b64encode(b"\x00image\xff").decode()]}
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer secret"
    assert reply.entries == GOOD["results"]
    assert reply.seconds > 0


@pytest.mark.parametrize("code", [429, 503])
def test_a_full_server_is_asked_again_after_its_retry_after(code: int, waits: list[float]) -> None:
    proxy: tuple[int, dict[str, str], bytes] = (code, {}, b"<html>busy</html>")
    with scripted(answer(FULL, code, Retry_After="7"), proxy, answer()) as server, Client(server.url) as asking:
        assert asking.predict(b"x").msg == ""
    assert waits == [7.0, 1.0]
    assert len(server.requests) == 3


def test_what_would_fail_again_is_not_sent_again(waits: list[float]) -> None:
    """A service that says 503 and not when to come back."""
    with scripted(answer(FULL, 503)) as server, Client(server.url) as asking, pytest.raises(AnswerError, match="All workers"):
        asking.predict(b"x")
    assert len(server.requests) == 1


def test_retry_after_may_be_a_date(waits: list[float]) -> None:
    past = answer(FULL, 503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    with scripted(past, answer()) as server, Client(server.url) as asking:
        asking.predict(b"x")
    assert waits == [0.0]


def test_a_server_that_stays_full_fails_the_image_with_its_reason(waits: list[float]) -> None:
    with (
        scripted(answer(FULL, 503, Retry_After="1")) as server,
        Client(server.url, retries=2) as asking,
        pytest.raises(AnswerError, match="All workers are busy"),
    ):
        asking.predict(b"x")
    assert len(server.requests) == 3


def test_a_dropped_connection_is_tried_again_and_a_server_that_drops_all_is_unreachable(waits: list[float]) -> None:
    with scripted(None, answer()) as server, Client(server.url) as asking:
        assert asking.predict(b"x").entries == GOOD["results"]
    with scripted(None) as server, Client(server.url) as asking, pytest.raises(UnreachableError, match="drops every connection"):
        asking.predict(b"x")


def test_a_slow_server_fails_the_image_and_names_the_option() -> None:
    with scripted(answer()) as server, Client(server.url, timeout=0.05) as asking:
        late = threading.Event()
        server.before = lambda: late.wait(30)
        with pytest.raises(AnswerError, match=r"no answer within 0.05 s \(--timeout\)"):
            asking.predict(b"x")
        late.set()


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"<html>Bad Gateway</html>", 502, "HTTP 502 Bad Gateway, not the JSON of an OCR service"),
        (b'{"mine": 1}', 200, "HTTP 200 OK, not the JSON of an OCR service"),
        (b'{"msg": "no", "results": "", "status": "101"}', 200, "no"),
        (b'{"msg": "", "results": "", "status": "101"}', 500, "HTTP 500, status 101, without a reason"),
        (b'{"msg": "broken image", "results": [[]], "status": "000"}', 200, "broken image"),
        (b'{"msg": "results[0] was left out", "results": [[]], "status": "000"}', 200, "left out"),
    ],
)
def test_what_is_no_result_is_told_in_one_sentence(body: bytes, code: int, reason: str) -> None:
    with scripted((code, {}, body)) as server, Client(server.url) as asking, pytest.raises(AnswerError, match=reason):
        asking.predict(b"x")


def test_a_page_on_which_nothing_is_read_was_read() -> None:
    blank = {"msg": "results[0]: it is blank, all of one colour", "results": [[]], "status": "000"}
    with scripted(answer(blank)) as server, Client(server.url) as asking:
        reply = asking.predict(b"x")
    assert (list(reply.entries), reply.msg) == ([[]], blank["msg"])


def test_no_server_is_one_sentence_with_the_url(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}/predict/ocr_system"
    Path("in").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(data.WARMUP, f"in/{name}")
    assert cli.main(["client", "--server_url", url, "--image_dir", "in"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"ocr-serving: No server answers at {url}")
    assert list(Path("hubserving_result").iterdir()) == []


def test_concurrency_keeps_that_many_images_on_the_way(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    for n in range(8):
        shutil.copy(data.WARMUP, f"in/{n}.png")
    together = threading.Barrier(4, timeout=30)
    with scripted(answer()) as server:
        server.before = together.wait
        assert cli.main(["client", "--server_url", server.url, "--image_dir", "in", "--concurrency", "4"]) == 0
    assert capsys.readouterr().out.endswith("8 read, 0 failed, 8 pages.\n")


def test_images_of_one_name_do_not_share_a_file(elsewhere: Path) -> None:
    Path("in").mkdir()
    shutil.copy(data.WARMUP, "in/a.png")
    shutil.copy(data.PAGE, "in/a.jpg")
    with scripted(answer()) as server:
        assert cli.main(["client", "--server_url", server.url, "--image_dir", "in", "--visualize", "true"]) == 0
    assert {path.name for path in Path("hubserving_result").iterdir()} == {"a_jpg.json", "a_jpg.jpg", "a_png.json", "a_png.png"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--image_dir", "in", "--visualize", "--output", "in"], "--output in is where a.png is"),
        (["--image_dir", "gone"], "gone does not exist"),
        (["--image_dir", "empty"], "empty has no image files"),
        (["--image_dir", "in", "--output", "in/a.png"], "--output in/a.png cannot be made: File exists"),
        (["--image_dir", "in", "--server_url", "127.0.0.1:8868"], "'127.0.0.1:8868' is not a URL such as"),
        (
            ["--image_dir", "in", "--server_url", "http://h:1/"],
            "'http://h:1/' names no module: end it as in http://h:1/predict/ocr_s",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    options: list[str], sentence: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    Path("empty").mkdir()
    shutil.copy(data.WARMUP, "in/a.png")
    with scripted(answer()) as server:
        assert cli.main(["client", "--server_url", server.url, *options]) == 1
    assert server.requests == []
    err = capsys.readouterr().err
    assert f"ocr-serving: {sentence}" in err
    assert "Traceback" not in err
    assert Path("in/a.png").read_bytes() == data.WARMUP.read_bytes()


def test_a_full_disk_fails_the_image_and_leaves_nothing_half_written(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    shutil.copy(data.WARMUP, "in/a.png")
    # A folder where the file should go is refused at the rename, after all bytes are written.
    Path("out/a.json").mkdir(parents=True)
    with scripted(answer()) as server:
        assert cli.main(["client", "--server_url", server.url, "--image_dir", "in", "--output", "out"]) == 1
    assert "  in/a.png  out/a.json cannot be written: Is a directory." in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["a.json"]
