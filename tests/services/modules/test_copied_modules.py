"""Folders of users': modules copied from 0.1, one made as docs/modules.md says, one of PaddleHub's as docs/migrate.md mends it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import requests

from helpers.services import GOLDEN, TESTS, Service, b64, serve, strip
from ocr_serving import data, engines
from ocr_serving.config import params
from ocr_serving.errors import ConfigError
from ocr_serving.modules import base, loader

DOCS = TESTS.parent / "docs"
RECORDED = Path(__file__).parent / "v0_1"
"""The modules as 0.1 had them, which users have copied."""
NAMES = sorted(folder.name for folder in RECORDED.iterdir())
TINY = {"model_set": "PP-OCRv6_tiny"}

pytestmark = pytest.mark.models


def code_after(page: str, mark: str, end: str) -> str:
    """The indented code of a page between a mark and a line."""
    text = (DOCS / page).read_text()
    between = text[text.index(mark) + len(mark) : text.index(end, text.index(mark))]
    return "\n".join(line.removeprefix("    ") for line in between.splitlines()).strip() + "\n"


def folder_of(path: Path, module: str, params: str = "from ocr_serving.modules.base import Config\nread_params = Config\n") -> Path:
    """A module's folder with that code."""
    path.mkdir()
    (path / "__init__.py").touch()
    (path / "config.json").write_text('{"modules_info": {"x": {}}}')
    (path / "params.py").write_text(params)
    (path / "module.py").write_text(module)
    return path


