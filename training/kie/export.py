"""A trained network as two ONNX files of LayoutXLM's signature: labels of tokens, and relations."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from ocr_serving.stages.kie import WINDOW
from training.kie.network import Network

INPUTS = ["input_ids", "bbox", "attention_mask", "token_type_ids"]
APART = 20.0
"""By how much a B- label beats its I- label at the first token of a line, and the other way round elsewhere."""


class Labeller(nn.Module):
    """input_ids, bbox, attention_mask, token_type_ids → [1, WINDOW, 7]: O, B- and I- of QUESTION, ANSWER, HEADER."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, bbox: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        lines = self.network.lines(input_ids, bbox, attention_mask)
        scores = self.network.label(lines.hidden)[0][lines.of_token[0]][None]
        first = torch.cat([torch.ones_like(lines.of_token[:, :1]), lines.of_token[:, 1:] - lines.of_token[:, :-1]], 1)[..., None]
        begin, inside = scores[..., 1:] - APART * (1 - first), scores[..., 1:] - APART * first
        both = torch.stack([begin, inside], -1).flatten(-2)
        # The signature has four inputs; this network makes nothing of the last.
        return torch.cat([scores[..., :1], both], -1) + 0 * token_type_ids[..., None].float()


class Relater(nn.Module):
    """The same and entities, relations → hidden_states, loss, pred_relations, the surest pair first."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, bbox: Tensor, attention_mask: Tensor, token_type_ids: Tensor, entities: Tensor, relations: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        lines = self.network.lines(input_ids, bbox, attention_mask)
        asked = relations[0, 1:]
        question, answer = entities[0][asked[:, 0] + 1], entities[0][asked[:, 1] + 1]
        one, two = lines.of_token[0][question[:, 0]], lines.of_token[0][answer[:, 0]]
        scores = self.network.relations(lines)[0][one, two]
        order = scores.argsort(descending=True)
        asked, question, answer, sure = asked[order], question[order], answer[order], scores[order] > 0
        nothing = torch.full_like(asked[:, :1], -1)
        numbers = (asked[:, :1], question, asked[:, 1:], answer, nothing + 2)
        head, of_question, tail, of_answer, one_of_one = (
            functional.pad(value, (0, value.shape[1] % 2), value=-1) for value in numbers
        )
        flat = torch.cat([head, of_question, tail, of_answer, one_of_one], 1).view(-1, 7, 2)
        rows = torch.where(sure[:, None, None], flat, torch.full_like(flat, -1))
        count = sure.sum().view(1, 1, 1).expand(1, 7, 2)
        every = lines.hidden[0][lines.of_token[0]][None] + 0 * token_type_ids[..., None].float()
        return every, torch.zeros(1), torch.cat([count, rows])[None]


def export(network: Network, folder: Path, name: str) -> None:
    """Write `folder`/`name`_ser and `folder`/`name`_re, each with inference.onnx; weights as float16."""
    network.eval()
    ids = torch.full((1, WINDOW), 1)
    ids[0, :6] = torch.tensor([5, 6, 7, 8, 9, 10])
    bbox = torch.zeros(1, WINDOW, 4, dtype=torch.long)
    bbox[0, :3] = torch.tensor([10, 10, 100, 30])
    bbox[0, 3:6] = torch.tensor([110, 10, 200, 30])
    mask = (ids != 1).long()
    base = (ids, bbox, mask, torch.zeros_like(ids))
    entities = torch.full((1, WINDOW + 1, 3), -1)
    entities[0, :3] = torch.tensor([[2, 2, 2], [0, 3, 1], [3, 6, 2]])
    relations = torch.tensor([[[1, 1], [0, 1]]])
    axes = {"relations": {1: "pairs"}, "pred_relations": {1: "pairs"}}
    answers = ["hidden_states", "loss", "pred_relations"]
    _write(Labeller(network), base, folder / f"{name}_ser", INPUTS, ["logits"], {})
    _write(Relater(network), (*base, entities, relations), folder / f"{name}_re", [*INPUTS, "entities", "relations"], answers, axes)


def _write(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    folder: Path,
    names: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw.onnx"
        # The tracing exporter: how many lines there are is known only when the network runs.
        torch.onnx.export(
            module, inputs, str(raw), input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False
        )
        model = onnx.load(str(raw))
    halved(model)
    onnx.checker.check_model(model)
    (folder / "inference.onnx").write_bytes(model.SerializeToString())


def halved(model: onnx.ModelProto) -> None:
    """Keep large float32 weights as float16, cast back before use: half the file, the same arithmetic."""
    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 1000:
            continue
        small = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}.half")
        casts.append(helper.make_node("Cast", [small.name], [weight.name], to=TensorProto.FLOAT))
        graph.initializer.remove(weight)
        graph.initializer.append(small)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.doc_string = ""
