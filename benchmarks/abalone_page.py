"""The tables of docs/abalone.md, from what abalone.py has measured."""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from abalone_book import Book, Document, spread
from abalone_trainings import BACK, BRANCHES, LOSSES, MODERN, RULES, STEPS, WALK, Row
from performance import markdown

PAGE = Path(__file__).parents[1] / "docs" / "abalone.md"
_PART = r"(<!-- abalone: {name} -->\n).*?(<!-- end -->)"


def losses(book: Book) -> list[str]:
    head = ("loss", "stopped", "bad steps", *RULES, "k=3 against `nca-stable`, seeds", "splits", "")
    base = next(row for row in LOSSES if row.training == "stable")
    return markdown(head, [_loss(book, row, base) for row in LOSSES])


def _loss(book: Book, row: Row, base: Row) -> list[str]:
    runs = [book.runs[row.training, *cell] for cell in book.by_seed]
    stopped = sum(run["status"] == "stopped-by-guard" for run in runs)
    means = [book.mean(Row("", row.training, "last", rule)) for rule in RULES]
    changes = book.changes(row, base) if row != base else [""] * 3
    bad = str(sum(run["nonfinite"] for run in runs))
    return [row.label, f"{stopped} of {len(runs)}", bad, *means, *changes]


def walk(book: Book) -> list[str]:
    head = ("", "one change", "test", "validation", "change, seeds", "change, splits", "", "CPU s")
    rows = []
    for number, row in enumerate(WALK):
        changes = book.changes(row, WALK[number - 1]) if number else [""] * 3
        rows.append([str(number), row.label, book.mean(row), book.mean(row, "val"), *changes, _seconds(book, row)])
    return markdown(head, rows)


def _seconds(book: Book, row: Row) -> str:
    return f"{statistics.median(book.runs[row.training, *cell]['cpu'] for cell in book.by_seed):.1f}"


def branches(book: Book) -> list[str]:
    head = ("one change", "test", "validation", "change, seeds", "change, splits", "")
    return markdown(
        head, [[row.label, book.mean(row), book.mean(row, "val"), *book.changes(row, base)] for row, base in BRANCHES]
    )


def rules(book: Book) -> list[str]:
    head = ("after step", *RULES, "soft against k=3, seeds", "splits", "")
    table = []
    for number, row in enumerate(WALK):
        if number and row.training == WALK[number - 1].training:
            continue
        by_rule = {rule: Row("", row.training, row.weights, rule) for rule in RULES}
        means = [book.mean(one) for one in by_rule.values()]
        table.append([str(number), *means, *book.changes(by_rule["soft"], by_rule["k=3"])])
    return markdown(head, table)


def back(book: Book) -> list[str]:
    head = ("taken away", "test", "validation", "change, seeds", "change, splits", "")
    rows = [[MODERN.label, book.mean(MODERN), book.mean(MODERN, "val"), "", "", ""]]
    rows += [[row.label, book.mean(row), book.mean(row, "val"), *book.changes(row, MODERN)] for row in BACK]
    return markdown(head, rows)


def stops(book: Book) -> list[str]:
    head = (
        *("form", "seed", "stopped in", "not finite", "operation", "in float64", "largest distance", "smallest"),
        *("least ln P_diff there", "in all steps before"),
    )
    return markdown(head, [_stop(one, book.document["ratio"]["longest"]) for one in book.document["ratio"]["stops"]])


def _stop(one: Document, longest: int) -> list[str]:
    last, before = one["last"], one["before"]
    told = [f"not in {longest} epochs", "", "", ""]
    if "step" in one:
        operation = f"`{one['op']}`, {one['source']}" + ("" if one["reproduced"] else " (not reproduced)")
        finite = "finite" if one["kind"] == "float32-overflow" else one["kind"]
        told = [f"step {one['step']}, epoch {one['epoch'] + 1}", one["where"], operation, finite]
    numbers = [f"{last['largest']:.1f}", f"{last['smallest']:.2f}", f"{last['different']:.1f}"]
    return [one["form"], str(one["seed"]), *told, *numbers, f"{before['different']:.1f}"]


def growth(book: Book) -> list[str]:
    named = {"stable": "`nca-stable`", "difference": "`nca-difference`", "share": "`nca(similarity=euclidean)`"}
    held = book.document["ratio"]["growth"]
    shown = [epoch for epoch in (1, 2, 5, 10, 15, 20) if epoch <= len(held[0]["epochs"])]
    table = []
    for loss, label in named.items():
        runs = [one["epochs"] for one in held if one["loss"] == loss]
        for what, name, over in _GROWN:
            values = [over(run[epoch - 1][name] for run in runs) for epoch in shown]
            table.append([label, what, *(f"{value:.1f}" for value in values)])
    return markdown(("loss", "what", *(f"epoch {epoch}" for epoch in shown)), table)


_GROWN: tuple[tuple[str, str, Callable[[Iterable[float]], float]], ...] = (
    ("size of the embedding", "norm", statistics.fmean),
    ("largest distance", "largest", max),
    ("least ln P_diff", "different", min),
)


def limits(book: Book) -> list[str]:
    held = book.document["ratio"]["limits"]
    said = (
        ("quotient", "its gradient, with 1 / P_diff^2, overflows to NaN", held["slope"]),
        ("quotient", "P_same / P_diff itself overflows: the loss is infinite", held["quotient"]),
        ("two logarithms", "their gradient, 1 / (32 P_diff) in a mean over 32 rows, overflows", held["logarithm"]),
        ("either", "P_diff rounds to 0: the loss is infinite", held["underflow"]),
    )
    return markdown(("form", "in float32", "from ln P_diff"), [[a, b, f"{value:.1f}"] for a, b, value in said])


