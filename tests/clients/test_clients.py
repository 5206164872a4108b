"""Unmodified clients of PaddleOCR 3, each as its own documentation has it, against a service with small weights."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from helpers import pdfs
from helpers.clients import RUN_S, PythonClients
from helpers.jobs import KEYS, JobService
from helpers.services import Service
from ocr_serving import data

pytestmark = [pytest.mark.clients, pytest.mark.models]

WORDS = ["first page", "second page"]


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages."""
    file = tmp_path_factory.mktemp("pdf") / "two.pdf"
    file.write_bytes(pdfs.of_text(*([word] for word in WORDS), size=28))
    return file


def done(run: subprocess.CompletedProcess[str]) -> str:
    """What a client printed that ended well."""
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return run.stdout


def test_the_command_reads_a_picture(structure: Service, python_clients: PythonClients, tmp_path: Path) -> None:
    resources, output = tmp_path / "resources", tmp_path / "ocr.json"
    resources.mkdir()
    words = ["--model_type", "ocr", "--file_path", str(data.WARMUP), "--output", str(output), "--save_resources", str(resources)]
    assert "Result saved to" in done(python_clients.command("paddleocr", "api", *words, url=structure.url))
    [page] = json.loads(output.read_text())["pages"]
    assert len(page["prunedResult"]["rec_texts"]) == 1
    assert (resources / "ocr-page-1.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_command_reads_a_document(structure: Service, python_clients: PythonClients, pdf: Path) -> None:
    words = ["--model_type", "doc_parsing", "--file_path", str(pdf), "--client_platform", "tests"]
    said = json.loads(done(python_clients.command("paddleocr", "api", *words, url=f"{structure.url}/")))
    assert [page["markdownText"].strip().lstrip("# ") for page in said["pages"]] == WORDS


def test_the_python_sdk(structure: Service, jobs: JobService, python_clients: PythonClients, pdf: Path) -> None:
    script = """
        import asyncio, json, sys
        from paddleocr import AsyncPaddleOCRClient, Model, OCROptions, PaddleOCRClient, PPStructureV3Options
        from paddleocr._api_client.errors import APIError, AuthError, InvalidRequestError
        picture, pdf, keyed, key = sys.argv[1:]
        said = {}
        with PaddleOCRClient() as client:
            read = client.ocr(file_path=picture, options=OCROptions(text_det_thresh=0.3, extra_options={"returnWordBox": True}))
            said["words"] = len(read.pages[0].pruned_result["text_word"])
            said["picture"] = read.pages[0].ocr_image_url
            read = client.parse_document(
                model=Model.PP_STRUCTURE_V3, file_path=pdf, page_ranges="2", batch_id="sdk",
                options=PPStructureV3Options(use_table_recognition=True))
            said["document"] = [page.markdown_text for page in read.pages]
            said["blocks"] = len(read.pages[0].pruned_result["parsing_res_list"])
            job = client.submit_ocr(file_path=picture, batch_id="sdk")
            said["batch"] = len(client.get_batch_status("sdk").jobs) if hasattr(client.get_batch_status("sdk"), "jobs") else None
            said["waited"] = len(client.wait_ocr_result(job).pages)
            try:
                client.ocr(file_url="http://files.example/a.png")
            except InvalidRequestError as error:
                said["url"] = str(error)
        async def main():
            async with AsyncPaddleOCRClient() as client:
                said["async"] = len((await client.ocr(file_path=picture)).pages)
        asyncio.run(main())
        try:
            PaddleOCRClient(base_url=keyed, token="wrong").ocr(file_path=picture)
        except AuthError as error:
            said["auth"] = str(error)
        with PaddleOCRClient(base_url=keyed, token=key) as client:
            said["keyed"] = len(client.ocr(file_path=picture).pages)
        print(json.dumps(said))
    """
    words = [str(data.WARMUP), str(pdf), jobs.service.url, KEYS[0]]
    said = json.loads(done(python_clients.script(script, *words, url=structure.url)).splitlines()[-1])
    assert said["words"] == 1
    assert said["picture"].startswith(structure.url)
    assert [text.strip().lstrip("# ") for text in said["document"]] == WORDS[1:]
    assert said["blocks"] == 1
    assert said["waited"] == said["async"] == said["keyed"] == 1
    assert "fetch_hosts" in said["url"]
    assert "An API key is needed" in said["auth"]


def test_langchain(structure: Service, python_clients: PythonClients, pdf: Path) -> None:
    script = """
        import sys
        from langchain_paddleocr import PaddleOCRVLLoader
        loaded = PaddleOCRVLLoader(file_path=[sys.argv[1]], base_url=sys.argv[2]).load()
        print([document.page_content for document in loaded])
    """
    [text] = ast.literal_eval(done(python_clients.script(script, str(pdf), structure.url, url=structure.url)).splitlines()[-1])
    assert [page.strip().lstrip("# ") for page in text.split("\f")] == WORDS


MCP = """
    import asyncio, json, os, sys
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport
    async def main():
        command, words, calls = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
        async with Client(StdioTransport(command=command, args=words, env=dict(os.environ))) as client:
            tool = (await client.list_tools())[0].name
            for call in calls:
                print(json.dumps([getattr(part, "text", part.type) for part in (await client.call_tool(tool, call)).content]))
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["--model", "PP-OCRv5", "--ppocr_source", "self_hosted", "--self-hosted-base-url", "URL"], {"output_mode": "detailed"}),
        (["--model", "PP-StructureV3", "--ppocr_source", "self_hosted", "--self-hosted-base-url", "URL"], {"file_type": "pdf"}),
        (["--model", "PP-OCRv5", "--ppocr_source", "aistudio", "--aistudio-base-url", "URL", "--aistudio_access_token", "any"], {}),
        (
            [
                "--model",
                "PP-StructureV3",
                "--ppocr_source",
                "aistudio",
                "--aistudio-base-url",
                "URL",
                "--aistudio_access_token",
                "any",
            ],
            {},
        ),
    ],
    ids=["self_hosted-ocr", "self_hosted-document", "aistudio-ocr", "aistudio-document"],
)
def test_the_mcp_server(
    structure: Service, python_clients: PythonClients, pdf: Path, words: list[str], call: dict[str, str]
) -> None:
    server, *program = python_clients.program("paddleocr_mcp")
    arguments = json.dumps([*program, *(structure.url if word == "URL" else word for word in words)])
    calls = json.dumps([{"input_data": str(pdf)} | call])
    said = done(python_clients.script(MCP, server, arguments, calls, url=structure.url))
    assert all(word in said for word in WORDS), said


@pytest.mark.node
def test_the_typescript_sdk(structure: Service, node_packages: Path, pdf: Path) -> None:
    script = """
        import { PaddleOCRClient, Model } from "@paddleocr/api-sdk";
        const client = new PaddleOCRClient();
        const read = await client.ocr({ filePath: process.env.PICTURE });
        const parsed = await client.parseDocument(
            { filePath: process.env.PDF, model: Model.PPStructureV3, pageRanges: "1-2", batchId: "typescript" });
        const batch = await client.getBatchStatus("typescript");
        console.log(JSON.stringify({
            lines: read.pages[0].prunedResult.rec_texts.length, text: parsed.pages.map((page) => page.markdownText),
            pictures: Object.keys(parsed.pages[0].outputImages ?? {}), batch }));
    """
    run = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        cwd=node_packages,
        env=os.environ
        | {
            "PADDLEOCR_BASE_URL": structure.url,
            "PADDLEOCR_ACCESS_TOKEN": "any",
            "PICTURE": str(data.WARMUP),
            "PDF": str(pdf),
        },
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    said = json.loads(done(run))
    assert said["lines"] == 1
    assert [text.strip().lstrip("# ") for text in said["text"]] == WORDS
    assert said["pictures"]
    assert "ocrjob-" in json.dumps(said["batch"])


def test_tables_become_data_frames_where_pandas_is(structure: Service, python_clients: PythonClients) -> None:
    # Our own client, in the one environment here that has pandas.
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from ocr_serving_client import Client
        with Client(sys.argv[2]) as client:
            [table] = client.read(sys.argv[3], "table").tables
        named, plain = table.to_pandas(), table.to_pandas(header=False)
        print(list(named.columns), named["Description"][0], named.shape, plain.shape, plain[1][0])
    """
    client = Path(__file__).parents[2] / "client"
    said = done(python_clients.script(script, str(client), structure.url, str(data.PAGE), url=structure.url))
    columns = ["Item", "Description", "Qty", "Unit price", "Amount"]
    assert said.startswith(f"{columns} Hydraulic pump HP-200 (")
    assert said.endswith(" Description\n")
