"""What a forge recipe may say; every key has its unit in its description."""

from __future__ import annotations

from pydantic import Field

from vedette.config import Settings
from vedette.forge.build import Plan
from vedette.forge.mix import Mix
from vedette.split import Split


class Refine(Settings):
    """Stages 3 to 5: what a teacher and a judge are asked for."""

    per_task: int = Field(
        default=200, description="examples of each task that are refined; the others stay as they are"
    )
    rest: bool = Field(default=True, description="whether the others are in the data, too")
    queries: int = Field(default=2, description="K: of a round; 0: no grounding")
    results: int = Field(default=2, description="R: of a query")
    rounds: int = Field(default=1, description="of asking what is missing")
    formats: str = Field(default="", description="folder of your own formats, beside those that ship")
    marks: dict[str, int] = Field(default={}, description="least factuality by task, from `forge calibrate`")
    in_flight: int = Field(default=16, description="examples at once")
    a_minute: int = Field(default=0, description="calls; 0: no limit")
    tokens: int = Field(default=0, description="of all calls of a run; 0: no limit")


class Evolve(Settings):
    """New exercises out of those that are refined, between stages 1 and 3, for `forge run`."""

    rounds: int = Field(default=0, ge=0, le=4, description="each at most doubles the set; 0: none")
    per_task: int = Field(default=50, ge=0, description="examples of each task that a first round starts from")
    results: int = Field(default=2, ge=0, le=10, description="passages that a search adds to those of the example")


class Recipe(Settings):
    """`recipes/forge-*.toml`."""

    name: str = Field(default="structure", description="of the data, for its card")
    seed: int = Field(default=7, description="of every random choice")
    build: Plan = Field(default=Plan(), description="stage 1")
    evolve: Evolve = Field(default=Evolve(), description="new exercises, for `forge run`")
    refine: Refine = Field(default=Refine(), description="stages 3 to 5, for `forge run`")
    mix: Mix = Field(default=Mix(), description="stage 6")

    @property
    def split(self) -> Split:
        return Split(self.seed, self.build.dev)
