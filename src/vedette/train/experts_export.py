"""The trained encoder as one ONNX file with int8 weights; the heads as arrays of half precision."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from vedette.experts.labels import CONVENTIONS
from vedette.manifest import atomic_write
from vedette.train.experts_model import Labels, Network
from vedette.train.experts_ngrams import Ngrams

HEADS = ("weakness", "severity", "ssvc", "techniques", "embedding")
OPSET = 17


class Served(nn.Module):
    """What the file computes: one text's tokens → the mean of their states. A text is read alone, so none is masked."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> Tensor:
        return self.network.states(ids[None]).mean(1)[0]


def export(network: Network, path: Path, *, quantise: bool = True) -> None:
    with TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        _trace(network, full)
        if quantise:
            _quantise(full, path)
        else:
            path.write_bytes(full.read_bytes())


def _trace(network: Network, path: Path) -> None:
    ids = torch.randint(1, network.trunk.config.vocab_size, (16,))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Served(network).eval(), (ids,), str(path), dynamo=False, opset_version=OPSET,
            input_names=["ids"], output_names=["pooled"], dynamic_axes={"ids": {0: "tokens"}},
        )  # fmt: skip


def _quantise(full: Path, path: Path) -> None:
    """Each column of a matrix has its own scale. Signed weights, as their products run on AMX where there is one."""
    quantize_dynamic(
        str(full), str(path), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gather"]
    )


def write_heads(network: Network, ngrams: Ngrams, path: Path) -> None:
    """Half precision is exact to three digits, which calibration does not see."""
    arrays = {
        f"{name}.{key}": tensor.numpy().astype(np.float16)
        for name in HEADS
        for key, tensor in getattr(network, name).state_dict().items()
    }
    with TemporaryDirectory() as folder:
        part = Path(folder) / path.name
        np.savez(part, allow_pickle=False, **arrays, **ngrams.arrays())
        atomic_write(path, part.read_bytes())


def write_labels(labels: Labels, folder: Path) -> None:
    content = {
        "weaknesses": labels.weaknesses, "techniques": labels.techniques, "domains": labels.domains,
        "conventions": CONVENTIONS,
    }  # fmt: skip
    atomic_write(folder / "labels.json", orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
