"""The options of a command under headings, where they are too many for one list."""

from __future__ import annotations

from collections.abc import Mapping

import click

# By the names of the parameters of run, compare and tune; a heading without any is not shown.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "What is trained": ("loss", "losses", "task", "tasks", "signature", "expects"),
    "Your data": ("target", "kind", "split", "group", "time", "drop", "positive", "size"),
    "Network and training": ("model", "epochs", "settings", "class_weight", "accumulate"),
    "Seeds and searches": (
        *("seed", "seeds", "baselines", "trials", "search", "splits", "jobs", "threads", "timeout"),
        *("backend", "address", "storage", "study"),
    ),
    "Numbers and guard": ("on_nonfinite", "clip_norm", "clip_value", "clip", "precision", "device", "compile"),
    "Metrics and output": ("metric", "per_class", "out", "keep", "tensorboard", "mlflow"),
    "Resume": ("resume", "trust", "checkpoint_seconds", "fresh"),
    "Answer": ("as_json", "debug", "help"),
}


class GroupedCommand(click.Command):
    """A command whose help has a list for each heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click calls it; what has no heading stands under the last."""
        records = {p.name: record for p in self.get_params(ctx) if (record := p.get_help_record(ctx))}
        named = {name for names in HEADINGS.values() for name in names}
        for heading, names in HEADINGS.items():
            rest = [name for name in records if name not in named] if heading == "Answer" else []
            shown = [records[name] for name in (*names, *rest) if name in records]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl(shown)
