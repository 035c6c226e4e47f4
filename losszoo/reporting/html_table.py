"""Tables that can be sorted, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from losszoo.common.html import in_html


@dataclass(frozen=True)
class Column:
    """Of a table that can be sorted.

    Args:
        name: heading.
        numeric: right-aligned, and sorted as numbers.
        tip: what it means.
    """

    name: str
    numeric: bool = True
    tip: str = ""


def table(columns: Sequence[Column], rows: Sequence[str], kind: str = "") -> str:
    """Rows under headings that sort them when they are clicked."""
    heads = "".join(
        f'<th scope="col"{" class=number" if column.numeric else ""}{_title(column.tip)}>'
        f'<button type="button" class="sort">{in_html(column.name)}</button></th>'
        for column in columns
    )
    return (
        f'<div class="card scroll"><table class="{kind}">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
    )


def _title(tip: str) -> str:
    return f' title="{in_html(tip)}"' if tip else ""


def cell(shown: str, value: float | str | None = None, kind: str = "number") -> str:
    """A cell; what is shown is HTML, what it is sorted by is not."""
    key = "" if value is None else f' data-by="{in_html(str(value))}"'
    return f'<td class="{kind}"{key}>{shown}</td>'


def figure(value: float | None, digits: int = 4) -> str:
    """A number, or nothing; one that would be all zeros or all digits in powers of ten."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if value == 0 or 10.0**-digits <= abs(value) < 1e6 else f"{value:.3g}"


def measured(value: float | None, digits: int = 4) -> str:
    """A cell with a number."""
    return cell(figure(value, digits), value)


def chip(kind: str, said: str) -> str:
    """A word with a colour."""
    return f'<span class="chip {kind}">{in_html(said)}</span>'
