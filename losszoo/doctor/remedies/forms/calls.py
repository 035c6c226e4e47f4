"""Calls of torch with other arguments, which take what the author's own arguments refuse."""

from __future__ import annotations

from losszoo.doctor.remedies.writing import Writing


def total_of_kept(w: Writing) -> str | None:
    """Of torch's own losses: a mean over nothing is 0."""
    x, targets = w.x, w.y
    if w.record.kwargs.get("reduction", "mean") != "mean" or w.record.args[1].is_floating_point():
        return None
    ignored = w.record.kwargs.get("ignore_index", -100)
    rest = w.rest_of(w.record, 2, without=("reduction", "label_smoothing", "ignore_index"))
    kept = "" if ignored == -100 else f", ignore_index={ignored}"
    smooth = w.record.kwargs.get("label_smoothing", 0.0)
    smoothed = f", label_smoothing={smooth}" if smooth else ""
    total = f"{w.callee}({x}, {targets}{rest}{kept}{smoothed}, reduction='sum')"
    return f"{total} / ({targets} != {ignored}).sum().clamp(min=1)"


def at_least_one(w: Writing) -> str | None:
    """At least one entry."""
    if w.record.site.op != "topk" or w.record.argument("k", 1) is None:
        return None
    named = "k" in w.record.kwargs
    count = w.operand(w.record, "k" if named else 1, "k")
    rest = w.rest_of(w.record, 1 if named else 2, without=("k",))
    return f"{w.callee}({w.x}, max({count}, 1){rest})"


def no_alignment(w: Writing) -> str | None:
    """A target that has no alignment counts 0, and has no gradient."""
    count = len(w.record.args)
    if w.record.argument("zero_infinity", 6) or count > 6:
        return None
    placed = ", ".join(w.operand(w.record, i) for i in range(count))
    return f"{w.callee}({placed}{w.rest_of(w.record, count, without=('zero_infinity',))}, zero_infinity=True)"


def apart(w: Writing) -> str:
    """Another small number on each place of the diagonal keeps equal singular values apart."""
    rows, columns = f"{w.x}.shape[-2]", f"{w.x}.shape[-1]"
    scale = w.let(f"1e-6 * {w.x}.detach().abs().amax().clamp(min=1e-3)", "scale")
    steps = w.let(f"torch.arange(1, {rows} + 1, dtype={w.x}.dtype)[:, None]", "steps")
    return f"{w.callee}({w.x} + {scale} * {steps} * torch.eye({rows}, {columns}, dtype={w.x}.dtype){w.rest})"
