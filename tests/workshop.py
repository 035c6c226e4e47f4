"""A folder in which a package of a tutorial grows, and an environment that it is installed into."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from doc_blocks import Block, blocks


@dataclass(frozen=True)
class Workshop:
    """A folder in which a package grows, and a virtual environment that it is installed into."""

    folder: Path
    environment: Path

    def __post_init__(self) -> None:
        """Torch and the rest are borrowed from the running interpreter."""
        self.folder.mkdir()
        venv.create(self.environment, with_pip=PathFinder.find_spec("pip") is None)
        scripts = self.environment / "bin"
        # `addsitedir` also follows the .pth file by which losszoo itself may be installed.
        borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in borrowed)
        place = sysconfig.get_path("purelib", vars={"base": str(self.environment)})
        (Path(place) / "borrowed.pth").write_text(lines)
        command = scripts / "losszoo"
        command.write_text(f'#!/bin/sh\nexec "{scripts / "python"}" -m losszoo "$@"\n')
        command.chmod(0o755)

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output of a shell command, stdout and stderr as they come in a terminal."""
        # Offline: the build backend is there already, and so is everything that the package depends on.
        command = command.replace("pip install", "pip install --no-build-isolation --no-deps --no-index")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "COLUMNS": "110",
                "OMP_NUM_THREADS": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
                "PYTHONDONTWRITEBYTECODE": "1",  # files change faster than its time stamps
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1800,
        )
        return done.returncode, done.stdout.replace(str(self.folder), f"/home/me/{self.folder.name}")

    def follow(self, block: Block) -> list[str]:
        """Do what a block says; what came out differently."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(block.text)
            return []
        if block.language != "console":
            return []
        before = {edit.path: (self.folder / edit.path).read_text() for edit in block.edits}
        for edit in block.edits:
            text = (self.folder / edit.path).read_text()
            assert edit.old in text, f"{block}: {edit.path} does not hold {edit.old!r}"
            (self.folder / edit.path).write_text(text.replace(edit.old, edit.new))
        wrong = [complaint for pair in block.commands for complaint in self._compare(block, *pair)]
        for name, text in before.items():
            (self.folder / name).write_text(text)
        return wrong

    def _compare(self, block: Block, command: str, shown: str) -> list[str]:
        code, output = self.run(command)
        if not shown and code != 0:
            return [f"{block}: $ {command}\nexit code {code}:\n{output}"]
        differs = shown and output != shown
        return [f"{block}: $ {command}\nshown:\n{shown}\ncame:\n{output}"] if differs else []

    def doctest(self, page: list[Block]) -> list[str]:
        """What came out differently of the page's Python sessions."""
        session = "\n".join(block.text for block in page if block.language == "pycon")
        (self.folder.parent / "session.txt").write_text(session)
        code, output = self.run("python -m doctest -o ELLIPSIS ../session.txt")
        return [f"{page[0].page}: {output}"] if code else []


def made_by(pages: list[Path]) -> dict[str, str]:
    """The files that pages make, by path: a later block of the same title is added to its end."""
    made: dict[str, str] = {}
    for page in pages:
        for block in blocks(page):
            if block.title:
                made[block.title] = made.get(block.title, "") + block.text
    return made


def kept_in(folder: Path) -> dict[str, str]:
    """The files of a folder, by path."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}
