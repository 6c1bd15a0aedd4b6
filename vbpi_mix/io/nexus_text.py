"""The lexical layer of NEXUS: commands, comments, quoted words, blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vbpi_mix.errors import InputError
from vbpi_mix.io.notices import listed, notice

# A quote opens a quoted word only where a word may begin: the apostrophe of it's is an ordinary character.
_QUOTED = r"(?:(?<![^\s(),=;:{}\]])'[^']*(?:''[^']*)*(?P<open>'|\Z))"
_BREAK = re.compile(_QUOTED + r"|\[|;")
_BRACKET = re.compile(r"[\[\]]")
_WORD = re.compile(r"'[^']*(?:''[^']*)*'|\"[^\"]*\"|[=,;]|[^\s=,;]+")
_BEGIN = re.compile(r"^[ \t]*begin[ \t]+[\w.'-]+\s*\Z", re.IGNORECASE | re.MULTILINE)
_END_LINE = re.compile(r"\n[ \t]*(?P<end>end|endblock)\s*\Z", re.IGNORECASE)
_ENDS = ("end", "endblock")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One NEXUS command without its semicolon and comments.

    Arguments:
        text: the text; line breaks are kept, those of comments too.
        line: line of the file on which it begins, from 1.
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
        """Text behind the first word, with the line breaks right behind it."""
        return self.text.lstrip()[len(self.keyword) :]


@dataclass(kw_only=True)
class Block:
    """One NEXUS block.

    Arguments:
        name: name in lower case.
        line: line of the file on which it begins, from 1.
        commands: text between BEGIN and END.
        title: title of a TITLE command, "" without one.
        links: kind of block (in lower case) to title, of LINK commands.
    """

    name: str
    line: int
    commands: list[Command] = field(default_factory=list)
    title: str = ""
    links: dict[str, str] = field(default_factory=dict)


def is_nexus(text: str) -> bool:
    """Whether a text begins with #NEXUS, in any case."""
    return text.lstrip()[:6].upper() == "#NEXUS"


def commands(text: str, source: str) -> Iterator[Command]:
    """Split NEXUS text at its semicolons; comments (nested ones too) are removed, quoted words kept whole.

    Arguments:
        text: the file's text; a first line `#NEXUS` is passed over.
        source: file name for messages.

    Raises:
        InputError: a comment or a quoted word that is never closed.
    """
    if is_nexus(text):
        start = text.upper().index("#NEXUS")
        text = text[:start] + text[start + 6 :]
    parts: list[str] = []
    position, kept, begun, line, block = 0, 0, 0, 1, ""
    while match := _BREAK.search(text, position):
        position = match.end()
        if match.group() == "[":
            parts.append(text[kept : match.start()])
            position = kept = comment_end(text, match.start())
            if position < 0:
                raise InputError(f"{source}, line {_line(text, match.start())}: a comment [ is never closed")
            parts.append("\n" * text.count("\n", match.start(), kept))
        elif match.group() == ";":
            parts.append(text[kept : match.start()])
            command = _command("".join(parts), line, block, ended=True)
            block = _block(command, block)
            yield command
            line += text.count("\n", begun, position)
            parts, kept, begun = [], position, position
        elif match.group("open") != "'":
            raise InputError(f"{source}, line {_line(text, match.start())}: a quoted word is never closed")
    parts.append(text[kept:])
    yield _command("".join(parts), line, block, ended=False)


def blocks(text: str, source: str) -> list[Block]:
    """The blocks of a NEXUS file, each complete.

    Text between blocks means nothing; it is passed over with a notice. The last END may lack its semicolon.

    Raises:
        InputError: a comment, quoted word, command or block that is never closed, as in a file that was cut off.
    """
    found: list[Block] = []
    stray: list[str] = []
    block: Block | None = None
    for command in commands(text, source):
        if not command.text.strip():
            continue
        if block is None:
            block, passed_over = _begin(command)
            if passed_over:
                stray.append(f"{_shown(command.text)} (line {command.line})")
            if block is not None:
                found.append(block)
            continue
        if command.keyword in _ENDS and not command.rest.strip():
            block = None
            continue
        _check_command(command, block, source)
        if command.keyword == "title":
            block.title = unquote(command.rest.strip())
        elif command.keyword == "link":
            block.links |= {key: value for key, value in settings(command.rest).items() if value}
        block.commands.append(command)
    if block is not None:
        raise InputError(
            f"{source}: the block {block.name.upper()} that begins at line {block.line} has no END; is the file "
            "cut off?"
        )
    if stray:
        notice(f"{source}: text that stands in no block is passed over: {listed(stray, 3)}")
    return found


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


def settings(text: str) -> dict[str, str]:
    """`key = value` pairs, keys in lower case; a key alone is "yes". A value with a bracket goes on to its end.

    Commas between pairs are passed over.
    """
    found: dict[str, str] = {}
    parts = words(text)
    i = 0
    while i < len(parts):
        if parts[i] == ",":
            i += 1
        elif i + 2 < len(parts) and parts[i + 1] == "=":
            key, value = parts[i].lower(), parts[i + 2]
            i += 3
            while value.count("(") > value.count(")") and i < len(parts):
                value += parts[i]
                i += 1
            found[key] = unquote(value)
        else:
            found[parts[i].lower()] = "yes"
            i += 1
    return found


def comment_end(text: str, start: int) -> int:
    """The position behind the comment that begins at `start`, with the comments inside it; -1: it is never closed."""
    depth = 0
    for match in _BRACKET.finditer(text, start):
        depth += 1 if match.group() == "[" else -1
        if depth == 0:
            return match.end()
    return -1


def _begin(command: Command) -> tuple[Block | None, bool]:
    """The block that a command outside of blocks begins, if it does; and whether there is other text in it."""
    if command.keyword == "begin":
        return Block(name=_block(command, ""), line=command.line), False
    begin = _BEGIN.search(command.text)
    if begin is not None and command.ended:
        line = command.line + command.text.lstrip().count("\n", 0, begin.start() - _blank(command.text))
        return Block(name=begin.group().split()[1].lower(), line=line), True
    return None, command.keyword not in _ENDS


def _check_command(command: Command, block: Block, source: str) -> None:
    where = f"{source}, line {command.line}"
    if command.keyword == "begin" and len(command.text.split()) == 2:
        raise InputError(f"{where}: a block begins here, but {block.name.upper()} (line {block.line}) has no END")
    if command.keyword in _ENDS:
        raise InputError(f"{where}: {_shown(command.text)}: the semicolon behind END is missing")
    if (end := _END_LINE.search(command.text)) is not None and command.keyword != "tree":
        line = command.line + command.text.lstrip().count("\n", 0, end.start("end") - _blank(command.text))
        raise InputError(
            f"{where}: the {command.keyword.upper()} command has no closing semicolon before END (line {line})"
        )
    if not command.ended:
        raise InputError(
            f"{where}: the {command.keyword.upper()} command has no closing semicolon; is the file cut off?"
        )


def _command(body: str, line: int, block: str, *, ended: bool) -> Command:
    return Command(text=body, line=line + body.count("\n", 0, _blank(body)), block=block, ended=ended)


def _block(command: Command, block: str) -> str:
    if command.keyword == "begin":
        return unquote(command.rest.strip()).lower()
    return "" if command.keyword in _ENDS else block


def _blank(text: str) -> int:
    return len(text) - len(text.lstrip())


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _shown(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return repr(line if len(line) <= 40 else line[:40] + "...")
