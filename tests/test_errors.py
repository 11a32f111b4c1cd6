from __future__ import annotations

import re

import pytest

from vedette import errors
from vedette.errors import VedetteError

DRAWN = re.compile(r"^(?P<indent>[│ ]*)(?P<branch>[├└]── )?(?P<name>[A-Z]\w+)\s+(?:exit code )?(?P<code>\d+)", re.M)


def drawn_tree() -> dict[str, tuple[str | None, int]]:
    """name → (parent, exit code), as the module's docstring draws it."""
    tree: dict[str, tuple[str | None, int]] = {}
    parents: list[str] = []
    for match in DRAWN.finditer(errors.__doc__ or ""):
        depth = (len(match["indent"]) + len(match["branch"] or "")) // 4
        parents[depth:] = [match["name"]]
        tree[match["name"]] = (parents[depth - 1] if depth else None, int(match["code"]))
    return tree


def classes() -> dict[str, type[VedetteError]]:
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return {cls.__name__: cls for cls in found if issubclass(cls, VedetteError)}


def test_the_drawn_tree_is_the_tree() -> None:
    real = {
        name: (None if cls is VedetteError else cls.__bases__[0].__name__, cls.exit_code)
        for name, cls in classes().items()
    }
    assert drawn_tree() == real
    assert len(real) <= 12


def test_an_exit_code_belongs_to_one_class_and_its_subclasses() -> None:
    owners = [cls.exit_code for cls in classes().values() if "exit_code" in vars(cls)]
    assert len(owners) == len(set(owners))
    assert errors.RecordError.exit_code == errors.InputError.exit_code == 3
    assert 0 not in owners


@pytest.mark.parametrize("cls", classes().values())
def test_a_message_says_what_where_and_the_remedy(cls: type[VedetteError]) -> None:
    error = cls("unknown key 'x'", where="site.toml:3", remedy="did you mean 'y'?")
    assert str(error) == "site.toml:3: unknown key 'x' (did you mean 'y'?)"
    assert (error.what, error.where, error.remedy) == ("unknown key 'x'", "site.toml:3", "did you mean 'y'?")
    assert str(cls("only this")) == "only this"
