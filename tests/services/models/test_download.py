"""A file from a bad network: resumed, retried, believed only by its hash."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from helpers.site import QUICK, Answer, Notes, Site, sha256
from ocr_serving.errors import ModelError
from ocr_serving.models.download import Retry, download, shown

CONTENT = bytes(range(256)) * 4096
HASH = sha256(CONTENT)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "part"


def fetch(site: Site, part: Path, *, expected: str = HASH, path: str = "/m.onnx") -> Notes:
    notes = Notes()
    download(site.url + path, part, sha256=expected, progress=notes, retry=QUICK, timeout=5)
    return notes


def test_plain(site: Site, part: Path) -> None:
    site.answers = [Answer(CONTENT)]
    notes = fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert notes.totals == [len(CONTENT)]
    assert notes.done[-1] == len(CONTENT)


def test_goes_on_where_the_connection_broke(site: Site, part: Path) -> None:
    site.answers = [Answer(CONTENT, etag='"1"', cut_after=300_000), Answer(CONTENT, etag='"1"')]
    notes = fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert site.requests[1]["Range"] == "bytes=300000-"
    assert site.requests[1]["If-Range"] == '"1"'
    assert notes.lines == [f"the connection ended after 300000 of {len(CONTENT)} bytes; trying again in 0 s"]
    assert notes.done == sorted(notes.done)


def test_server_that_knows_no_ranges(site: Site, part: Path) -> None:
    site.answers = [Answer(CONTENT, ranges=False, cut_after=300_000), Answer(CONTENT, ranges=False)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("heed", [True, False])
def test_file_that_changes_in_between(site: Site, part: Path, heed: bool) -> None:
    old = Answer(b"x" * len(CONTENT), etag='"old"', cut_after=300_000)
    site.answers = [old, Answer(CONTENT, etag='"new"', heed_if_range=heed)]
    notes = fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert any("the file changed" in line for line in notes.lines) is not heed


def test_pieces_of_two_files_without_a_tag_start_over_once(site: Site, part: Path) -> None:
    site.answers = [Answer(b"x" * len(CONTENT), cut_after=300_000), Answer(CONTENT)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert "Range" not in site.requests[-1]


def test_what_an_earlier_pull_left_is_the_beginning(site: Site, part: Path) -> None:
    part.write_bytes(CONTENT[:500_000])
    site.answers = [Answer(CONTENT)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT
    assert [request.get("Range") for request in site.requests] == ["bytes=500000-"]


def test_what_an_earlier_pull_finished_is_not_fetched(site: Site, part: Path) -> None:
    part.write_bytes(CONTENT)
    fetch(site, part)
    assert site.requests == []


def test_longer_than_the_file(site: Site, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    site.answers = [Answer(CONTENT)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [503, 429, 500])
def test_busy_server_is_asked_again(site: Site, part: Path, status: int) -> None:
    site.answers = [Answer(status=status, headers={"Retry-After": "0"}), Answer(CONTENT)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT


def test_busy_server_is_not_asked_for_ever(site: Site, part: Path) -> None:
    site.answers = [Answer(status=503)]
    with pytest.raises(ModelError, match=r"answered 503 Service Unavailable \(tried 4 times\)"):
        fetch(site, part)
    assert len(site.requests) == QUICK.attempts


def test_slow_progress_is_progress(site: Site, part: Path) -> None:
    """Ten broken connections are no failure while each brings a mebibyte."""
    content = b"0123456789abcdef" * (1 << 16) * 10
    site.answers = [Answer(content, cut_after=1 << 20)]
    fetch(site, part, expected=sha256(content))
    assert len(site.requests) == 10


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusal_is_final(site: Site, part: Path, status: int) -> None:
    site.answers = [Answer(status=status)]
    with pytest.raises(ModelError, match=f"answered {status} .*check the URL"):
        fetch(site, part)
    assert len(site.requests) == 1


def test_wrong_bytes_are_not_kept(site: Site, part: Path) -> None:
    site.answers = [Answer(b"wrong")]
    with pytest.raises(ModelError, match=f"{sha256(b'wrong')}, not {HASH}; nothing was kept"):
        fetch(site, part)
    assert not part.exists()


def test_wrong_bytes_over_a_broken_line_end_too(site: Site, part: Path) -> None:
    wrong = b"x" * 1000
    site.answers = [Answer(wrong, cut_after=600), Answer(wrong), Answer(wrong, cut_after=600), Answer(wrong)]
    with pytest.raises(ModelError, match="nothing was kept"):
        fetch(site, part)
    assert len(site.requests) == 4
    assert not part.exists()


def test_silent_server(site: Site, part: Path) -> None:
    site.answers = [Answer(CONTENT, stall_after=1000)]
    with pytest.raises(ModelError, match="silent for too long"):
        download(site.url, part, sha256=HASH, progress=Notes(), retry=Retry(attempts=1), timeout=0.2)
    assert part.stat().st_size == 1000


def test_nobody_there(part: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/m.onnx"
        with pytest.raises(ModelError, match=r"Connection refused \(tried 4 times\)"):
            download(url, part, sha256=HASH, progress=Notes(), retry=QUICK)


def test_user_and_password_reach_the_server_and_no_message(site: Site, part: Path) -> None:
    site.answers = [Answer(status=404)]
    url = site.url.replace("http://", "http://ann:s%40cret@") + "/m.onnx?token=hidden"
    with pytest.raises(ModelError) as raised:
        download(url, part, sha256=HASH, progress=Notes(), retry=QUICK)
    assert site.requests[0]["Authorization"] == "Basic YW5uOnNAY3JldA=="
    assert shown(url) == site.url + "/m.onnx"
    assert "cret" not in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x", "m.onnx", "http://", "http://h:x/", "http://[/", "http://h/ b"])
def test_not_a_url(url: str, part: Path) -> None:
    with pytest.raises(ModelError, match="must start with https://"):
        download(url, part, sha256=HASH, progress=Notes(), retry=QUICK)
    assert not part.exists()


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/m.onnx", "file:///etc/passwd"])
def test_a_redirect_leads_to_http_alone(site: Site, part: Path, target: str) -> None:
    site.answers = [Answer(status=302, headers={"Location": target})]
    with pytest.raises(ModelError, match=r"redirected|301|302"):
        fetch(site, part)
    assert len(site.requests) == 1


def test_a_redirect_leads_to_no_private_address_unless_allowed(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one named may be private; another one's name for such an address is not followed."""
    elsewhere = f"http://localhost:{site.url.rpartition(':')[2]}/m.onnx"
    site.answers = [Answer(status=302, headers={"Location": elsewhere}), Answer(CONTENT)]
    with pytest.raises(ModelError, match=r"led to localhost, at the private address 127\.0\.0\.1"):
        fetch(site, part)
    assert len(site.requests) == 1
    monkeypatch.setenv("OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS", "1")
    site.answers = [Answer(status=302, headers={"Location": elsewhere}), Answer(CONTENT)]
    fetch(site, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("headers", [False, True], ids=["body", "headers"])
def test_a_download_that_trickles_ends(part: Path, headers: bool) -> None:
    """A byte now and then, so that no read is late: in the body, or in headers that do not end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def trickle() -> None:
            while not stop.is_set():
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller, contextlib.suppress(OSError):
                    caller.sendall(head + (b"X-A: " if headers else b"\r\n"))
                    while not stop.wait(0.02):
                        caller.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/m.onnx"
            with pytest.raises(ModelError, match=r"not here within 0\.5 s"):
                download(url, part, sha256=HASH, progress=Notes(), retry=Retry(first_wait=1), timeout=5, total=0.5)
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
