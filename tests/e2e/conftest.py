"""The cluster, with images on it and the chart installed; what helps when a test fails; the figures at the end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from e2e import lab as cluster
from e2e.images import Images, images, make
from e2e.lab import Lab, Report

FIGURES = pytest.StashKey[list[str]]()
LAB = pytest.StashKey[Lab]()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, made: Images) -> Iterator[Lab]:
    """The cluster, empty of what these tests make; one that was brought up for them ends with them unless KEEP=1."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # building takes minutes the first time, and shows what it does
        print(flush=True)
        chosen, is_new = cluster.choose()
    try:
        with capture.global_and_fixture_disabled():
            if not chosen.is_ours():
                pytest.exit(f"{chosen.kubeconfig}: its cluster has OCRServices of somebody's; choose another with KUBECONFIG.", 2)
            chosen.clean()
            make(made, chosen.images_there(), chosen.environment)
            chosen.forget_images(made)
        request.config.stash[LAB] = chosen
        yield chosen
    finally:
        with capture.global_and_fixture_disabled():
            if is_new and os.environ.get("KEEP", "") in ("", "0"):
                cluster.take_down(chosen)
            else:
                print(f"\nthe cluster goes on: export KUBECONFIG={chosen.kubeconfig} PATH={chosen.program.parent}:$PATH")


@pytest.fixture(scope="session")
def made() -> Images:
    """The images of the sources as they are when the tests begin; `lab` has them."""
    return images()


@pytest.fixture(scope="session")
def chart_values(made: Images) -> dict[str, Any]:
    """Values of the chart that name the images."""
    return {
        "images": {"registry": made.registry, "repository": made.repository, "tag": made.tag},
        "operator": {
            "image": {"reference": made.operator},
            "allow": {"secrets": ["no-secret"], "serviceAccounts": ["nobody"]},
        },
    }


@pytest.fixture(scope="session")
def operator(lab: Lab, chart_values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The release with an operator for all namespaces, in a cluster that knows ServiceMonitors. Gives the chart's values."""
    values = chart_values | {"scope": "cluster"}
    lab.learn_service_monitors()
    lab.install(values)
    yield values
    lab.clean()


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, under the restricted Pod Security Standard, removed after it without waiting."""
    name = f"e2e-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}"
    lab.make_namespace(name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def module_namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same for all tests of a file; gone before the next file's."""
    name = request.module.NAMESPACE
    lab.make_namespace(name)
    yield name
    lab.kubectl("delete", "ocr,deployments", "--all", "-n", name)
    lab.kubectl("delete", "pods", "--all", "-n", name, "--grace-period=1", "--wait=false")  # nobody asks them any more
    lab.kubectl("delete", "namespace", name)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Keeps a line for the end of the run."""
    lines = request.config.stash.setdefault(FIGURES, [])
    return lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what the tests reported."""
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the cluster shows to a failure."""
    outcome = yield
    lab = item.config.stash.get(LAB, None)
    if outcome.failed and lab is not None:
        outcome.sections.append(("cluster", lab.tell()))
    return outcome
