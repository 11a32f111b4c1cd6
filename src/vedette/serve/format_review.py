"""The page on which an expert reviews a format: all items in one form; what was typed is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from vedette.errors import ConfigError, OutputError
from vedette.forge.format import Line, Section, flat
from vedette.forge.review import RATINGS, Opinion, Reviews, Verdict, open_lines
from vedette.serve.local import Reply
from vedette.serve.page import page, told

Fields = dict[str, str]


class ReviewSite:
    """One reviewer's; what others decided is not shown, so that agreement means something."""

    def __init__(self, reviews: Reviews, by: str) -> None:
        self.reviews, self.made, self.by = reviews, reviews.made, by

    def get(self, query: Fields) -> Reply:
        saved = query.get("saved", "")
        note = f"{saved} saved." if saved.isascii() and saved.isdigit() and len(saved) < 4 else ""
        return Reply(page(self.made.label, self._body({}, {}, note)))

    def post(self, fields: Fields) -> Reply:
        faults: dict[Line, str] = {}
        saved = 0
        for line in self.made.lines:
            try:
                saved += self._save(line, fields)
            except ConfigError as error:
                faults[line] = str(error)
            except OutputError as error:
                return Reply(
                    page(self.made.label, self._body(fields, {line: str(error)}, "")), HTTPStatus.INSUFFICIENT_STORAGE
                )
        if faults:
            body = self._body(fields, faults, f"{saved} saved.")
            return Reply(page(self.made.label, body), HTTPStatus.UNPROCESSABLE_ENTITY)
        if "finish" in fields:
            return Reply(page(self.made.label, self._end()), last=True)
        left = open_lines(self.made, self.reviews.of(self.by))
        return Reply(to=f"?saved={saved}" + (f"#{_key(left[0])}" if left else ""))

    def _save(self, line: Line, fields: Fields) -> int:
        """Whether an opinion was new."""
        opinion = _opinion(line, fields)
        if opinion is None or opinion == self.reviews.of(self.by).get(line):
            return 0
        before = self.reviews.of(self.by).get(line)
        self.reviews.add(self.by, line, opinion)
        return int(self.reviews.of(self.by).get(line) != before)

    def _body(self, fields: Fields, faults: dict[Line, str], note: str) -> Iterator[str]:
        said = self.reviews.of(self.by)
        count = len(self.made.lines)
        yield f"<header><h1>{told(self.made.label)}</h1>"
        tasks = told(", ".join(self.made.tasks))
        yield f'<p class="dim">{self.made.status} for {tasks} · reviewed by {told(self.by)}'
        yield f" · {len(said)} of {count} items decided</p>"
        if note:
            yield f'<p class="note" role="status">{told(note)}</p>'
        if faults:
            yield f'<p class="fault" role="alert">{len(faults)} could not be saved; each says why.</p>'
        yield '</header><main><form method="post" action="./" autocomplete="off">'
        for section in Section:
            yield f"<h2>{section}</h2>"
            own = [line for line in self.made.lines if line.section is section]
            for number, line in enumerate(own, start=1):
                yield from _item(number, line, _typed(line, fields, said.get(line)), faults.get(line, ""))
            if not own:
                yield '<p class="dim">none</p>'
        yield '<nav><button class="main" name="save" value="1">Save</button>'
        yield '<button name="finish" value="1">Save and finish</button></nav></form></main>'

    def _end(self) -> Iterator[str]:
        left = len(open_lines(self.made, self.reviews.of(self.by)))
        yield f"<h1>{told(self.made.label)}</h1>"
        yield '<p class="note" role="status">Saved. The server has stopped; you can close this page.</p>'
        if left:
            yield f"<p>{left} of {len(self.made.lines)} items are undecided. Run the command again to go on.</p>"
        else:
            command = f"vedette forge format approve {told(self.made.label)} --by …"
            yield f"<p>All items are decided. Next: <code>{command}</code></p>"


def _key(line: Line) -> str:
    return line.sha256[:16]


def _opinion(line: Line, fields: Fields) -> Opinion | None:
    """None for an item that was left alone."""
    key = _key(line)
    verdict, rating = fields.get(f"verdict-{key}", ""), fields.get(f"rating-{key}", "")
    comment = flat(fields.get(f"comment-{key}", ""))
    if not verdict:
        if rating or comment:
            raise ConfigError("no verdict", remedy="choose accept, edit or reject beside the rating or comment")
        return None
    if verdict not in set(Verdict) or rating not in {"", *map(str, RATINGS)}:
        raise ConfigError(f"'{verdict[:20]}', rating '{rating[:20]}'", remedy="use the page's own form")
    text = flat(fields.get(f"text-{key}", "")) if verdict == Verdict.EDIT else ""
    return Opinion(Verdict(verdict), text, int(rating or 0), comment)


def _typed(line: Line, fields: Fields, said: Opinion | None) -> tuple[str, str, str, str]:
    """(verdict, text, rating, comment) as they stand in the form: what was typed, or what was saved."""
    key = _key(line)
    if any(name.endswith(key) for name in fields):
        verdict, text, rating, comment = (
            fields.get(f"{name}-{key}", "") for name in ("verdict", "text", "rating", "comment")
        )
        return verdict, flat(text) or line.text, rating, flat(comment)
    if said is None:
        return "", line.text, "", ""
    return said.verdict, said.text or line.text, str(said.rating or ""), said.comment


def _item(number: int, line: Line, typed: tuple[str, str, str, str], fault: str) -> Iterator[str]:
    key = _key(line)
    verdict, text, rating, comment = typed
    mark = verdict if verdict in set(Verdict) else ""
    name = f"{line.section} {number}"
    yield f'<article id="{key}" class="{mark}"><p class="item">{number}. {told(line.text)}</p>'
    if fault:
        yield f'<p class="fault">{told(fault)}</p>'
    yield f"<fieldset><legend>{name}</legend>"
    for choice in Verdict:
        checked = " checked" if choice == verdict else ""
        yield f'<label><input type="radio" name="verdict-{key}" value="{choice}"{checked}>{choice}</label>'
    options = "".join(
        f'<option value="{value}"{" selected" if str(value) == rating else ""}>{value or "–"}</option>'
        for value in ("", *RATINGS)
    )
    yield f'<label>rating <select name="rating-{key}">{options}</select></label>'
    comment_box = f'<input name="comment-{key}" value="{told(comment)}" maxlength="1000">'
    yield f'<label class="wide">comment {comment_box}</label></fieldset>'
    yield f'<textarea name="text-{key}" aria-label="{name}, edited">{told(text)}</textarea></article>'
