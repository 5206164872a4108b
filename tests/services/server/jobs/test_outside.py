"""What jobs reach outside: files that are fetched by URL, and callers who are told. Nothing that is not allowed is connected to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path

import pytest

from helpers.jobs import JobService
from helpers.services import wait_until
from helpers.site import Answer, Site
from ocr_serving import data, outbound
from ocr_serving.errors import ConfigError, InputError, TooLargeError
from ocr_serving.server import fetching
from ocr_serving.server.fetching import HostRules
from ocr_serving.server.jobs import webhooks
from ocr_serving.server.jobs.store import Job

STRIP = data.WARMUP.read_bytes()
HERE = IPv4Network("127.0.0.1/32")
RULES = HostRules(["127.0.0.1", "*.example.org"], [HERE], "fetch_hosts")
SECRET = b"secret of the tests"


@pytest.fixture
def hidden() -> Iterator[tuple[str, list[object]]]:
    """A server that nobody may reach, at another address of this machine, and who did."""
    reached: list[object] = []
    with socket.create_server(("127.0.0.2", 0)) as server:
        server.settimeout(0.05)
        closing = threading.Event()

        def listen() -> None:
            while not closing.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                reached.append(address)
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.2:{server.getsockname()[1]}/", reached
        closing.set()
        thread.join()


def fetched(url: str, rules: HostRules = RULES, *, most: int = 1 << 20, seconds: float = 5) -> bytes:
    return fetching.fetched(url, rules, most=most, seconds=seconds)


def test_a_file_is_fetched_by_its_url(site: Site) -> None:
    site.answers = [Answer(STRIP)]
    assert fetched(f"{site.url}/a.png") == STRIP
    assert "Authorization" not in site.requests[0]


def test_a_redirect_is_followed_on_the_list_and_not_off_it(site: Site, hidden: tuple[str, list[object]]) -> None:
    url, reached = hidden
    site.answers = [Answer(status=302, headers={"Location": f"{site.url}/b"}), Answer(STRIP)]
    assert fetched(f"{site.url}/a") == STRIP
    site.answers = [Answer(status=302, headers={"Location": url})]
    with pytest.raises(InputError, match=r"'127\.0\.0\.2' is no host that is asked here"):
        fetched(f"{site.url}/a")
    site.answers = [Answer(status=302, headers={"Location": "file:///etc/passwd"})]
    with pytest.raises(InputError, match=r"file:///etc/passwd.* is not allowed"):
        fetched(f"{site.url}/a")
    assert reached == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_listed_host_at_a_private_address_is_not_connected_to(site: Site, hidden: tuple[str, list[object]], code: int) -> None:
    url, reached = hidden
    rules = HostRules(["127.0.0.1", "127.0.0.2"], [HERE], "fetch_hosts")
    site.answers = [Answer(status=code, headers={"Location": url})]
    for asked in (url, f"{site.url}/a"):
        with pytest.raises(InputError, match=r"127.0.0.2 is at an address that is not public: have fetch_networks name"):
            fetched(asked, rules)
    assert reached == []


def test_a_name_is_looked_up_once_and_only_addresses_that_are_allowed_are_connected_to(
    site: Site, hidden: tuple[str, list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of names may answer anything, and something else the next time."""
    _, reached = hidden
    site.answers = [Answer(STRIP)]
    port = int(site.url.rpartition(":")[2])
    answers = [["127.0.0.2", "169.254.169.254", "127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *args: object, **options: object) -> object:
        if not host.endswith("example.org"):
            return real(host, *args, **options)  # type: ignore[arg-type]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert fetched(f"http://a.example.org:{port}/") == STRIP
    assert asked == ["a.example.org"]
    with pytest.raises(InputError, match=r"a\.example\.org is at an address that is not public"):
        fetched(f"http://a.example.org:{port}/")
    assert reached == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    rules = HostRules(["a"], [], "fetch_hosts")
    assert rules.refusal("a", outbound.plain(address)) is not None


def test_public_addresses_and_named_networks_are_allowed_link_local_ones_never() -> None:
    rules = HostRules(["a"], [ip_network("10.1.0.0/16"), ip_network("169.254.0.0/16"), ip_network("fd00::/8")], "fetch_hosts")
    for address in ("93.184.216.34", "2606:2800:220:1::1", "10.1.2.3", "::ffff:10.1.2.3", "fd00::1"):
        assert rules.refusal("a", outbound.plain(address)) is None
    for address in ("10.2.0.1", "169.254.169.254"):
        assert rules.refusal("a", ip_address(address)) is not None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("files.example.org", True),
        ("FILES.Example.ORG.", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("evilexample.org", False),
        ("example.org.evil.net", False),
        ("127.0.0.1", True),
        ("127.0.0.10", False),
    ],
)
def test_which_hosts_are_on_the_list(host: str, allowed: bool) -> None:
    assert RULES.allows(host) is allowed


def test_a_user_in_a_url_does_not_hide_its_host() -> None:
    with pytest.raises(InputError, match=r"'evil\.net' is no host"):
        RULES.check("http://files.example.org@evil.net/")


def test_a_file_is_bounded_in_size_told_or_not(site: Site) -> None:
    site.answers = [Answer(bytes(2000))]
    with pytest.raises(TooLargeError, match=r"over the limit of 0 MiB \(fetch_max_mb\)"):
        fetched(site.url, most=1000)
    site.answers = [Answer(bytes(2000), cut_after=1000)]
    with pytest.raises(InputError, match="it ended too early"):
        fetched(site.url, most=4000)


def test_a_server_that_says_nothing_costs_the_time_there_is(site: Site) -> None:
    site.answers = [Answer(bytes(2000), stall_after=10)]
    with pytest.raises(InputError, match=r"could not be fetched within 0.3 s"):
        fetched(site.url, seconds=0.3)


def test_what_the_server_answers_is_told(site: Site) -> None:
    site.answers = [Answer(status=403)]
    with pytest.raises(InputError, match="fileUrl: its server answered 403"):
        fetched(site.url)


@pytest.mark.models
def test_a_job_by_url_is_read_and_one_that_leads_elsewhere_fails(
    jobs: JobService, site: Site, hidden: tuple[str, list[object]]
) -> None:
    def sent(url: str) -> str:
        answer = jobs.post(json={"model": "PP-OCRv6", "fileUrl": url, "optionalPayload": {"visualize": False}})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["jobId"])

    url, reached = hidden
    site.answers = [Answer(STRIP)]
    assert len(jobs.texts(sent(f"{site.url}/a.png"))[0]) == 1
    assert "Authorization" not in site.requests[-1]
    site.answers = [Answer(status=302, headers={"Location": url})]
    status = jobs.ended(sent(f"{site.url}/a.png"))
    assert (status["state"], "'127.0.0.2' is no host" in status["errorMsg"]) == ("failed", True)
    site.answers = [Answer(bytes(3 << 20))]
    assert "fetch_max_mb" in jobs.ended(sent(f"{site.url}/a.png"))["errorMsg"]
    assert reached == []


