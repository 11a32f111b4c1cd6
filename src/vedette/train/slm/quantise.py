"""What llama.cpp's own tools do: K-quants by `llama-quantize`, other architectures by `convert_hf_to_gguf.py`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vedette.engine import gguf
from vedette.errors import ConfigError, InputError
from vedette.registry import near
from vedette.train.slm.gguf_file import KINDS

TOOL, CONVERTER = "llama-quantize", "convert_hf_to_gguf.py"
K_QUANTS = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")
CONVERTED = {
    "F32": "f32",
    "F16": "f16",
    "BF16": "bf16",
    "Q8_0": "q8_0",
}  # what the converter writes, and its word for it


def kinds(wanted: Sequence[str]) -> list[str]:
    """As they are written, each once. Raises ConfigError for others."""
    found = list(dict.fromkeys(kind.upper() for kind in wanted))
    for kind in found:
        if kind not in (*KINDS, *K_QUANTS):
            raise ConfigError(f"'{kind}' is no quantisation that is known here", remedy=near(kind, {*KINDS, *K_QUANTS}))
    return found


def tool(given: Path | None) -> Path:
    """Raises ConfigError where it is neither given nor installed."""
    found = str(given) if given else shutil.which(TOOL)
    if not found or not Path(found).is_file():
        what = (
            f"'{given}' is no file" if given else f"K-quants are made by llama.cpp's {TOOL}, which is not on the PATH"
        )
        raise ConfigError(what, remedy=f"give it with --llama-quantize, or choose among {', '.join(KINDS)}")
    return Path(found)


def quantise(by: Path, source: Path, target: Path, kind: str) -> None:
    """Raises InputError where it fails, or writes something else."""
    _run([str(by), str(source), str(target), kind], target)
    if (said := gguf.read(target).quantisation) != kind:
        what = f"{TOOL} wrote {said or '?'} where {kind} was asked for"
        raise InputError(what, where=target.name, remedy="use another version of llama.cpp")


def convert(llama_cpp: Path, folder: Path, target: Path, kind: str) -> None:
    """A model's folder by the owner's copy of llama.cpp's converter. Raises ConfigError, InputError."""
    script = llama_cpp / CONVERTER
    if not script.is_file():
        raise ConfigError(f"no {CONVERTER}", where=str(llama_cpp), remedy="give the folder of llama.cpp's source")
    command = [sys.executable, str(script), str(folder), "--outfile", str(target), "--outtype", CONVERTED[kind]]
    _run(command, target)
    gguf.read(target)


def _run(command: Sequence[str], target: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as exc:
        raise ConfigError(f"cannot be run: {exc.strerror}", where=command[0], remedy="check the file") from exc
    if done.returncode or not target.is_file():
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        name = Path(command[1] if command[0] == sys.executable else command[0]).name
        raise InputError(
            f"{name} failed with {done.returncode}: {said[:300]}", where=target.name, remedy="see its manual"
        )
