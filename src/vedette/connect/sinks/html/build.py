"""Markup built from calls: every string is escaped unless it was built here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from vedette.guard.neutralise import printable

TEXT = 600
VOID = frozenset({"meta", "br", "rect", "line", "path", "circle", "polyline"})


class Html(str):
    """Markup that is already safe. Only this module makes it."""

    __slots__ = ()


class Points(str):
    """Coordinates as an attribute has them: nothing to escape, and of any length."""

    __slots__ = ()


Child = Html | str | int | None


def text(content: str, limit: int = TEXT) -> Html:
    return Html(escape(printable(content, limit)))


def tag(name: str, /, *children: Child | Iterable[Child], **attributes: str | float | bool | None) -> Html:
    """`cls` is written as class, `aria_label` as aria-label; None and False are left out, True stands alone."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID and not children:
        return Html(f"<{opening}/>" if name not in {"meta", "br"} else f"<{opening}>")
    return Html(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Child | Iterable[Child]) -> Html:
    return Html("".join(map(_child, children)))


def link(anchor: str, *children: Child) -> Html:
    """Within the page; nothing links out of it."""
    return tag("a", *children, href=f"#{anchor}")


def points(pairs: Iterable[tuple[float, float]]) -> Points:
    return Points(" ".join(f"{x:.1f},{y:.1f}" for x, y in pairs))


def _child(child: Child | Iterable[Child]) -> str:
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return text(child)
    if child is None:
        return ""
    return f"{child:,}" if isinstance(child, int) else "".join(map(_child, child))


def _attribute(key: str, value: str | float | bool) -> str:
    name = "class" if key == "cls" else key.replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" if value else ""
    if isinstance(value, Points):
        return f' {name}="{value}"'
    shown = value if isinstance(value, str) else f"{value:g}"
    return f' {name}="{escape(printable(shown, TEXT))}"'
