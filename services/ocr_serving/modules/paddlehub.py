"""What is to be changed in a module written for PaddleHub."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PREDICTORS: Mapping[str, str] = {
    "tools.infer.predict_det": "ocr_serving.stages.detection import TextDetector",
    "tools.infer.predict_rec": "ocr_serving.stages.recognition import TextRecognizer",
    "tools.infer.predict_cls": "ocr_serving.stages.orientation import TextClassifier",
    "tools.infer.predict_system": "ocr_serving.modules.ocr_system.module import OCRSystem",
    "ppstructure.layout.predict_layout": "ocr_serving.stages.layout import LayoutDetector",
    "ppstructure.table.predict_table": "ocr_serving.modules.structure_table.module import StructureTable",
    "ppstructure.predict_system": "ocr_serving.modules.structure_system.module import StructureSystem",
    "ppstructure.kie.predict_kie_token_ser": "ocr_serving.modules.kie_ser.module import KieSer",
    "ppstructure.kie.predict_kie_token_ser_re": "ocr_serving.modules.kie_ser_re.module import KieSerRe",
}
"""Modules of PaddleOCR's that predict, and what does it here."""

LEAVE_OUT = "leave it out"
BASE = "write `from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving`"
PARAMS = "write `from ocr_serving.params import OCRParams`, or the parameters that yours are"
MERGE = "write `return OCRParams.read(read_params(), self.params_overrides, self.root)` as its body"
INITIALIZE = (
    "set nothing on the parameters; hand `engine_options(use_gpu=use_gpu, enable_mkldnn=enable_mkldnn)` of ocr_serving.engines to"
    " what predicts, as the module that comes with ocr-serving does"
)
DECODE = "write `self.decode(images)` for the whole list; what cannot be decoded is then told in `msg`"


def advice(folder: Path) -> str | None:
    """What to tell whoever wants the module in `folder` served: a line for each change; None where it is none of PaddleHub's."""
    told = []
    for name in ("module.py", "params.py"):
        if not (folder / name).is_file():
            continue
        code = (folder / name).read_text(encoding="utf-8", errors="replace")
        told += [
            f"{name}, line {number}, `{line}`: {remedy}." for number, line, remedy in changes(code, beside=name == "module.py")
        ]
    if not told:
        return None
    return "\n  ".join(
        [
            f"{folder} is written for PaddleHub: change these lines, or copy one that comes with ocr-serving (ocr-serving new) and"
            " make your changes there (docs/migrate.md has such a module before and after).",
            *told,
        ]
    )


def changes(code: str, *, beside: bool) -> list[tuple[int, str, str]]:
    """Number, text and remedy of each line to change in `code`, in their order; [] where it is none of PaddleHub's.

    `beside`: it is a module.py, which has its params.py beside it. Code that does not parse is left to whoever imports it.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return []
    imports = list(_imports(tree))
    if not any(name.startswith(("paddlehub", "deploy.hubserving")) for _, name, _ in imports):
        return []
    remedies = {number: _remedy_of_import(name, names, beside=beside) for number, name, names in imports}
    remedies |= dict(_remedies_of_code(tree))
    lines = code.splitlines()
    return [(number, lines[number - 1].strip(), remedy) for number, remedy in sorted(remedies.items()) if remedy]


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, list[str]]]:
    """Line, module and, of `from`, what is imported as in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module, [ast.unparse(alias) for alias in node.names]


def _remedy_of_import(name: str, names: list[str], *, beside: bool) -> str:
    if name in PREDICTORS:
        return f"write `from {PREDICTORS[name]}`"
    root, _, rest = name.partition(".")
    if root == "paddlehub":
        logs = "write `import logging` and `logger = logging.getLogger(__name__)`"
        return BASE if rest == "module.module" else logs if rest == "common.logger" else LEAVE_OUT
    if name.startswith("deploy.hubserving."):
        own = "write `read_params = params_beside(__file__)`"
        return own if beside else f"write `from ocr_serving.modules.{rest.removeprefix('hubserving.')} import {', '.join(names)}`"
    if root in ("tools", "ppstructure", "ppocr"):
        return PARAMS if "parse_args" in names else LEAVE_OUT
    return ""


def _remedies_of_code(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "hub.Module" for base in node.bases):
            yield node.lineno, f"write `class {node.name}(Module):`"
        elif isinstance(node, ast.FunctionDef) and node.name == "merge_configs":
            yield node.lineno, MERGE
        elif isinstance(node, ast.FunctionDef) and node.name == "_initialize":
            yield node.lineno, INITIALIZE
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "base64_to_cv2":
            yield node.lineno, DECODE
