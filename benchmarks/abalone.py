"""What separates a plain batch NCA from ModernNCA on abalone, one change at a time.

Runs every training of the walk, of the table of losses and of the way back (one thing taken away at a time) for
training seeds 0 and on, on split 0, and with seed 0 on the other splits; then the baselines, and the plain ratio under
watch. Answers go to ``abalone_results.json``, and ``--write`` makes the tables of docs/abalone.md from them. Runs that
the file holds already are kept, unless ``--fresh``. Needs the data of abalone; one thread, no GPU.

    python benchmarks/abalone.py [--seeds 5] [--splits 5] [--fresh] [--write]
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from abalone_nan import watch_all
from abalone_page import write_page
from abalone_trainings import GROWING, PLAIN, TRAININGS, Training
from modern_nca import reference

import losszoo
from losszoo.tasks.make_task import make_task
from losszoo.training.build_loss import make_model
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Prepared, prepare
from losszoo.training.evaluation.knn import knn_votes
from losszoo.training.evaluation.metrics import accuracy
from losszoo.training.evaluation.predict import Prediction

RESULTS = Path(__file__).with_name("abalone_results.json")
CPU = torch.device("cpu")
DECIDING = ("accuracy", "max")
NEIGHBORS = (3, 31)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="training seeds on split 0")
    parser.add_argument("--splits", type=int, default=5, help="splits with training seed 0")
    parser.add_argument("--fresh", action="store_true", help="measure again what the results hold")
    parser.add_argument("--write", action="store_true", help="also write the tables of docs/abalone.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if min(options.seeds, options.splits) < 2:
        parser.error(f"an interval needs two seeds and two splits, got {options.seeds} and {options.splits}")
    held = {} if options.fresh or not RESULTS.exists() else json.loads(RESULTS.read_text(encoding="utf-8"))
    document = {**held, "machine": machine(), "published": losszoo_published(), "runs": []}
    for runs in all_runs(held.get("runs", []), cells(options.seeds, options.splits)):
        save({**document, "runs": runs})
        document["runs"] = runs
    growing = {name: TRAININGS[name].loss for name in GROWING}
    makers: Mapping[str, Callable[[], Any]] = {
        "baselines": lambda: baselines(options.splits),
        "reference": lambda: [reference(seed)._asdict() for seed in range(options.seeds)],
        "ratio": lambda: watch_all(options.seeds, PLAIN, growing),
    }
    for name, make in makers.items():
        document[name] = held.get(name) or make()
        save(document)
    if options.write:
        write_page(document)


def cells(seeds: int, splits: int) -> list[tuple[int, int]]:
    """(seed, split): all seeds on split 0, and seed 0 on the other splits."""
    return [*((seed, 0) for seed in range(seeds)), *((0, split) for split in range(1, splits))]


def all_runs(held: list[dict[str, Any]], wanted: list[tuple[int, int]]) -> Iterator[list[dict[str, Any]]]:
    """All records that there are after each cell; held ones are not run again."""
    known = {(run["training"], run["seed"], run["split"]): run for run in held}
    for seed, split in wanted:
        for name, training in TRAININGS.items():
            if (name, seed, split) not in known and not (training.slow and split):
                known[name, seed, split] = {"training": name, **measure(training, seed, split)}
                print(name, seed, split, known[name, seed, split]["test"], flush=True)
        cells_first = ((name, *cell) for cell in wanted for name in TRAININGS)
        yield [known[key] for key in cells_first if key in known]


def measure(training: Training, seed: int, split: int) -> dict[str, Any]:
    """One run, scored by every rule with its last weights and with those that were best on validation."""
    with tempfile.TemporaryDirectory() as out:
        started = time.process_time()
        result = losszoo.run(
            training.loss,
            "abalone",
            seed=seed,
            out=out,
            set={**training.settings, "task.split": split},
            signature=training.signature,
            on_nonfinite=training.on_nonfinite,
        )
        took = time.process_time() - started
        scored = {name: score(model, data, training.similarity) for name, model, data in trained(result.run_dir)}
    return {
        "seed": seed,
        "split": split,
        "status": result.status,
        "epochs": result.epochs,
        "steps": result.steps,
        "nonfinite": result.guard["nonfinite"],
        "cpu": round(took, 2),
        **{part: {name: found[part] for name, found in scored.items()} for part in ("val", "test")},
    }


def trained(run_dir: str) -> Iterator[tuple[str, Model, Prepared]]:
    """The model of a run folder as it was last, and as it was best, with its data."""
    folder = Path(run_dir)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
    options = dict(config["task_options"])
    split = options.pop("split")
    task = make_task(config["task"], options)
    data = prepare(task, split, CPU)
    for name, state in (("last", checkpoint["model"]), ("best", checkpoint["best"]["state"])):
        model = make_model(config["trunk"], config["model"], task.numeric, data, ())
        model.load_state_dict(state)
        yield name, model, data


@torch.no_grad()
def score(model: Model, data: Prepared, similarity: str) -> dict[str, dict[str, float]]:
    """Accuracy on validation and test by every rule: kNN of fixed k, k chosen on validation, soft neighbors."""
    found: dict[str, dict[str, float]] = {"val": {}, "test": {}}
    train = model(data.train.inputs)
    for part, scores in found.items():
        rows = getattr(data, part)
        for k, votes in zip(NEIGHBORS, knn_votes(model(rows.inputs), train, data, NEIGHBORS, own=False), strict=True):
            scores[f"k={k}"] = accuracy(rows.targets.numpy(), votes.argmax(1).numpy())
    rules = {"k chosen": Prediction("embedding"), "soft": Prediction("neighbors", similarity=similarity)}
    for rule, prediction in rules.items():
        for part, judged in prediction.judge(model, data, ("val", "test"), DECIDING)[0].items():
            found[part][rule] = judged.metrics["accuracy"]
    return {part: {rule: round(value, 5) for rule, value in scores.items()} for part, scores in found.items()}


def baselines(splits: int) -> list[dict[str, Any]]:
    """scikit-learn's NCA to three dimensions with kNN, and logistic regression: test accuracy on every split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
    from sklearn.pipeline import make_pipeline

    records = []
    for split in range(splits):
        numbers, every = (prepare(make_task("abalone", {"sex": sex}), split, CPU) for sex in (False, True))
        embed = NeighborhoodComponentsAnalysis(3, random_state=0).fit(numbers.train.inputs, numbers.train.targets)
        methods = {
            **{f"NCA k={k}": (make_pipeline(embed, KNeighborsClassifier(k)), numbers) for k in NEIGHBORS},
            "logistic": (LogisticRegression(max_iter=1000), numbers),
            "logistic, sex": (LogisticRegression(max_iter=1000), every),
        }
        for name, (method, data) in methods.items():
            last = method.steps[-1][1] if hasattr(method, "steps") else method
            rows, test = (
                embed.transform(x.inputs) if last is not method else x.inputs for x in (data.train, data.test)
            )
            value = last.fit(rows, data.train.targets).score(test, data.test.targets)
            records.append({"method": name, "split": split, "test": round(float(value), 5)})
    return records


def losszoo_published() -> list[list[Any]]:
    """What others have measured, as the task announces it."""
    spec = next(spec for spec in losszoo.list_tasks() if spec.name == "abalone")
    return [[name, value, spread, source] for name, value, spread, source in spec.published]


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    return {"losszoo": losszoo.__version__, "torch": str(torch.__version__), "python": platform.python_version()}


def save(document: Mapping[str, Any]) -> None:
    """JSON with a line for every record."""
    parts = []
    for name, content in document.items():
        records = ",\n".join(f"  {json.dumps(record)}" for record in content) if isinstance(content, list) else ""
        parts.append(f' "{name}": ' + (f"[\n{records}\n ]" if records else json.dumps(content)))
    RESULTS.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
