"""The trained network as one ONNX file with int8 weights, the heads in fp32."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import orjson
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from vedette.experts.labels import CONVENTIONS
from vedette.manifest import atomic_write
from vedette.train.experts_model import Labels, Network

OUTPUTS = ("weakness", "severity", "ssvc", "techniques", "embedding")
OPSET = 17


class Served(nn.Module):
    """What the file computes: logits of every head, for every convention."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        pooled = network.pool(ids, mask)
        heads = (network.weakness, network.severity, network.ssvc, network.techniques, network.embed)
        return tuple(head(pooled) for head in heads)


def export(network: Network, path: Path, *, quantise: bool = True) -> None:
    with TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        _trace(network, full)
        if quantise:
            _quantise(full, path)
        else:
            path.write_bytes(full.read_bytes())


def _trace(network: Network, path: Path) -> None:
    network.trunk.set_attn_implementation("eager")
    ids = torch.randint(1, network.trunk.config.vocab_size, (2, 16))
    axes = {name: {0: "texts", 1: "tokens"} for name in ("ids", "mask")} | {name: {0: "texts"} for name in OUTPUTS}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Served(network.eval()), (ids, torch.ones_like(ids)), str(path), dynamo=False, opset_version=OPSET,
            input_names=["ids", "mask"], output_names=list(OUTPUTS), dynamic_axes=axes,
        )  # fmt: skip


def _quantise(full: Path, path: Path) -> None:
    """Each column of a matrix has its own scale. Heads stay fp32: they are small, and calibration rests on them."""
    graph = onnx.load(str(full)).graph
    names = [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and "/trunk/" not in node.name]
    heads = [*names, *(f"{name}_MatMul" for name in names)]  # the library makes a MatMul of each Gemm first
    quantize_dynamic(
        str(full), str(path), weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=heads,
        op_types_to_quantize=["MatMul", "Gather", "Gemm"],
    )  # fmt: skip


def write_labels(labels: Labels, folder: Path) -> None:
    content = {
        "weaknesses": labels.weaknesses, "techniques": labels.techniques, "domains": labels.domains,
        "conventions": CONVENTIONS,
    }  # fmt: skip
    atomic_write(folder / "labels.json", orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def parameters(networks: Iterable[nn.Module]) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())