@pytest.fixture(scope="module")
def upside_down(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module that docs/modules.md makes, step by step."""
    folder = tmp_path_factory.mktemp("own")
    page = (DOCS / "modules.md").read_text()
    steps = [line.strip() for line in page.splitlines() if line.startswith(("    ocr-serving new", "    sed "))]
    assert len(steps) == 3
    for step in steps:
        subprocess.run(step.replace("ocr-serving ", f"{sys.executable} -m ocr_serving.cli "), shell=True, check=True, cwd=folder)
    module = folder / "upside_down" / "module.py"
    code = module.read_text()
    old = code[code.index("    def predict(") : code.index("    @serving")]
    new = page[page.index("```python\n") + len("```python\n") : page.index("```\n", page.index("```python\n") + 3)]
    module.write_text(code.replace(old, f"{new}\n"))
    return module.parent


@pytest.fixture(scope="module")
def service(upside_down: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service of three folders: a copy of 0.1's ocr_system, and what the two pages make."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(RECORDED / "ocr_system", folder / "mine")
    lines = folder_of(folder / "lines", code_after("migrate.md", "<!-- after -->", "\nSeconds of each stage"))
    modules = {str(folder / "mine"): {"params": TINY}, str(lines): {"params": TINY}, str(upside_down): {}}
    with serve(folder, modules, workers=1) as served:
        yield served


def test_a_module_copied_from_0_1_answers(service: Service) -> None:
    page = b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())
    answer = service.post("ocr_system", {"images": [page], "drop_score": 0.6}).json()
    (lines,) = answer["results"]
    assert (answer["status"], answer["msg"]) == ("000", "")
    assert {"Region", "19,814"} <= {line["text"] for line in lines}
    assert all(line["confidence"] >= 0.6 and len(line["text_region"]) == 4 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_each_module_of_0_1_still_imports(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(RECORDED / name, tmp_path / "copy")
    cls = loader.load_class(loader.find(str(folder)))
    assert cls.info.name == name


@pytest.mark.parametrize(("name", "key"), [("structure_system", "regions"), ("kie_ser_re", "re_res")])
def test_a_module_of_0_1_made_of_others_still_answers(name: str, key: str, tmp_path: Path) -> None:
    folder = shutil.copytree(RECORDED / name, tmp_path / "copy")
    module = loader.load_module(str(folder), params=TINY)
    (answer,) = module.predict(paths=[str(GOLDEN / "pages" / "table_page.jpg")])
    assert answer[key]


def test_what_copies_import_is_where_it_was() -> None:
    for name in ("Config", "Module", "ModuleInfo", "moduleinfo", "serving", "params_beside"):
        assert hasattr(base, name)
    assert {"EngineName", "Precision", "engine_options", "open_engine", "model_files"} <= set(engines.__all__)
    from ocr_serving import images as old_images
    from ocr_serving import params as old_params

    for name in ("Image", "Limits", "Undecodable", "bytes_from_base64", "from_bytes"):
        assert hasattr(old_images, name)
    for name in ("SideLength", "LimitType", "Score", "UnclipRatio", "ImageShape", "Params"):
        assert getattr(old_params, name) is getattr(params, name)
    assert hasattr(old_params, "attributes")


def test_the_page_on_modules_makes_one_that_answers(service: Service, upside_down: Path, tmp_path: Path) -> None:
    line = cv2.imread(str(data.WARMUP))
    assert line is not None
    turned = b64(cv2.imencode(".png", cv2.rotate(line, cv2.ROTATE_180))[1].tobytes())
    answer = service.post("upside_down", {"images": [strip(), turned], "cls_thresh": 0.5}).json()
    assert answer == {"msg": "", "results": [[False, True]], "status": "000"}
    assert service.post("upside_down", {"images": [turned], "cls_thresh": 1.0}).json()["results"] == [[False]]
    refused = service.post("upside_down", {"images": [turned], "cls_thresh": 2}).json()
    assert "'cls_thresh': input should be less than or equal to 1, got 2" in refused["msg"]
    document = requests.get(f"{service.url}/openapi.json", timeout=10).json()
    told = document["components"]["schemas"]["upside_down.Request"]["properties"]["cls_thresh"]
    assert told["description"] == params.ClassifierParams.model_fields["cls_thresh"].description
    assert loader.find(str(upside_down)).settings["port"] == 9066
    once = subprocess.run(
        [sys.executable, upside_down / "module.py", str(data.WARMUP)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(once.stdout) == [[False]]


def test_the_page_on_migrating_mends_a_module_of_paddlehub(service: Service) -> None:
    page = b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())
    (lines,) = service.post("my_lines", {"images": [page]}).json()["results"]
    (read,) = service.post("ocr_system", {"images": [page]}).json()["results"]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert sorted(line["text"] for line in lines) == sorted(line["text"] for line in read)


def test_a_module_of_paddlehub_is_told_the_lines_to_change(tmp_path: Path) -> None:
    old = code_after("migrate.md", "<!-- before -->", "\nand after:")
    params = "from deploy.hubserving.ocr_system.params import read_params as pp_ocr_read_params\nread_params = pp_ocr_read_params\n"
    folder = folder_of(tmp_path / "old", old, params)
    with pytest.raises(ConfigError) as refused:
        loader.find(str(folder))
    first, *told = str(refused.value).splitlines()
    assert first.startswith(f"{folder} is written for PaddleHub: change these lines")
    lines = old.splitlines()
    pairs = [line.strip().partition(": ")[0].partition(", `")[0] for line in told]
    numbers = [int(pair.removeprefix("module.py, line ")) for pair in pairs if pair.startswith("module.py")]
    assert [lines[number - 1].strip() for number in numbers] == [
        "import paddlehub as hub",
        "from paddlehub.common.logger import logger",
        "from paddlehub.module.module import moduleinfo, runnable, serving",
        "from tools.infer.utility import base64_to_cv2",
        "from tools.infer.predict_system import TextSystem",
        "from tools.infer.utility import parse_args",
        "from deploy.hubserving.my_lines.params import read_params",
        "class MyLines(hub.Module):",
        "def _initialize(self, use_gpu=False, enable_mkldnn=False):",
        "def merge_configs(self):",
        "return self.predict([base64_to_cv2(image) for image in images], **kwargs)",
    ]
    assert told[-1].strip() == (
        "params.py, line 1, `from deploy.hubserving.ocr_system.params import read_params as pp_ocr_read_params`: write `from"
        " ocr_serving.modules.ocr_system.params import read_params as pp_ocr_read_params`."
    )


def test_start_refuses_a_module_of_paddlehub(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "old", "import paddlehub as hub\n\n\nclass Mine(hub.Module):\n    pass\n")
    command = [sys.executable, "-m", "ocr_serving.cli", "start", "-m", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "  module.py, line 1, `import paddlehub as hub`: leave it out.",
        "  module.py, line 4, `class Mine(hub.Module):`: write `class Mine(Module):`.",
    ]


def test_a_module_that_only_mentions_paddlehub_is_left_alone(tmp_path: Path) -> None:
    code = (TESTS / "echo" / "module.py").read_text()
    folder = folder_of(tmp_path / "echo", f"# import paddlehub\n{code}", (TESTS / "echo" / "params.py").read_text())
    assert loader.load_class(loader.find(str(folder))).info.name == "echo"
