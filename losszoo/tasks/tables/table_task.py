"""A table as a task: what its target is, which columns are inputs, and which rows train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.files import check_regular
from losszoo.common.text import counted, kebab, kind_name, printable
from losszoo.errors import DataError, UnknownNameError, UsageError, suggest
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.tables.columns import Column, gap_classes, read_column, shown_cell
from losszoo.tasks.tables.encoding import Encoding, fit_encoding
from losszoo.tasks.tables.new_rows import Form, TableForm, class_values
from losszoo.tasks.tables.read_table import ENDINGS, digest_of, digest_of_frame, read_table
from losszoo.tasks.tables.row_parts import (
    Parts,
    check_classes,
    grouped_parts,
    newest_parts,
    note_of_shares,
    random_parts,
    told_parts,
)
from losszoo.tasks.tables.several_targets import KINDS as SEVERAL
from losszoo.tasks.tables.several_targets import label_sets, read_targets
from losszoo.tasks.tables.usefulness import judge
from losszoo.tasks.task import Recipe, Setup, Split, Splits, Task

Array = npt.NDArray[Any]

KINDS = ("binary", "multiclass", "regression")
_METRICS: Mapping[str, tuple[str, str]] = {
    "binary": ("accuracy", "max"),
    "multiclass": ("accuracy", "max"),
    "regression": ("rmse", "min"),
    "multilabel": ("macro_f1", "max"),
    # Outputs may have units of their own, of which only r2 has none.
    "multi-output": ("r2", "max"),
}
# Whole numbers of so few kinds may be labels, of so many they are counts.
MOST_LABELS = 20
# Where the rarer class is rarer than this, accuracy says little.
_RARE = 0.1
_FEWEST_ROWS = 3
_LARGEST_WHOLE = 2**53
_MOST_SHOWN = 4
_LONGEST_WORD = 40


@dataclass(frozen=True)
class TableOptions:
    """What is said of a table beside its file; each has a flag of the command line.

    Args:
        target: column that is predicted, or several.
        kind: "binary", "multiclass" or "regression", of several targets "multilabel" or "multi-output", where they do
            not tell it.
        split: column that says train, val or test.
        group: column whose rows of one value stay in one part.
        time: column of numbers or dates; the newest rows are the test part.
        drop: columns that are left out.
        positive: of two classes the one that precision, recall, F1 and average precision are of; None: the second.
    """

    target: str | tuple[str, ...]
    kind: str | None = None
    split: str | None = None
    group: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()
    positive: str | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are predicted."""
        return (self.target,) if isinstance(self.target, str) else self.target


def deciding_metric(kind: str, targets: Array) -> tuple[str, str]:
    """The metric that decides on targets of a kind, and its direction."""
    metric, direction = _METRICS[kind]
    share = float(np.mean(targets == 1)) if kind == "binary" else 0.5
    if share < _RARE:
        metric = "average_precision"
    elif share > 1 - _RARE:  # average precision of a class that nearly all rows have is always near 1
        metric = "balanced_accuracy"
    return metric, direction


