"""`ocr-serving compare`: what it says of two services, on a real one and on one whose answers are known."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ocr_serving import cli, data


@contextmanager
def answering(text: str, timing: str = "") -> Iterator[str]:
    """The URL of a service that reads `text` on every page."""
    line = {"text": text, "confidence": 0.9, "text_region": [[1, 1], [9, 1], [9, 5], [1, 5]]}
    body = json.dumps({"msg": "", "results": [[line]], "status": "000"}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            for name, value in {"Content-Length": str(len(body)), **({"Server-Timing": timing} if timing else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/predict/ocr_system"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Two pages on which stands `to be or not to be`."""
    folder = tmp_path / "golden"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(data.WARMUP, folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("to be or\nnot to be\n")
    (folder / "notes.txt").write_text("of no page")
    return folder


def compare(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_both_are_told_with_their_f1_and_the_times_they_say(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering("to be or not to be", "work;dur=200.0, cpu;dur=150.5") as old, answering("to be, or") as new:
        code, out, _ = compare(capsys, "--golden", pages, "--old", old, "--new", new, "--report", tmp_path / "report")
    assert code == 0
    assert (tmp_path / "report").read_text() == out
    told = json.loads(out)
    assert told["pages"] == 2
    assert told["old"] == {"wordF1": 1.0, "seconds": 0.2, "cpuSeconds": 0.1505}
    assert told["new"].keys() == {"wordF1", "seconds"}
    assert told["new"]["wordF1"] == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.models
def test_a_real_service_is_as_good_as_itself_and_tells_its_cpu(
    ocr_system_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data.WARMUP, tmp_path / "page.png")
    (tmp_path / "page.txt").write_text("ocr-serving reads this line")
    url = f"{ocr_system_url}/predict/ocr_system" if "/predict/" not in ocr_system_url else ocr_system_url
    code, out, _ = compare(capsys, "--golden", tmp_path, "--old", url, "--new", url)
    told = json.loads(out)
    assert code == 0
    assert told["old"]["wordF1"] == told["new"]["wordF1"]
    assert 0 < told["old"]["cpuSeconds"] < 60
    assert 0 < told["new"]["seconds"] < 60


def test_what_is_missing_is_said(pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--old", "http://127.0.0.1:1/predict/a", "--new", "http://127.0.0.1:1/predict/a")
    (pages / "b.txt").unlink()
    code, _, err = compare(capsys, "--golden", pages, *asked)
    assert (code, err) == (1, "ocr-serving: b.png has no b.txt in UTF-8 beside it: write the words that stand on it there.\n")
    (tmp_path / "empty").mkdir()
    code, _, err = compare(capsys, "--golden", tmp_path / "empty", *asked)
    assert code == 1
    assert "holds no pictures" in err


def test_a_service_that_does_not_answer_is_named_with_the_page(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering("to be") as old:
        code, _, err = compare(capsys, "--golden", pages, "--old", old, "--new", "http://127.0.0.1:1/predict/ocr_system")
    assert code == 1
    assert err.startswith("ocr-serving: a.png, the new service: No server answers at ")
