"""How an export is served: SERVE.md, and Ollama's Modelfile. Only names beside these files are named in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.manifest import sha256_file
from vedette.train.slm.parity import LIMITS, Measured

CONTEXT = 8_192  # tokens; Ollama would else read 4,096 and cut the rest off in silence
MODELFILE, SERVE = "Modelfile", "SERVE.md"
# Ollama's own language for chat templates (Go's text/template); what chatml.jinja is in Jinja.
CHATML = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
LARGE = ("F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Files:
    """What lies in the folder; names, not paths."""

    name: str
    licence: str
    context: int  # of the model
    models: dict[str, str]  # quantisation → file
    adapter: str  # "" where there is none
    rank: int  # of the adapter
    ends: Sequence[str]  # marks that end an answer
    chatml: bool  # the template says what CHATML says

    @property
    def usual(self) -> str:
        """The file that is served unless another one is chosen."""
        small = [file for kind, file in self.models.items() if kind not in LARGE]
        return (small or list(self.models.values()) or [""])[0]

    @property
    def served(self) -> int:
        return min(CONTEXT, self.context)


def modelfile(files: Files) -> str:
    lines = [f"FROM ./{files.usual}"]
    if files.adapter:
        lines.append(f"ADAPTER ./{files.adapter}")
    if files.chatml:
        lines.append(f'TEMPLATE """{CHATML}"""')
    lines.append(f"PARAMETER num_ctx {files.served}")
    lines += [f'PARAMETER stop "{end}"' for end in files.ends]
    if files.licence:
        lines.append(f'LICENSE "{files.licence}"')
    return "\n".join(lines) + "\n"


def serve(files: Files, folder: Path, measured: Sequence[Measured]) -> str:
    parts = [_head(files, folder), _vedette(files)]
    if files.models:
        parts += [_llama_server(files), _ollama(files)]
    parts += [_vllm(files), _parity(measured)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(files: Files, folder: Path) -> str:
    named = {**files.models, **({"LoRA": files.adapter} if files.adapter else {})}
    rows = [
        f"| {file} | {kind} | {(folder / file).stat().st_size:,} | `{sha256_file(folder / file)[:16]}…` |"
        for kind, file in named.items()
    ]
    table = "\n".join(["| file | | bytes | sha256 |", "|---|---|---|---|", *rows])
    licence = f"Licence: {files.licence}. " if files.licence else ""
    return f"# {files.name}\n\n{licence}Commands are for this folder: `cd` into it first.\n\n{table}"


def _vedette(files: Files) -> str:
    adapter = f" --adapter {files.adapter}" if files.adapter else ""
    model = files.usual or "BASE.gguf"
    lines = [f"vedette model add {model}"] if files.usual else []
    lines += [f"vedette triage alerts.json --model gguf/{model}{adapter}"]
    return "\n".join(["## Vedette", "", "```", *lines, "```"])


def _llama_server(files: Files) -> str:
    lora = f" --lora {files.adapter}" if files.adapter else ""
    command = f"llama-server -m {files.usual}{lora} -c {files.served} --jinja --host 127.0.0.1 --port 8080"
    return f"## llama-server\n\n```\n{command}\n```"


def _ollama(files: Files) -> str:
    name = files.name.lower()
    said = f"`{MODELFILE}` names {files.usual}; for another file change its first line."
    if not files.chatml:
        said += (
            " It has no TEMPLATE: this model's chat template is not ChatML, and Ollama has a language of its own for"
            " them. Ollama knows some by their Jinja; compare what it sends before you rely on it."
        )
    return f"## Ollama\n\n```\nollama create {name} -f {MODELFILE}\nollama run {name}\n```\n\n{said}"


def _vllm(files: Files) -> str:
    base = f"{files.name}-base" if files.adapter else files.name
    command = f"vllm serve MODEL --served-model-name {base} --max-model-len {files.served}"
    if files.adapter:
        command += f" --enable-lora --lora-modules {files.name}=ADAPTER --max-lora-rank {max(8, files.rank)}"
    said = "MODEL: the folder of safetensors that these files were made from, as `vedette train merge` wrote it"
    said += "; ADAPTER: the folder that PEFT saved." if files.adapter else "."
    return f"## vLLM\n\n```\n{command}\n```\n\n{said}"


def _parity(measured: Sequence[Measured]) -> str:
    if not measured:
        return "## Compared with transformers\n\nNot done."
    rows = [
        f"| {one.file} | {one.template} | {one.tokens} | {one.first} | {one.text} "
        f"| {one.mean:.2g} | {one.largest:.2g} |"
        for one in measured
    ]
    head = f"| of {measured[0].n:,} prompts, the same | template | tokens | first token | answer | mean | largest |"
    said = (
        "Mean and largest: differences of the log-probabilities of the ten likeliest tokens at each place of a greedy"
        f" answer, over {measured[0].compared:,} of them, in nats. Held to limits: {', '.join(LIMITS)}; the others"
        " only have to be no nonsense. More in parity.json."
    )
    return "\n".join(["## Compared with transformers", "", head, "|---|---|---|---|---|---|---|", *rows, "", said])
