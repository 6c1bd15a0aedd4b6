"""What the site takes from outside docs/: the records of the benchmarks with their pictures, some files of the root.

The list of findings is made from the comments of `findings/*.sh`.

Links are written as they work in the checkout (`../benchmarks/results/toy/README.md`) and moved to where those files
are in the site. A link to a file that is not part of the site becomes the file's name; one to no file at all stops the
build.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = ["CONTRIBUTING.md", "CHANGELOG.md", "data/README.md", "benchmarks/README.md"]
RECORDS = ["benchmarks/results/**/*.md", "benchmarks/results/**/*.png", "benchmarks/results/**/*.svg"]
FINDINGS = re.compile(r"<!-- findings: .*? -->")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files from outside docs/."""
    for path in [
        *OUTSIDE,
        *(str(file.relative_to(ROOT)) for pattern in RECORDS for file in sorted(ROOT.glob(pattern))),
    ]:
        files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def findings() -> str:
    """A list of the scripts in findings/, each with the first sentence of its comment.

    Raises:
        PluginError: a script does not begin with a sentence in a comment.
    """
    items = []
    for script in sorted((ROOT / "findings").glob("*.sh")):
        comment = re.match(r"#!.*\n((?:#.*\n)+)", script.read_text(encoding="utf-8"))
        text = "" if comment is None else " ".join(line.strip("# ") for line in comment[1].splitlines())
        sentence = re.match(r".+?[.](?= |$)(?<![0-9][.])", text)
        if sentence is None:
            raise PluginError(f"findings/{script.name} does not say in its first sentence what was found")
        items.append(f"- `findings/{script.name}`: {sentence[0]}")
    return "\n".join(items)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Moves links out of docs/ to their place in the site."""
    origin = ROOT if page.file.src_dir == str(ROOT) else ROOT / "docs"
    here = posixpath.dirname(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        file = (origin / here / target).resolve()
        if not file.exists():
            raise PluginError(f"{page.file.src_uri} links to {target}, which is not there")
        uri = str(file.relative_to(ROOT / "docs" if file.is_relative_to(ROOT / "docs") else ROOT))
        if files.get_file_from_path(uri) is None:
            name = f"`{file.relative_to(ROOT)}`"
            return name if text.strip("`") in (target, name.strip("`")) else f"{text} ({name})"
        return f"{picture}[{text}]({posixpath.relpath(uri, here or '.')}{anchor or ''})"

    return LINK.sub(moved, FINDINGS.sub(lambda _: findings(), markdown))
