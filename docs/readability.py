"""Words per sentence and the share of long sentences: README, pages and help texts.

    python docs/readability.py            # the files as they are
    python docs/readability.py REVISION   # as a commit has them, from git
    python docs/readability.py --long     # the long sentences themselves

Code, tables, headings, pictures, comments and bold words that head a paragraph are left out. A list item is a text of
its own. Inline code counts as one word. Help texts are the `help=` strings and the docstrings of the commands in
`vbpi_mix/cli`, without their lists.
"""

import argparse
import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG = 30  # words; a sentence above this is long
_NOT_AN_END = re.compile(r"\b(al|e\.g|i\.e|cf|vs|No|Fig|Eq|St)\.$")


def sentences(text: str) -> list[str]:
    """The sentences of plain text, in order."""
    found: list[str] = []
    for piece in re.split(r"(?<=[.!?])[*_)\"']*\s+(?=[^\sa-z])", " ".join(text.split())):
        if found and _NOT_AN_END.search(found[-1]):
            found[-1] += " " + piece
        elif re.search(r"\w", piece):
            found.append(piece)
    return found


def n_words(sentence: str) -> int:
    """Number of words: pieces between blanks that have a letter or a digit."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def markdown_texts(markdown: str) -> list[str]:
    """Paragraphs and list items of a page, without its code, tables, headings and comments."""
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    text = re.sub(r"^ *(```|~~~).*?^ *\1 *$", "\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(\||#|:::|</?div).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$|`[^`]+`", "Code", text, flags=re.DOTALL)
    text = re.sub(r"^ *([-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)
    found = (re.sub(r"^\s*\*\*[^*]+\.\*\*", "", block) for block in re.split(r"\n\s*\n", text))
    return [block for block in found if block.strip()]


def help_texts(source: str) -> Iterator[str]:
    """The help strings of a module's options and arguments, and the docstrings of its commands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and "typer." in ast.unparse(node.args):
            paragraphs = re.split(r"\n\s*\n", ast.get_docstring(node) or "")
            yield from (text for text in paragraphs if "\b" not in text)  # click does not wrap what follows it
        elif isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def read(revision: str | None) -> dict[str, str]:
    """Texts of README, CONTRIBUTING, pages and commands by path: of the checkout, or of a commit."""
    if revision is None:
        names = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("*.md"))]
        names += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
        names += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "vbpi_mix" / "cli").glob("*.py"))]
        return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    listed = _git("ls-tree", "-r", "--name-only", revision)
    names = [name for name in listed.splitlines() if re.fullmatch(r"[^/]+\.md|docs/.+\.md|vbpi_mix/cli/.*\.py", name)]
    return {name: _git("show", f"{revision}:{name}") for name in names}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout


def measure(revision: str | None = None) -> dict[str, list[str]]:
    """The sentences of README, CONTRIBUTING, each page, and of all help texts together."""
    found: dict[str, list[str]] = {}
    for name, text in read(revision).items():
        if name.endswith(".py"):
            found.setdefault("help texts", []).extend(s for block in help_texts(text) for s in sentences(block))
        elif name != "CHANGELOG.md":
            found[name] = [s for block in markdown_texts(text) for s in sentences(block)]
    return {name: texts for name, texts in found.items() if texts}


def main() -> None:
    """Print a line for every page, for all pages together, and for the help texts."""
    parser = argparse.ArgumentParser(description="Words per sentence of the documentation and the help texts.")
    parser.add_argument("revision", nargs="?", help="Commit to read; the checkout if not given.")
    parser.add_argument("--long", action="store_true", help="Print the long sentences too.")
    options = parser.parse_args()
    found = measure(options.revision)
    found["all of docs/"] = [s for name in found if name.startswith("docs/") for s in found[name]]
    print(f"{'text':<26}{'sentences':>10}{'words each':>12}{f'above {LONG} words':>18}")
    for name, texts in found.items():
        lengths = [n_words(text) for text in texts]
        share = sum(n > LONG for n in lengths) / len(lengths)
        print(f"{name:<26}{len(lengths):>10}{sum(lengths) / len(lengths):>12.1f}{share:>18.1%}")
        if options.long and name != "all of docs/":
            print("".join(f"    {n}: {text}\n" for n, text in zip(lengths, texts, strict=True) if n > LONG), end="")


if __name__ == "__main__":
    main()
