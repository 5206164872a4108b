"""The client's distribution: against real services, and against one that is full for a while."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docx
import pytest

from helpers import pdfs
from helpers.services import ECHO, Service, free_port, serve
from ocr_serving import data
from ocr_serving_client import AsyncClient, BusyError, Client, KeyNeededError, OCRError, RefusedError, UnreachableError

ROOT = Path(__file__).parents[2]
THREE = pdfs.of_text(["The first page of all"], ["The second page of all"], ["The third page of all"])

pytestmark = pytest.mark.models


def test_a_page_is_text_lines_words_and_places(ocr: Service) -> None:
    with Client(ocr.url) as client:
        read = client.read(data.PAGE)
        assert read.text.startswith("INVOICE")
        assert read.lines[0].text == "INVOICE"
        assert read.lines[0].quad[0][0] < read.lines[0].quad[1][0]
        assert "Harbour" in [word.text for word in read.words]
        assert all(0 <= word.confidence <= 1 for word in read.words)
        assert read.remarks == ()
        line = client.read(data.WARMUP.read_bytes()).text
        with data.WARMUP.open("rb") as file:
            assert client.read(file, module="ocr_system").text == line
        assert [item["text"] for item in client.predict("ocr_system", data.WARMUP)[0]] == [line]
        assert {"ocr_system", "ocr_det"} <= set(client.modules())


def test_tables_and_corrections_become_documents(structure: Service, tmp_path: Path) -> None:
    with Client(f"{structure.url}/predict/structure_system") as client:
        read = client.read(data.PAGE, "table")
        [table] = read.tables
        assert table.rows[0] == ["Item", "Description", "Qty", "Unit price", "Amount"]
        assert table.rows[1][1] == "Hydraulic pump HP-200"
        heading = read.tree["pages"][0]["blocks"][0]
        heading["text"] = "RECHNUNG"
        made = docx.Document(io.BytesIO(client.convert(read, "docx")))
        assert "RECHNUNG" in [paragraph.text for paragraph in made.paragraphs]
        assert client.convert(data.PAGE, "pdf").startswith(b"%PDF")


def test_a_pdf_is_read_page_by_page_and_some_pages_alone(structure: Service) -> None:
    seen: list[tuple[int, int]] = []
    with Client(structure.url) as client:
        read = client.read(THREE, progress=lambda done, of: seen.append((done, of)))
        assert seen == [(1, 3), (2, 3), (3, 3)]
        assert [page.number for page in read.pages] == [1, 2, 3]
        assert "third" in read.pages[2].text
        assert [page.number for page in client.read(THREE, pages="2-9").pages] == [2, 3]
        with pytest.raises(RefusedError, match="there is no page 4"):
            client.read(THREE, pages="4")


def test_it_is_awaited_too(structure: Service) -> None:
    async def both() -> Sequence[str]:
        async with AsyncClient(structure.url) as client:
            one, other = await asyncio.gather(client.read(THREE, pages="1"), client.read(THREE, pages="2"))
            return one.text, other.text

    one, other = asyncio.run(both())
    assert "first" in one
    assert "second" in other


def test_what_goes_wrong_is_a_sentence(ocr: Service, tmp_path: Path) -> None:
    with Client(ocr.url, retries=0) as client:
        with pytest.raises(OCRError, match="cannot read a form: start it with kie_ser_re"):
            client.read(data.PAGE, "form")
        with pytest.raises(RefusedError, match="cannot be decoded"):
            client.read(b"no picture")
        with pytest.raises(OCRError, match=r"missing\.png cannot be read: No such file"):
            client.read(tmp_path / "missing.png")
        with pytest.raises(RefusedError, match="unexpected keyword argument 'nonsense'"):
            client.read(data.PAGE, nonsense=1)
        with pytest.raises(OCRError, match="pages takes"):
            client.read(data.PAGE, pages="x")
    with pytest.raises(OCRError, match="is not the address"):
        Client("localhost:8868")
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(UnreachableError, match="is it running"):
        client.read(data.PAGE)


def test_a_key_is_sent(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with serve(tmp_path, {str(ECHO): {}}, workers=1, api_keys_file=str(tmp_path / "keys")) as service:
        with Client(service.url) as client, pytest.raises(KeyNeededError, match="key is needed"):
            client.predict("echo", data.WARMUP)
        with Client(service.url, "secret") as client:
            assert client.predict("echo", data.WARMUP)


def test_a_file_as_large_as_a_request_is_taken_and_odd_names_and_arguments_arrive(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1, max_body_mb=1) as service, Client(service.url) as client:
        # As base64 it would be larger than the limit.
        picture = tmp_path / 'a "b";\nc, ü\udcff.png'
        picture.write_bytes(data.WARMUP.read_bytes() + bytes(900_000))
        with picture.open("rb") as opened:
            plain, named = client.predict("echo", picture), client.predict("echo", opened)
        assert plain == named == client.predict("echo", data.WARMUP)
        # An argument that is longer than what a form takes beside files.
        with pytest.raises(RefusedError, match="over the limit of 1 MiB"):
            client.predict("echo", data.WARMUP, text="x" * 2_000_000)


class _Full(BaseHTTPRequestHandler):
    """Answers by the list of its server: Retry-After of a 503, "drop" for a connection that is closed, "" for an answer."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        plan: list[str] = self.server.plan  # type: ignore[attr-defined]
        self.server.asked.append(time.monotonic())  # type: ignore[attr-defined]
        step = plan.pop(0)
        if step == "drop":
            self.connection.close()
            return
        self.send_response(503 if step else 200)
        if step not in ("", "never"):
            self.send_header("Retry-After", step)
        body = b'{"msg":"The queue is full.","results":"","status":"101"}' if step else b'{"msg":"","results":[1],"status":"000"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def full() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Full) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_full_service_is_asked_again_when_it_says(full: ThreadingHTTPServer) -> None:
    full.plan = ["1", "drop", "0", ""]  # type: ignore[attr-defined]
    with Client(f"http://127.0.0.1:{full.server_port}") as client:
        assert client.predict("x", b"y") == [1]
    first, second, *_ = full.asked  # type: ignore[attr-defined]
    assert second - first >= 1
    full.plan = ["0"] * 3  # type: ignore[attr-defined]
    with Client(f"http://127.0.0.1:{full.server_port}", retries=2) as client, pytest.raises(BusyError, match="queue is full"):
        client.predict("x", b"y")
    full.plan = ["never", ""]  # type: ignore[attr-defined]
    with Client(f"http://127.0.0.1:{full.server_port}") as client, pytest.raises(RefusedError, match="queue is full"):
        client.predict("x", b"y")
    assert full.plan == [""]  # type: ignore[attr-defined]


def test_it_needs_httpx_alone() -> None:
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["httpx>=0.27"]
    code = (
        "import sys, ocr_serving_client; "
        "print(sorted(sys.modules.keys() & {'ocr_serving', 'numpy', 'cv2', 'requests', 'pandas', 'pydantic', 'flask'}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "client").stdout
    assert told == "[]\n"
