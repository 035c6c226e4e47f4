"""``losszoo predict``: new rows by the model of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from losszoo.cli.progress_bar import progress_bar
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import counted, hanging, print_json
from losszoo.cli.threads import wait_politely
from losszoo.common.text import printable

if TYPE_CHECKING:
    from losszoo.prediction.predictions import Predictions
    from losszoo.prediction.trained_model import TrainedModel

_MOST_SHOWN = 20


@make_command("predict")
@click.argument("run_dir")
@click.argument("rows")
@click.option("--out", metavar="FILE", help="Write a row for each row, in their order: predictions.csv, or .npy.")
@click.option("--overwrite", is_flag=True, help="Replace the file of --out, if it is there.")
@click.option("--proba", is_flag=True, help="The probability of each class too; in a .npy file instead.")
@click.option("--model", metavar="FILE.PY:NET", help="The network of the run, if it is one of your own.")
@click.option("--trust", is_flag=True, help="Run the code of the network that the folder names, file.py:NET.")
def command(
    run_dir: str,
    rows: str,
    out: str | None,
    overwrite: bool,
    proba: bool,
    model: str | None,
    trust: bool,
    as_json: bool,
) -> None:
    """Predict new rows by the model of a run.

    The weights are those of the best epoch of the run in RUN_DIR. ROWS is a CSV, TSV or Parquet file with the columns
    of training, if the run was trained on a table: columns are found by their names, further ones are ignored. If it
    holds the target too, the metrics are computed. Of a run on images, ROWS is a folder of images or one image; if its
    subfolders have the names of classes, the metrics are computed. Else ROWS is a .npy file of inputs. Without --out
    the first rows are shown.

    \b
    losszoo predict RUN_DIR new.csv --out predictions.csv --proba
    losszoo predict RUN_DIR photos/ --out predictions.csv
    losszoo predict RUN_DIR images.npy --json
    losszoo predict RUN_DIR new.csv --model my_net.py:Net
    """
    wait_politely()
    with progress_bar(f"predicting {rows}", None, "loading torch") as update:
        from losszoo.prediction.load_run import load_run
        from losszoo.prediction.predictions import check_out, predict_rows, write_predictions

        if out is not None:
            check_out(Path(out), Path(rows), overwrite=overwrite)
        trained = load_run(run_dir, model=model, trust=trust)
        update(line="predicting")
        predictions = predict_rows(trained, rows, probabilities=proba)
        if out is not None:
            write_predictions(predictions, Path(out))
    for note in predictions.notes:
        click.echo(f"note: {printable(note)}", err=True)
    if as_json:
        print_json(document(trained, predictions, out))
    else:
        _show(trained, predictions, out)


def document(trained: TrainedModel, predictions: Predictions, out: str | None) -> dict[str, object]:
    """The JSON document; what stands in a file is not said twice."""
    from losszoo.common.files import jsonable

    told: dict[str, object] = jsonable(
        {
            "run_dir": str(trained.folder),
            "loss": trained.loss,
            "task": trained.task,
            "kind": trained.kind,
            "target": trained.target,
            "rows": len(predictions.values),
            "files": (predictions.files or None) if out is None else None,
            "classes": predictions.classes,
            "predictions": predictions.values.tolist() if out is None else None,
            "probabilities": _plain(predictions) if out is None else None,
            "metrics": dict(predictions.metrics),
            "scored": predictions.scored,
            "notes": predictions.notes,
            "out": out,
        }
    )
    return told


def _plain(predictions: Predictions) -> list[object] | None:
    return None if predictions.probabilities is None else predictions.probabilities.tolist()


def _show(trained: TrainedModel, predictions: Predictions, out: str | None) -> None:
    click.echo(f"{trained.loss} on {trained.task}: {counted(len(predictions.values), 'row')}")
    if predictions.metrics:
        metrics = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in predictions.metrics.items())
        known = counted(predictions.scored, "row")
        by = trained.target or "a folder of its class"
        click.echo("\n".join(hanging(f"of {known} with {by}: ", metrics)))
    if out is not None:
        click.echo(f"predictions: {out}")
        return
    from rich.console import Console
    from rich.text import Text

    from losszoo.cli.console import Column, fitted, no_room_for, print_blocks
    from losszoo.cli.tables.styled import room_of

    columns = predictions.columns()
    console = Console(highlight=False)
    heads = [Column("row"), *(Column(name, spare=place, left=place == 0) for place, name in enumerate(columns))]
    cells = [
        ((str(row + 1), *(_cell(column[row]) for column in columns.values())), "")
        for row in range(min(_MOST_SHOWN, len(predictions.values)))
    ]
    table, gone = fitted(heads, cells, room_of(console))
    print_blocks([table, *([no_room_for(gone)] if gone else [])], console)
    more = len(predictions.values) - _MOST_SHOWN
    if more > 0:
        print_blocks([Text(f"and {more} more; --out predictions.csv writes all of them")], console)


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
