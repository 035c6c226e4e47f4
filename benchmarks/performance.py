"""Measure everything that docs/performance.md shows, and write its tables anew.

Each part of the page between ``<!-- bench: NAME -->`` and ``<!-- end -->`` is made from one command of ``losszoo bench
--json``; what surrounds it stays. Give names of parts to measure only those.

    python benchmarks/performance.py [PART...] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from losszoo.bench.cost_model import traffic
from losszoo.common.text import human_bytes, human_count, human_seconds, human_times

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_LOST = {"memory": "out of memory", "timeout": "timeout", "killed": "killed", "raised": "raised"}
_PART = r"(<!-- bench: {name} -->\n).*?(<!-- end -->)"
_GROWTH = "1024,2048,4096,8192,16384,31623"

COMMANDS = {
    "nca": "nca nca-stable sup-con --sizes 128,256,512,1024,8192 --against dense,pml",
    "large": "nca-stable --sizes 65536 --against dense --repeats 1 --timeout 600",
    "info-nce": "info-nce(symmetric=true) --sizes 256,1024,16384 --dim 128 --against dense,pml-supcon --budget 3",
    "triplet-all": "triplet-all --sizes 256,1024 --against dense,pml",
    "sparsemax": "sparsemax entmax --sizes 512x1000,256x32000 --against dense,entmax,entmax-k100",
    "focal": "focal(alpha=0.25) --sizes 10000,100000,800000 --against dense,torchvision",
    "growth": f"nca --sizes {_GROWTH} --against dense --predict 31623,1000000 --budget 2 --timeout 600",
}
Document = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(COMMANDS)}; all by default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(COMMANDS))
    if unknown:
        parser.error(f"PART must be one of {', '.join(COMMANDS)}, got {', '.join(unknown)}")
    for name in options.parts or COMMANDS:
        document = measure([*COMMANDS[name].split(), "--threads", str(options.threads)])
        write(name, lines(document))
    write("ranks", ranks(1_000_000, 64, (1, 2, 4, 8, 64)))


def measure(arguments: list[str]) -> Document:
    """The answer of one command; what it says for people goes on to the terminal."""
    command = [sys.executable, "-m", "losszoo", "bench", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    document: Document = json.loads(done.stdout)
    if "error" in document:
        raise SystemExit(document["error"]["message"])
    return document


def write(name: str, made: Iterable[str]) -> None:
    """Put these lines where the page has the part."""
    page = PAGE.read_text(encoding="utf-8")
    text = "".join(f"{line}\n" for line in ("", *made, ""))
    pattern = re.compile(_PART.format(name=re.escape(name)), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} must have a part {name!r}, got none")
    PAGE.write_text(pattern.sub(lambda match: match[1] + text + match[2], page), encoding="utf-8")


def lines(document: Document) -> list[str]:
    """The command, the machine, and the tables."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, {machine['device']}"
    made = ["```sh", _command(document), "```", "", f"{where}; {versions}.", "", *measured(document["rows"])]
    if document["forecasts"]:
        made += ["", *predicted(document["forecasts"])]
    return made


def _command(document: Document) -> str:
    return str(document["command"]).removesuffix(" --json")


def measured(rows: list[Document]) -> list[str]:
    head = ("loss", "D", "size", "peer", "time", "peer's time", "faster (quartiles)", "memory", "peer's memory", "less")
    return markdown(head, [_row(row) for row in rows])


def _row(row: Document) -> list[str]:
    zoo, peer, ratio = row["zoo"], row["peer"], row["ratio"]
    faster = f"{human_times(ratio['median'])} ({ratio['low']:.2g} to {ratio['high']:.2g})" if ratio else ""
    if row["agreement"] and not row["agreement"]["agrees"]:
        faster = f"differs: {row['agreement']['value']:.9g} and {row['agreement']['peer_value']:.9g}"
    return [
        f"`{row['loss']}`",
        str(row["dim"] or ""),
        row["size"],
        peer["name"] if peer else "",
        _cost(zoo, "seconds", human_seconds),
        _cost(peer, "seconds", human_seconds) if peer else "",
        faster,
        _cost(zoo, "extra_bytes", human_bytes),
        _cost(peer, "extra_bytes", human_bytes) if peer else "",
        human_times(row["memory_ratio"]) if row["memory_ratio"] else "",
    ]


def _cost(cell: Document, field: str, human: Callable[[float], str]) -> str:
    return _LOST.get(cell["status"], "") if cell[field] is None else human(cell[field])


def predicted(forecasts: list[Document]) -> list[str]:
    head = ("side", "what", "rows", "D", "predicted", "checked at", "measured", "predicted there", "error")
    return markdown(head, [_forecast(one) for one in forecasts])


def _forecast(one: Document) -> list[str]:
    human = human_seconds if one["what"] == "seconds" else human_bytes
    check = one["check"]
    return [
        f"{one['loss']}, {one['side']}",
        one["what"].replace("_", " "),
        human_count(one["rows"]),
        str(one["dim"]),
        human(one["predicted"]),
        f"{human_count(check['rows'])}, D = {check['dim']}",
        human(check["measured"]),
        human(check["predicted"]),
        "" if check["error"] is None else f"{check['error']:+.0%}",
    ]


def ranks(rows: int, dim: int, counts: Iterable[int]) -> list[str]:
    """What a rank sends and holds, both ways."""
    head = ("ranks", "gathered: sent by each", "held by each", "around a ring: sent by each", "held by each")
    table = []
    for count in counts:
        gathered, ring = (traffic(rows, dim, count, ring=way) for way in (False, True))
        table.append([str(count), *(human_bytes(x) for way in (gathered, ring) for x in (way.sent, way.held))])
    return markdown(head, table)


def markdown(head: Iterable[str], rows: Iterable[list[str]]) -> list[str]:
    names = list(head)
    return [f"| {' | '.join(cells)} |" for cells in (names, ["---"] * len(names), *rows)]


if __name__ == "__main__":
    main()
