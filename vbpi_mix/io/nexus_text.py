"""The lexical layer of NEXUS: commands, comments, quoted words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vbpi_mix.errors import InputError

# A quote opens a quoted word only where a word may begin: the apostrophe of it's is an ordinary character.
_QUOTED = r"(?:(?<![^\s(),=;:{}\]])'[^']*(?:''[^']*)*(?P<open>'|\Z))"
_BREAK = re.compile(_QUOTED + r"|\[|;")
_BRACKET = re.compile(r"[\[\]]")
_WORD = re.compile(r"'[^']*(?:''[^']*)*'|\"[^\"]*\"|[=,;]|[^\s=,;]+")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One NEXUS command without its semicolon and comments.

    Arguments:
        text: what it says; line breaks are kept, those of comments too.
        line: where it begins in the file, from 1.
        block: lower-case name of the block it stands in, "" outside.
        ended: False for what follows the last semicolon of the file.
    """

    text: str
    line: int
    block: str
    ended: bool

    @property
    def keyword(self) -> str:
        """The first word in lower case."""
        return (self.text.split(None, 1) or [""])[0].lower()

    @property
    def rest(self) -> str:
        """What follows the first word, with the line breaks right behind it."""
        return self.text.lstrip()[len(self.keyword) :]


def commands(text: str, source: str) -> Iterator[Command]:
    """Split NEXUS text at its semicolons; comments (nested ones too) are removed, quoted words kept whole.

    Arguments:
        text: the file's text; a first line `#NEXUS` is passed over.
        source: file name for messages.

    Raises:
        InputError: a comment or a quoted word that is never closed.
    """
    if text.lstrip()[:6].upper() == "#NEXUS":
        start = text.upper().index("#NEXUS")
        text = text[:start] + text[start + 6 :]
    parts: list[str] = []
    position, kept, begun, block = 0, 0, 0, ""
    while match := _BREAK.search(text, position):
        position = match.end()
        if match.group() == "[":
            parts.append(text[kept : match.start()])
            position = kept = _comment_end(text, match.start(), source)
            parts.append("\n" * text.count("\n", match.start(), kept))
        elif match.group() == ";":
            parts.append(text[kept : match.start()])
            command = _command("".join(parts), text, begun, block, ended=True)
            block = _block(command, block)
            yield command
            parts, kept, begun = [], position, position
        elif match.group("open") != "'":
            raise InputError(f"{source}, line {_line(text, match.start())}: a quoted word is never closed")
    parts.append(text[kept:])
    yield _command("".join(parts), text, begun, block, ended=False)


def words(text: str) -> list[str]:
    """The words of a command: quoted words with their quotes, the signs = , ; alone, and everything else."""
    return _WORD.findall(text)


def unquote(word: str) -> str:
    """The text of a word: without its single or double quotes, a doubled single quote read as one."""
    if len(word) > 1 and word[0] == word[-1] == "'":
        return word[1:-1].replace("''", "'")
    if len(word) > 1 and word[0] == word[-1] == '"':
        return word[1:-1]
    return word


def _comment_end(text: str, start: int, source: str) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, start):
        depth += 1 if match.group() == "[" else -1
        if depth == 0:
            return match.end()
    raise InputError(f"{source}, line {_line(text, start)}: a comment [ is never closed")


def _command(body: str, text: str, begun: int, block: str, *, ended: bool) -> Command:
    blank = len(body) - len(body.lstrip())
    return Command(text=body, line=_line(text, begun) + body.count("\n", 0, blank), block=block, ended=ended)


def _block(command: Command, block: str) -> str:
    if command.keyword == "begin":
        return command.rest.strip().lower()
    return "" if command.keyword in ("end", "endblock") else block


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
