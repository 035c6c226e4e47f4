"""Seconds, bytes and ratios as people read them: three digits and a unit."""

from __future__ import annotations

_TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def human_seconds(seconds: float) -> str:
    """
    Example:
        >>> human_seconds(0.00153), human_seconds(7300)
        ('1.53 ms', '2.03 h')
    """
    return _with_unit(seconds, _TIMES)


def human_bytes(count: float) -> str:
    """
    Example:
        >>> human_bytes(99_000_000_000), human_bytes(0)
        ('99 GB', '0 B')
    """
    return _with_unit(count, _SIZES)


def human_count(count: int) -> str:
    """
    Example:
        >>> human_count(65536)
        '65,536'
    """
    return f"{count:,}"


def human_times(ratio: float) -> str:
    """
    Example:
        >>> human_times(4.18), human_times(123.4)
        ('4.2x', '123x')
    """
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.2g}x"


def _with_unit(number: float, units: tuple[tuple[float, str], ...]) -> str:
    size, unit = next((pair for pair in units if number >= pair[0]), units[-1])
    scaled = number / size
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    text = f"{scaled:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