def beside(book: Book) -> list[str]:
    named = {
        "NCA k=3": "scikit-learn's NCA to 3 dimensions, kNN k = 3",
        "NCA k=31": "scikit-learn's NCA to 3 dimensions, kNN k = 31",
        "logistic": "logistic regression, 7 measurements",
        "logistic, sex": "logistic regression, 7 measurements and sex",
    }
    rows = []
    for name, label in named.items():
        values = [one["test"] for one in book.document["baselines"] if one["method"] == name]
        rows.append([label, f"{values[0]:.3f}", spread(values)])
    reference = spread([one["accuracy"] for one in book.document["reference"]])
    rows.append(["ModernNCA in plain torch (benchmarks/modern_nca.py)", reference, ""])
    for row in (WALK[0], MODERN, WALK[-1]):
        rows.append([row.label, book.mean(row), spread(book.values(row, book.by_split) or [])])
    return markdown(("method", "split 0", "over the splits"), rows)


def published(book: Book) -> list[str]:
    rows = [
        [name, f"{value:.4f}" + (f" +- {by:.4f}" if by else ""), source]
        for name, value, by, source in book.document["published"]
    ]
    return markdown(("method", "accuracy", "source"), rows)


def answer(book: Book) -> list[str]:
    """The whole page in three sentences."""
    plain, chosen = WALK[0], next(row for row, base in BRANCHES if base is WALK[0] and row.rule == "k chosen")
    gap, rule = (book.change(row, plain, book.by_seed) for row in (MODERN, chosen))
    wide, wider = (book.change(row, plain, book.by_split) for row in (MODERN, chosen))
    stops = [one for one in book.document["ratio"]["stops"] if one["form"] == "quotient"]
    first, last = (f(one["epoch"] + 1 for one in stops if "step" in one) for f in (min, max))
    near, far = (f(one["last"]["largest"] for one in stops) for f in (min, max))
    limit = book.document["ratio"]["limits"]["slope"]
    told = (
        f"From the plain recipe ({book.mean(plain)}) to ModernNCA ({book.mean(MODERN)}) it is {gap} points on split 0 "
        f"and {wide} over the splits, and most of it is how one predicts, not what one trains: the plain embedding, "
        f"read by as many neighbors as validation chooses instead of three, gains {rule} and {wider} points.",
        f"Step by step, both intervals leave out 0 for {_those(book, 'better')}, one for {_those(book, 'open')}, and "
        f"neither for {_those(book, 'noise')}; on the way back from ModernNCA both do for {_lost(book)}.",
        "The plain ratio goes NaN because it divides by a sum of softmax probabilities, and nothing in it keeps the "
        f"embedding from growing: in {sum('step' in one for one in stops)} of {len(stops)} seeds it stops, in epoch "
        f"{first} to {last}, at the first batch in which ln P_diff of some row is below {limit:.1f}, where "
        f"the gradient of the quotient overflows in float32; the largest distances there are {near:.0f} to {far:.0f}.",
    )
    return [line for sentence in told for line in (*textwrap.wrap(sentence, 120), "")][:-1]


def _those(book: Book, said: str) -> str:
    """The steps of the walk on which the verdict is this one."""
    pairs = zip(STEPS, WALK[1:], WALK[:-1], strict=True)
    return _listed(name for name, row, base in pairs if book.changes(row, base)[-1] == said)


def _lost(book: Book) -> str:
    return _listed(f'"{row.label}"' for row in BACK if book.changes(row, MODERN)[-1] == "worse")


def _listed(names: Iterable[str]) -> str:
    *most, last = [*names] or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def noise(book: Book) -> list[str]:
    """Every change that cannot be told from chance."""
    walked = [(f"{row.label} (the walk)", row, WALK[number]) for number, row in enumerate(WALK[1:])]
    aside = [(row.label, row, base) for row, base in BRANCHES]
    taken = [(f"{row.label} (the way back)", row, MODERN) for row in BACK]
    found = [(label, book.changes(row, base)) for label, row, base in (*walked, *aside, *taken)]
    return [
        f"- {label}: {seeds}; {splits or 'not run over the splits'}"
        for label, (seeds, splits, said) in found
        if said == "noise"
    ]


def setting(book: Book) -> list[str]:
    machine, cpu = book.document["machine"], sum(run["cpu"] for run in book.document["runs"])
    versions = ", ".join(f"{name} {version}" for name, version in machine.items())
    return [
        f"{len(book.runs)} runs, {len(book.by_seed)} training seeds on split 0 and seed 0 on {len(book.by_split)} "
        f"splits; {cpu / 60:.0f} minutes of one core for the runs; {versions}."
    ]


PARTS: Mapping[str, Callable[[Book], list[str]]] = {
    one.__name__: one
    for one in (answer, setting, losses, walk, branches, rules, back, stops, limits, growth, noise, beside, published)
}


def filled(page: str, document: Document) -> str:
    """The page with every part made anew."""
    book = Book(document)
    for name, make in PARTS.items():
        page = _put(page, name, make(book))
    return page


def _put(page: str, name: str, lines: Iterable[str]) -> str:
    text = "".join(f"{line}\n" for line in ("", *lines, ""))
    pattern = re.compile(_PART.format(name=re.escape(name)), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} must have a part {name!r}, got none")
    return pattern.sub(lambda match: match[1] + text + match[2], page)


def write_page(document: Document) -> None:
    """Put the tables where docs/abalone.md has them."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