@pytest.mark.models
def test_a_caller_is_told_of_the_end_signed_and_again_until_taken(
    jobs: JobService, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers = [Answer(status=200)]
    answer = jobs.send(STRIP, callbackUrl=f"{site.url}/hook")
    job = answer.json()["data"]["jobId"]
    wait_until(lambda: site.bodies, "the call")
    event = json.loads(site.bodies[0])
    assert event["type"] == "job.done"
    assert (event["data"]["jobId"], event["data"]["state"]) == (job, "done")
    assert "resultUrl" not in event["data"]
    sent = {name.lower(): value for name, value in site.requests[0].items()}
    signed = f"{job}.{sent['webhook-timestamp']}.".encode() + site.bodies[0]
    assert sent["webhook-id"] == job
    wanted = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert sent["webhook-signature"] == f"v1,{wanted}"


def call(site: Site, attempt: int, rules: HostRules = RULES) -> float | None:
    job = Job("ocrjob-1", "ann", "", "m", "ocr", "{}", "", "", f"{site.url}/hook", "done", "", "image", 1, 1, 0, 0.0, 0.0, 1.0)
    status = {"jobId": job.id, "state": "done", "errorMsg": ""}
    return webhooks.call(job.callback, status, attempt, key=SECRET, rules=rules)


def test_a_call_is_tried_again_later_and_later_until_it_is_given_up(site: Site) -> None:
    site.answers = [Answer(status=500)]
    waits = [call(site, attempt) for attempt in range(1, len(webhooks.WAITS_S) + 2)]
    assert waits == [*webhooks.WAITS_S, None]
    assert len(set(site.bodies)) == 1
    site.answers = [Answer(status=410)]
    assert call(site, 1) is None, "who is gone is not called again"
    site.answers = [Answer(status=204)]
    assert call(site, 1) is None
    site.answers = [Answer(status=302, headers={"Location": f"{site.url}/other"})]
    before = len(site.requests)
    assert call(site, 1, HostRules(["127.0.0.1"], [HERE], "webhook_hosts", redirected=False)) == webhooks.WAITS_S[0]
    assert len(site.requests) == before + 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("short", "at least 16 bytes"), ("whsec_*", "what follows whsec_ is not base64"), (None, "cannot be read")],
)
def test_a_secret_that_is_none_is_told(tmp_path: Path, text: str | None, sentence: str) -> None:
    file = tmp_path / "secret"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        webhooks.secret(file)
