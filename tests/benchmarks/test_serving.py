"""What the servers' answers mean, how they are driven, and what a page costs beyond its networks."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.library import plot, servers
from benchmarks.library.answering import Answering
from benchmarks.library.load import Outcome, Reply
from benchmarks.library.support import BenchmarkError
from benchmarks.peers import environment, readers

from benchmarks import serving

MOST_CPU = 1.35
"""Of the floor's CPU seconds: a busy machine does not take the service there, a cost that doubles does."""


@pytest.mark.models
def test_a_page_costs_little_more_than_its_networks(tmp_path: Path) -> None:
    assert serving.main(["--short", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert 0.8 < found["cpu_of_floor"] < MOST_CPU
    ours, floor = found["rows"]
    assert (ours["server"], floor["server"], ours["lost"], floor["lost"]) == ("ours", "floor", 0, 0)
    assert ours["answered"] == floor["answered"] > 0
    assert ours["lines_per_page"] > 10
    assert floor["engines"] == "onnxruntime"


Answer = tuple[int, dict[str, str], Any]


@pytest.fixture
def answers() -> Iterator[tuple[str, list[Answer], list[bytes]]]:
    """A server that gives the answers of a list in turn, and keeps the bodies it is sent."""
    left: list[Answer] = []
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            code, headers, body = left.pop(0)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", left, got
        server.shutdown()
        thread.join()


LINE = {"text": "a", "confidence": 1.0, "text_region": [[0, 0], [1, 0], [1, 1], [0, 1]]}


def test_answers_refusals_and_losses_are_told_apart(answers: tuple[str, list[Answer], list[bytes]]) -> None:
    url, left, got = answers
    left += [
        (200, {}, {"status": "000", "msg": "", "results": [[LINE, LINE]]}),
        (200, {}, {"status": "101", "msg": "broken", "results": ""}),
        (200, {}, {"status": "000", "msg": "it cannot be decoded", "results": [[]]}),
        (200, {}, b"not JSON"),
        (503, {"Retry-After": "7"}, {}),
        (503, {}, {}),
        (500, {}, {}),
    ]
    ask = functools.partial(servers.post, url, [b"zero", b"one"], servers.hubserving_lines)
    replies = [ask(page) for page in (1, 0, 0, 0, 0, 0, 0)]
    assert got[:2] == [b"one", b"zero"]
    assert (replies[0].outcome, replies[0].lines) == (Outcome.ANSWERED, 2)
    assert [reply.outcome for reply in replies[1:]] == [Outcome.LOST] * 3 + [Outcome.REFUSED] * 2 + [Outcome.LOST]
    assert [reply.retry_after for reply in replies[4:6]] == [7.0, 0.0]
    assert replies[6].why == "code 500"


def test_a_server_that_is_gone_has_lost_the_page() -> None:
    reply = servers.post("http://127.0.0.1:1/", [b""], servers.hubserving_lines, 0)
    assert reply.outcome is Outcome.LOST
    assert reply.why == "no answer: ConnectionError"


def helper(program: str) -> Answering:
    return Answering([sys.executable, "-c", program], os.environ)


ECHO = "import sys; print(0, flush=True); [print(int(line) * 10, flush=True) for line in sys.stdin]"


def test_a_page_goes_to_a_helper_that_is_free() -> None:
    helpers = [helper(ECHO) for _ in range(2)]
    ask = servers.pooled(helpers)
    assert [ask(page).lines for page in (1, 2, 3, 4)] == [10, 20, 30, 40]
    for one in helpers:
        one.close()


def test_a_helper_that_ends_is_told() -> None:
    with pytest.raises(BenchmarkError, match="ended early"):
        helper("")
    short_lived = helper("print(0, flush=True)")
    with pytest.raises(BenchmarkError, match="ended early"):
        short_lived.ask(1)


def test_paddlex_is_given_our_networks_and_otherwise_what_it_ships() -> None:
    shipped: dict[str, Any] = yaml.safe_load("""
        pipeline_name: OCR
        use_doc_preprocessor: True
        use_textline_orientation: False
        SubPipelines: {DocPreprocessor: {}}
        SubModules:
          TextDetection: {model_name: a, model_dir: null, limit_side_len: 64}
          TextLineOrientation: {model_name: b, model_dir: null, batch_size: 6}
          TextRecognition: {model_name: c, model_dir: null, batch_size: 6}
    """)
    found = readers.paddlex_pipeline(shipped, "PP-OCRv4_mobile", Path("/x"), use_angle_cls=True)
    assert (found["use_doc_preprocessor"], found["use_textline_orientation"], "SubPipelines" in found) == (False, True, False)
    assert found["SubModules"]["TextDetection"] == {
        "model_name": "PP-OCRv4_mobile_det",
        "model_dir": "/x/det",
        "limit_side_len": 64,
    }
    assert found["SubModules"]["TextRecognition"]["model_dir"] == "/x/rec"
    files = readers.inference_files("PP-OCRv4_mobile", ["a", "b"])
    names = {kind: content["Global"]["model_name"] for kind, content in files.items()}
    modules = (("det", "TextDetection"), ("cls", "TextLineOrientation"), ("rec", "TextRecognition"))
    assert names == {kind: found["SubModules"][module]["model_name"] for kind, module in modules}
    assert files["rec"]["PostProcess"]["character_dict"] == ["a", "b"]


def test_paddlex_speaks_of_errors_and_lines_in_its_own_form() -> None:
    page = {"prunedResult": {"rec_texts": ["a", "b"]}}
    assert readers.paddlex_lines({"errorCode": 0, "result": {"ocrResults": [page]}}) == 2
    with pytest.raises(ValueError, match="full"):
        readers.paddlex_lines({"errorCode": 500, "errorMsg": "full"})
    assert json.loads(readers.paddlex_body(b'{"images": ["QQ=="]}')) == {"file": "QQ==", "fileType": 1}


def test_a_set_without_paddle_weights_is_said_to_have_none() -> None:
    assert readers.paddle_set("PP-OCRv4_mobile").det == "PP-OCRv4_mobile_det_paddle"
    with pytest.raises(BenchmarkError, match="no weights of PP-OCRv6_small in Paddle format"):
        readers.paddle_set("PP-OCRv6_small")


def test_every_peer_has_pins() -> None:
    for name in ("paddlex", "rapidocr", "hubserving"):
        pins = [line for line in (environment.HERE / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
        assert pins
        assert all(line.count("==") == 1 for line in pins)


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "peer.txt").write_text("no such requirement\n")
    monkeypatch.setattr(environment, "HERE", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BenchmarkError, match=r"peer could not be installed from peer\.txt"):
        environment.python("peer")
    left = [path.suffix for path in (tmp_path / "cache" / "ocr-serving" / "peers").iterdir()]
    assert sorted(left) == [".lock", ".partial"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--servers", "ours,triton"], "there is no server 'triton': take of ours,floor"),
        (["--clients", "4,none"], "'none' is not a whole number over zero"),
    ],
)
def test_options_are_checked_first(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        serving.main(arguments)
    assert said in capsys.readouterr().err


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], None]:
    """Peers that answer at once, or do not start for a reason."""

    def set_up(name: str, reason: str | None) -> None:
        @contextlib.contextmanager
        def start(chosen: str, model_set: str, images: list[Path]) -> Iterator[servers.Server]:
            assert chosen == name
            if reason is not None:
                raise BenchmarkError(reason)
            yield servers.Server(name, lambda page: Reply(Outcome.ANSWERED, lines=2), (os.getpid(),))

        monkeypatch.setattr(readers, "start", start)
        monkeypatch.setattr(plot, "require", lambda: None)
        monkeypatch.setattr(plot, "draw", lambda rows, title, labels, path: path.write_text(title))

    return set_up


def test_pieces_add_up_and_a_peer_that_does_not_start_is_left_out(
    fake: Callable[[str, str | None], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "--models",
        "PP-OCRv6_tiny",
        "--pages",
        "2",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--add",
    ]
    fake("rapidocr", None)
    assert serving.main([*command, "--servers", "rapidocr", "--clients", "1,64"]) == 0
    fake("hubserving", "It has no weights.")
    assert serving.main([*command, "--servers", "hubserving"]) == 0
    assert "left out: It has no weights." in capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [(row["server"], row["clients"]) for row in found["rows"]] == [("rapidocr", 1)]
    assert found["left_out"] == {"hubserving": "It has no weights."}
    said = (tmp_path / "out" / "report.md").read_text()
    assert "rapidocr, in-process" in said
    assert "It has no weights." in said
    assert serving.main([*command, "--servers", "rapidocr", "--pages", "1"]) == 2
    assert "is of other pages" in capsys.readouterr().err