class TableTask(Task):
    """The rows of a file or a DataFrame, and its columns that are targets; see :meth:`losszoo.Task.from_table`.

    Attributes:
        options: what was said of it.
        notes: what a person should know of its columns and rows.
        digest: SHA-256 of the file, or of the cells of a DataFrame.
    """

    def __init__(self, table: Any, options: TableOptions) -> None:
        self.options = options
        self._table = table
        frame, read_notes = read_table(table)
        self.digest = digest_of_frame(frame) if self._path is None else digest_of(self._path)
        where = Path(table).name if isinstance(table, str | Path) else "the DataFrame"
        _check_names(where, frame.columns, options)
        targets, named = [read_column(name, frame[name]) for name in options.targets], ", ".join(options.targets)
        rows = np.flatnonzero(~np.any([target.gaps for target in targets], axis=0))
        left_out = len(frame) - len(rows)
        if not len(rows):
            raise DataError(f"target {named} of {where} must have values, got none in {len(frame)} rows")
        frame = frame.iloc[rows].reset_index(drop=True)
        targets = [replace(target, values=target.values[rows]) for target in targets]
        self._forms = tuple(map(Form.of, targets))
        several = len(targets) > 1
        read_them = read_targets(targets, options.kind) if several else _read_target(targets[0], options.kind)
        self.kind, self.targets, self.class_names = _with_positive(options.positive, *read_them)
        if self.class_names and not several:
            self.class_values = _values_of(targets[0], self.class_names, in_texts=self._in_texts)
        aside = {name for name in (options.split, options.group, options.time) if name}
        others = [name for name in frame.columns if name not in (*options.targets, *options.drop)]
        read = {name: read_column(name, frame[name]) for name in others}
        self._aside = {name: read[name] for name in aside}
        judged = judge([read[name] for name in others if name not in aside], targets, left_out + len(frame))
        self.columns = judged.inputs
        if not self.columns:
            raise DataError(f"{where} must have a column that says something, got none beside {named}")
        gaps = (f"{counted(left_out, 'row')} without {' or '.join(options.targets)}: left out",) if left_out else ()
        told = [f"{column.name}: {note}" for column in (*targets, *self.columns) for note in column.notes]
        alike = () if several else (*_alike(targets[0].name, self.class_names), *gap_classes(self._class_counts()))
        self.notes = (*read_notes, *gaps, *alike, *told, *judged.notes)
        self.numeric = sum(column.holds != "words" for column in self.columns)
        self.spec = self._make_spec(where)
        self._said, self.notes = self.notes, (*self.notes, *self._note_of_groups(0))

    def _note_of_groups(self, seed: int) -> tuple[str, ...]:
        return note_of_shares(self.parts(seed)) if self.options.group else ()

    def _make_spec(self, where: str) -> TaskSpec:
        metric, direction = deciding_metric(self.kind, self.targets)
        return TaskSpec(
            name=kebab(Path(where).stem, "table"),
            target="losszoo.tasks.tables.table_task:TableTask",
            kind=self.kind,
            summary=f"{', '.join(self.options.targets)} of {counted(len(self.targets), 'row')} of {printable(where)}, "
            f"from {counted(len(self.columns), 'column')}.",
            metric=metric,
            direction=direction,
            tags=("tabular",),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker reads the file anew, and refuses another one."""
        return _again, (self._table, self.options, self.digest)

    @property
    def _in_texts(self) -> bool:
        """Whether the cells are texts of a file, which have no types."""
        return self._path is not None and ENDINGS[self._path.suffix.lower()] is not None

    @property
    def _path(self) -> Path | None:
        return Path(self._table) if isinstance(self._table, str | Path) else None

    def identity(self) -> Mapping[str, Any]:
        where = "" if self._path is None else str(self._path.absolute())
        said = {name: value for name, value in asdict(self.options).items() if name != "positive" or value}
        return {"table": where, "sha256": self.digest, **said}

    def source(self) -> Mapping[str, Any] | None:
        return None if self._path is None else self.identity()

    def flags(self) -> tuple[str, ...]:
        if self._path is None:
            return ()
        given = {name: value for name, value in asdict(self.options).items() if value}
        repeated = {"target": self.options.targets, "drop": given.pop("drop", ())}
        given = {name: (value,) for name, value in given.items()} | repeated
        said = [word for name, values in given.items() for value in values for word in (f"--{name}", value)]
        return ("--task", str(self._table), *said)

    def parts(self, seed: int = 0) -> Parts:
        """Numbers of the rows for training, validation and test."""
        labels = self.targets if self.kind in ("binary", "multiclass") else None
        chosen, aside = self.options, self._aside
        if chosen.split:
            return told_parts(aside[chosen.split], labels, self.class_names, seed)
        if chosen.time:
            return newest_parts(aside[chosen.time])
        if chosen.group:
            return grouped_parts(aside[chosen.group], labels, seed)
        if labels is not None:
            check_classes(chosen.targets[0], labels, self.class_names, _FEWEST_ROWS)
        if self.kind == "multilabel":
            labels = label_sets(self.targets)
        return random_parts(labels, len(self.targets), seed)

    def splits(self, seed: int = 0) -> Splits:
        train, val, test = self.parts(seed)
        if self.options.group:
            groups = np.unique(self._aside[self.options.group].values, return_inverse=True)[1]
            self.notes = (*self._said, *self._note_of_groups(seed))
            self.row_groups = {"train": groups[train], "val": groups[val], "test": groups[test]}
        inputs = fit_encoding(self.columns, train).inputs({column.name: column for column in self.columns})
        return Splits(*(Split(inputs[rows], self.targets[rows]) for rows in (train, val, test)))

    def table_encoding(self, seed: int = 0) -> Mapping[str, Any]:
        encoding = fit_encoding(self.columns, self.parts(seed)[0])
        return TableForm(self._forms, tuple(map(Form.of, self.columns)), encoding).to_dict()

    def describe(self, seed: int = 0) -> dict[str, Any]:
        """What the table is, in plain data: rows, classes, columns and what is done with each."""
        parts = self.parts(seed)
        encoding = fit_encoding(self.columns, parts[0])
        known: dict[str, Any] = {
            **self.spec.to_dict(),
            "rows": {part: len(rows) for part, rows in zip(Splits._fields, parts, strict=True)},
            "classes": self._class_counts(),
            "inputs": len(encoding.names),
            "columns": [_described(column, encoding) for column in self.columns],
            "notes": list(self.notes),
        }
        spans = [[float(output.min()), float(output.max())] for output in np.atleast_2d(self.targets.T)]
        if self.kind == "regression":
            known["range"] = spans[0]
        elif self.kind == "multi-output":
            known["ranges"] = dict(zip(self.class_names, spans, strict=True))
        return known

    def _class_counts(self) -> dict[str, int]:
        """Rows of each class; of several labels, those that have it."""
        if self.kind in ("regression", "multi-output"):
            return {}
        several = self.kind == "multilabel"
        counts = self.targets.sum(0) if several else np.bincount(self.targets, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def setup(self, signature: str) -> Setup:
        rows = len(self.targets)
        batch = int(np.clip(2 ** round(np.log2(max(rows, 1) / 20)), 32, 512))
        recipe = Recipe(lr=2e-3, weight_decay=1e-3, batch_size=batch, epochs=100, patience=16)
        return Setup(trunk="mlp", model={"dim": 64, "width": 256, "depth": 2, "dropout": 0.3}, recipe=recipe)


def _described(column: Column, encoding: Encoding) -> dict[str, Any]:
    gaps, values = int(column.gaps.sum()), column.known
    known: dict[str, Any] = {"name": column.name, "holds": column.holds, "gaps": gaps}
    if column.holds == "words":
        code = next(code for code in encoding.words if code.name == column.name)
        words, counts = np.unique(values, return_counts=True)
        often = [str(word)[:_LONGEST_WORD] for word in words[np.argsort(-counts, kind="stable")][:_MOST_SHOWN]]
        rare = f", {len(words) - len([w for w in code.words if w])} rare ones in one" if code.has_rare else ""
        done = f"one input for each of {counted(len(code.words), 'word')}{rare}"
        return {**known, "different": len(words), "words": often, "inputs": len(code.words), "done": done}
    number = next(code for code in encoding.numbers if code.name == column.name)
    filled = f", gaps filled with the median {number.median:g} and marked" if number.marks_gaps else ""
    span = {"low": float(values.min()), "high": float(values.max())} if len(values) else {}
    gap = {"filled_with": float(number.median)} if number.marks_gaps else {}
    shown = {"different": len(np.unique(values)), **span, **gap}
    return {**known, **shown, "inputs": 1 + number.marks_gaps, "done": f"scaled to mean 0 and deviation 1{filled}"}


def _with_positive(
    positive: str | None, kind: str, targets: Array, names: tuple[str, ...]
) -> tuple[str, Array, tuple[str, ...]]:
    """Kind, targets and class names, the positive class second.

    Raises:
        UsageError: there are not two classes, or it is none of them.
    """
    if positive is None:
        return kind, targets, names
    if kind != "binary":
        raise UsageError(f"positive must be left out for a {kind} task, got {positive!r}: only two classes have one")
    if positive not in names:
        raise UnknownNameError(
            f"positive must be a class of the target, got {positive!r}: {suggest(positive, list(names))}"
        )
    return (kind, targets, names) if positive == names[1] else (kind, 1 - targets, names[::-1])


def _values_of(target: Column, names: tuple[str, ...], *, in_texts: bool) -> tuple[str | float | bool, ...]:
    """What the target holds for each label. True and false in a file of texts are booleans, as pandas reads them."""
    truths = in_texts and {word.lower() for word in target.spelling} == {"true", "false"}
    if target.spelling and not truths:
        return names
    return tuple(class_values(target.holds, names).tolist())


def make_table_task(table: Any, target: str | Sequence[str], **options: Any) -> TableTask:
    """:meth:`losszoo.Task.from_table`."""
    return TableTask(table, _options(target, **options))


def _options(
    target: Any, kind: Any, split: Any, group: Any, time: Any, drop: Any, positive: Any = None
) -> TableOptions:
    ways = {"split": split, "group": group, "time": time}
    named = {what: None if way is None else _named(what, way) for what, way in ways.items()}
    dropped = () if drop is None else _columns("drop", drop)
    said = None if positive is None else str(positive)
    return TableOptions(_one_or_several(target), kind, **named, drop=dropped, positive=said)


def _one_or_several(target: str | Sequence[str]) -> str | tuple[str, ...]:
    columns = () if target is None else _columns("target", target)
    if not columns:
        raise UsageError("target must be a column or several, got none")
    return columns[0] if len(columns) == 1 else columns


def _columns(what: str, given: Any) -> tuple[str, ...]:
    """One name, or several."""
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    return tuple(_named(what, name) for name in (given if several else (given,)))


def _named(what: str, name: Any) -> str:
    """The name of a column as a table has it here: a number as its digits, as in the line of names of a file."""
    if not isinstance(name, str | int | np.integer):
        raise UsageError(f"{what} must be the name of a column, got {kind_name(name)}")
    return str(name)


def table_again(source: Mapping[str, Any]) -> TableTask:
    """The task that :meth:`TableTask.source` tells of.

    Raises:
        DataError: the file is gone, or has another content.
        UsageError: the source is damaged.
    """
    try:
        rest = dict(source)
        table, digest = rest.pop("table"), rest.pop("sha256")
        options = _options(**rest)
    except (KeyError, TypeError) as error:
        raise UsageError(f"a table that a file tells of must have its options, got {dict(source)!r}") from error
    return _again(table, options, digest)


def _again(table: Any, options: TableOptions, digest: str) -> TableTask:
    if isinstance(table, str | Path):
        if not Path(table).exists():
            raise DataError(f"{table} must be where it was, got none; put the file back, or start anew")
        check_regular(Path(table))
        if digest_of(Path(table)) != digest:
            raise DataError(f"{table} must be the file that it was, got another content; restore it, or start anew")
    return TableTask(table, options)


def _alike(target: str, names: Sequence[str]) -> tuple[str, ...]:
    """A note of classes that differ in capitals alone."""
    lower = [name.lower() for name in names]
    same = [name for name in names if lower.count(name.lower()) > 1]
    return (f"{target}: {' and '.join(same[:2])} are two classes, which differ in capitals alone",) if same else ()


def _check_names(where: str, names: Sequence[str], options: TableOptions) -> None:
    several = len(options.targets) > 1
    kinds, whose = (SEVERAL, "several targets") if several else (KINDS, "a table")
    if options.kind is not None and options.kind not in kinds:
        near = f"; that is a kind of {'one target' if several else 'several targets'}" * (options.kind in _METRICS)
        raise UsageError(f"kind of {whose} must be one of {', '.join(kinds)}, got {options.kind!r}{near}")
    again = next((name for name in options.targets if options.targets.count(name) > 1), None)
    if again is not None:
        raise UsageError(f"target must be another column each time, got {again!r} twice")
    ways = [way for way in ("split", "group", "time") if getattr(options, way)]
    if len(ways) > 1:
        raise UsageError(f"rows must be parted in one way, got {' and '.join(ways)}; leave one out")
    named = [*(("target", name) for name in options.targets), *((way, getattr(options, way)) for way in ways)]
    for role, name in (*named, *(("drop", name) for name in options.drop)):
        if name not in names:
            raise UnknownNameError(f"{role} must be a column of {where}, got {name!r}: {suggest(name, list(names))}")
    others = (*(pair for pair in named if pair[0] != "target"), *(("drop", name) for name in options.drop))
    for role, name in others:
        if name in options.targets:
            raise UsageError(f"{role} must be another column than the target, got {name!r} for both")
    dropped = next((f"{role} {name!r}" for role, name in named if name in options.drop), None)
    if dropped:
        raise UsageError(f"drop must be a column that is not used, got {dropped}")


def _read_target(target: Column, kind: str | None) -> tuple[str, Array, tuple[str, ...]]:
    """Kind, targets and class names.

    Raises:
        DataError: it has one value only, or does not fit the kind.
        UsageError: whole numbers of a few kinds, which may be labels or counts.
    """
    name = target.name
    if target.holds == "dates":
        raise DataError(f"target {name} must hold numbers or words, got dates")
    different = np.unique(target.values)
    if len(different) < 2:
        raise DataError(f"target {name} must have at least two values, got {shown_cell(different[0])} in every row")
    whole = target.holds != "words" and bool((different == np.round(different)).all())
    if kind is None:
        if target.holds == "words" or len(different) == 2:
            kind = "binary" if len(different) == 2 else "multiclass"
        elif whole and len(different) <= MOST_LABELS:
            raise UsageError(
                f"kind must be given for {name}, whose {len(different)} whole numbers may be labels or counts; "
                "say --kind multiclass or --kind regression"
            )
        else:
            kind = "regression"
    if kind == "regression":
        if target.holds == "words":
            raise DataError(f"target {name} of a regression must hold numbers, got words ({shown_cell(different[0])})")
        return kind, target.values, ()
    if kind == "binary" and len(different) != 2:
        raise DataError(f"target {name} of a binary task must have two values, got {len(different)}")
    if whole and np.abs(different).max() > _LARGEST_WHOLE:
        raise DataError(
            f"target {name} must hold classes that are whole numbers up to 2**53, which float64 tells apart, got "
            f"{different[np.abs(different).argmax()]:.0f}; write the classes as words"
        )
    names = tuple(str(int(value)) if whole else str(value) for value in different)
    if target.holds == "yes-no":
        names = target.spelling or ("False", "True")
    return kind, np.searchsorted(different, target.values).astype(np.int64), names
