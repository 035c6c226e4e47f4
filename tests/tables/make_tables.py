"""Small tables for the tests, written as people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write(path: Path, header: str, *rows: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def segments(folder: Path, rows: int = 200, name: str = "own.csv") -> Path:
    """Numbers with gaps, words, yes and no, and a target that the numbers tell."""
    rng = np.random.default_rng(0)
    ages = rng.normal(40, 10, rows)
    lines = [
        f"{'' if row % 10 == 3 else f'{age:.2f}'},{rng.choice(['Rome', 'Paris'])},{'yes' if row % 3 else 'no'},"
        f"{'gold' if age > 40 else 'bronze'}"
        for row, age in enumerate(ages)
    ]
    return write(folder / name, "age,city,active,segment", *lines)
