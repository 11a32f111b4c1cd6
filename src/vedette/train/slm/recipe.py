"""What a language model is trained from, and how: `recipes/*.toml`, every key with its unit."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from vedette.config import Settings

Share = Field(ge=0, le=1)


class Method(StrEnum):
    FULL = "full"  # every weight
    LORA = "lora"  # low-rank adapters on a base in bf16
    QLORA = "qlora"  # the same on a base in NF4


class Shape(Settings):
    """Of a Qwen3 model from random values."""

    layers: int = Field(gt=0)
    width: int = Field(gt=0, description="of the hidden state")
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head: int = Field(gt=0, description="values of a head")
    ffn: int = Field(gt=0, description="values of the inner layer")
    vocab: int = Field(gt=0, description="tokens that the own tokenizer learns, the special ones included")
    context: int = Field(default=4_096, gt=0, description="tokens it is made for")
    rope: float = Field(default=10_000.0, gt=0, description="base of the rotary positions")


class Base(Settings):
    """What training starts from: a published model, or `shape` for one from random values."""

    model: str = Field(default="", description="OWNER/NAME as published; its folder is given with --base")
    licence: str = Field(default="", description="of the base, as its publisher names it")
    accept: tuple[str, ...] = Field(
        default=(), description="licences that you read and keep to, where they set conditions or are not known here"
    )
    template: Literal["own", "chatml"] = Field(
        default="chatml", description="chat template: the base's own, or Vedette's (chatml.jinja)"
    )
    shape: Shape | None = None

    @model_validator(mode="after")
    def _one(self) -> Base:
        if bool(self.model) == bool(self.shape):
            raise ValueError("give either `model` or `shape`")
        if self.model and not self.licence:
            raise ValueError("`licence` of the base is missing")
        return self


class Data(Settings):
    """What is done with the forge's rows."""

    longest: int = Field(default=4_096, gt=0, description="tokens of a row, its prompt included")
    too_long: Literal["leave-out", "refuse"] = Field(
        default="leave-out", description="rows over `longest`: counted and left out, or an error. Never cut"
    )
    learn: Literal["answers", "everything"] = Field(
        default="answers", description="what the model learns to say; everything: the questions, too"
    )
    curriculum: bool = Field(default=True, description="rows in the order of the file, else shuffled in each epoch")
    tasks: tuple[str, ...] = Field(default=(), description="beginnings of tasks' names; empty: all")
    each: int = Field(default=0, ge=0, description="rows of a task at most; 0: all")
    accept: tuple[str, ...] = Field(default=(), description="licences of rows, as [base] has it")


class Learning(Settings):
    """One stage of gradient descent with AdamW."""

    method: Method = Method.FULL
    epochs: float = Field(default=1.0, gt=0)
    minutes: float = Field(default=0.0, ge=0, description="stop in good order after so much time; 0: no limit")
    rate: float = Field(gt=0, description="peak of the learning rate")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    floor: float = Field(default=0.1, ge=0, le=1, description="last learning rate, as a part of the peak")
    warmup: float = Field(default=0.03, ge=0, lt=1, description="share of the steps in which the rate rises")
    decay: float = Field(default=0.1, ge=0, description="weight decay of matrices")
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = Field(default=1.0, gt=0, description="longest gradient (L2 norm)")
    batch: int = Field(gt=0, description="tokens of an optimiser step, over all processes")
    micro: int = Field(gt=0, description="tokens that a process computes at once")
    precision: Literal["bf16", "float32"] = Field(default="bf16", description="of the matrix products")
    checkpointing: bool = Field(default=False, description="compute activations twice and keep fewer of them")
    compile: bool = Field(default=False, description="torch.compile; pays on a GPU")
    save: int = Field(default=500, gt=0, description="steps between two checkpoints")
    keep: int = Field(default=2, gt=0, description="checkpoints that stay")
    measure: int = Field(default=250, gt=0, description="steps between two measurements of the dev loss")
    dev_rows: int = Field(default=1_000, gt=0, description="rows of the dev side that are measured")
    patience: int = Field(
        default=0, ge=0, description="measurements without a better dev loss before it stops; 0: none"
    )

    @model_validator(mode="after")
    def _fits(self) -> Learning:
        if self.batch % self.micro:
            raise ValueError(f"`batch` has to be a multiple of `micro` = {self.micro:,}")
        return self


class Lora(Settings):
    rank: int = Field(default=16, gt=0)
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: Literal["all-linear", "attention"] = "all-linear"


class Probe(Settings):
    """Questions of the dev side that the model answers while it learns; exact answers only."""

    every: int = Field(default=0, ge=0, description="steps between two probes; 0: none")
    tasks: tuple[str, ...] = Field(default=(), description="beginnings of tasks' names; empty: all with exact answers")
    rows: int = Field(default=64, gt=0, description="questions of a probe")
    known: bool = Field(default=False, description="only questions whose exact answer the train side has, too")
    patience: int = Field(default=0, ge=0, description="probes without a better score before it stops; 0: none")


class Pretrain(Learning):
    """Continued pre-training on the knowledge's own text, before everything else."""

    longest: int = Field(default=4_096, gt=0, description="tokens of a piece of a text")
    replay: str = Field(default="", description='path of JSON lines {"text": …} of general text that is mixed in')


class Dpo(Learning):
    """Direct preference optimisation on pairs that a judge ordered."""

    beta: float = Field(default=0.1, gt=0, description="how dear it is to leave the reference model")
    longest: int = Field(default=2_048, gt=0, description="tokens of prompt and answer")


class Grpo(Learning):
    """Group relative policy optimisation with exact verifiers as reward."""

    group: int = Field(default=8, ge=2, description="answers to one question")
    answer: int = Field(default=256, gt=0, description="tokens of an answer")
    temperature: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.0, ge=0, description="of the divergence from the reference model")
    rewards: tuple[str, ...] = Field(
        default=("final", "shape"), description="names of `vedette.train.slm.rewards`, added up"
    )


class Card(Settings):
    """What the model card says that nothing here can compute."""

    use: str = Field(default="Assists defenders; its answers are checked by people.", description="intended use")
    limits: str = Field(default="", description="what it is known to be bad at")
    licence: str = Field(default="Apache-2.0", description="of the trained weights")


class Recipe(Settings):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,60}$")
    seed: int = 7
    purpose: Literal["any", "internal", "research"] = Field(
        default="any", description="what the model is for: licences that forbid it are refused"
    )
    base: Base
    data: Data = Data()
    lora: Lora = Lora()
    sft: Learning
    probe: Probe = Probe()
    pretrain: Pretrain | None = None
    dpo: Dpo | None = None
    grpo: Grpo | None = None
    card: Card = Card()
