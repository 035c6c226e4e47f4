"""Write the tables of losses from what is registered: docs/losses.md, and the section of README.md."""

import re
from itertools import groupby
from pathlib import Path

import losszoo
from losszoo import LossSpec

ROOT = Path(__file__).parents[1]


def family(spec: LossSpec) -> str:
    """The folder that the loss is written in: ``losszoo_plugins.boxes.overlap:giou`` is one of boxes."""
    return re.split(r"[.:]", spec.target)[1].replace("_", "-")


def main() -> None:
    specs = losszoo.list_losses(plugin="losszoo")
    families = {name: list(found) for name, found in groupby(specs, family)}
    page = ROOT / "docs" / "losses.md"
    head = page.read_text("utf-8").partition("\n## ")[0].rstrip()
    header = "| name | signature | what it is |\n|---|---|---|\n"
    sections = [f"## {name}\n\n{header}{rows(found)}" for name, found in families.items()]
    page.write_text("\n\n".join([head, *sections]) + "\n", "utf-8")

    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    text = re.sub(r"`losszoo list` shows all \d+,", f"`losszoo list` shows all {len(specs)},", text)
    table = "".join(f"| {name} | {', '.join(f'`{s.name}`' for s in found)} |\n" for name, found in families.items())
    text = re.sub(r"(\| family \| losses \|\n\|---\|---\|\n)(\|.*\n)+", lambda match: match[1] + table, text)
    readme.write_text(text, "utf-8")


def rows(specs: list[LossSpec]) -> str:
    return "\n".join(f"| `{s.name}` | {s.signature} | {s.summary}{exhibit(s)} |" for s in specs)


def exhibit(spec: LossSpec) -> str:
    return f" *Exhibit; use `{spec.stable_twin}`.*" if spec.status == "exhibit" else ""


if __name__ == "__main__":
    main()
