"""Reviewing a format in the terminal: an item at a time, one key and Enter."""

from __future__ import annotations

from vedette.cli.terminal import show
from vedette.errors import ConfigError
from vedette.forge.format import Line
from vedette.forge.review import Opinion, Reviews, Verdict, open_lines

HELP = "a accept, e edit, r reject, s skip, q quit; a rating of 1 to 5 may follow, as in: a 4"
_ASK = "a e r s q"
_VERDICTS = {"a": Verdict.ACCEPT, "e": Verdict.EDIT, "r": Verdict.REJECT}


class _Quit(Exception):
    pass


def in_terminal(reviews: Reviews, by: str) -> None:
    """Undecided items in turn; the end of input quits, as `q` does."""
    from vedette.cli.forge_format_views import asked

    lines = open_lines(reviews.made, reviews.of(by))
    count = len(reviews.made.lines)
    print(HELP)
    try:
        for number, line in enumerate(lines, start=count - len(lines) + 1):
            show(lambda width, line=line, number=number: asked(line, number, count, width))  # type: ignore[misc]
            _decide(reviews, by, line)
    except _Quit:
        print()
    left = len(open_lines(reviews.made, reviews.of(by)))
    print(f"{count - left} of {count} items decided by {by}; they are in {reviews.path}")
    if not left:
        print(f"Next: vedette forge format approve {reviews.made.label} --by …")


def _decide(reviews: Reviews, by: str, line: Line) -> None:
    """Asks until the answer can be kept."""
    while True:
        key, _, rating = _read(_ASK).lower().partition(" ")
        if key in {"q", "quit"}:
            raise _Quit
        if key in {"s", "skip"}:
            return
        verdict = _VERDICTS.get(key[:1]) if key in {*_VERDICTS, *Verdict} else None
        if verdict is None or rating.strip() not in {"", "1", "2", "3", "4", "5"}:
            print("  a, e, r, s or q, and 1 to 5 behind it where you rate")
            continue
        text = _read("new text") if verdict is Verdict.EDIT else ""
        comment = _read("comment (Enter: none)")
        try:
            reviews.add(by, line, Opinion(verdict, text, int(rating or 0), comment))
        except ConfigError as error:
            print(f"  {error}")
            continue
        return


def _read(prompt: str) -> str:
    try:
        return input(f"  {prompt} > ").strip()
    except EOFError:
        raise _Quit from None
    except UnicodeDecodeError:
        print("  that is not UTF-8")
        return ""
