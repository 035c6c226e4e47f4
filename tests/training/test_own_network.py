"""Networks of the user under a loss: told their sizes, used as they are, refused in words, resumed with their code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo.sklearn import LossClassifier

FILE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_features, width=16):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, width), nn.ReLU())

    def forward(self, x):
        return self.body(x)
"""


class Features(nn.Module):
    """Asks for the size of the inputs."""

    def __init__(self, in_features: int, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class Outputs(nn.Module):
    """Has its own head, and asks how many numbers it is to give."""

    def __init__(self, input_dim: int, num_classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(input_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x.flatten(1))
        return out


class Pixels(nn.Module):
    """Gives a number for each pixel."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def run(loss: str, task: Any, model: Any, tmp_path: Path, **options: Any) -> losszoo.RunResult:
    return losszoo.run(loss, task, model=model, out=tmp_path, **{"epochs": 2, **options})


@pytest.mark.parametrize(
    ("loss", "task", "model"),
    [
        ("cross-entropy", "digits", Features),
        ("cross-entropy", "digits", Outputs),
        ("focal", "breast-cancer", Outputs),
        ("mse", "diabetes", Outputs),
        ("huber", "diabetes", nn.Linear(10, 4)),
        ("dice", "digits-segmentation", Pixels),
        ("nca", "digits", Features),
        ("sup-con", "digits-retrieval", lambda in_features: nn.Sequential(nn.Flatten(), nn.Linear(in_features, 8))),
        ("0.5*sup-con + cross-entropy", "digits", Features),
    ],
)
def test_any_module_is_trained_with_any_loss(loss: str, task: str, model: Any, tmp_path: Path) -> None:
    result = run(loss, task, model, tmp_path)
    assert result.status == "completed"
    assert all(np.isfinite(list(part.values())).all() for part in result.metrics.values())


def test_a_module_is_trained_in_place(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = network[1].weight.detach().clone()
    run("cross-entropy", "digits", network, tmp_path)
    assert not torch.equal(before, network[1].weight)


def test_ten_outputs_for_ten_classes_get_no_layer_on_top(tmp_path: Path) -> None:
    """The parameters in the checkpoint are those of the network alone."""
    result = run("cross-entropy", "digits", Outputs, tmp_path)
    state = torch.load(Path(result.run_dir, "checkpoint.pt"), weights_only=True)["model"]
    assert {tuple(tensor.shape) for tensor in state.values()} == {(10, 64), (10,)}
    result = run("cross-entropy", "digits", Features, tmp_path)
    state = torch.load(Path(result.run_dir, "checkpoint.pt"), weights_only=True)["model"]
    assert {tuple(tensor.shape) for tensor in state.values()} == {(16, 64), (16,), (10, 16), (10,)}


def size_out(result: losszoo.RunResult) -> tuple[int, ...]:
    """Of the last layer in its checkpoint, features in and out."""
    state = torch.load(Path(result.run_dir, "checkpoint.pt"), weights_only=True)["model"]
    return tuple(next(tensor.shape for name, tensor in state.items() if name.endswith("layer.weight")))


EMBEDDED = {
    "linear-cross-entropy": ("digits", "embedding"),
    "sup-con": ("digits-retrieval", "embedding"),
    "info-nce": ("digits-views", "views"),
    "contrastive": ("digits-retrieval", "pair"),
    "triplet": ("digits-retrieval", "triplet"),
    "modern-nca": ("diabetes", "neighbors"),
}


@pytest.mark.parametrize("loss", EMBEDDED)
def test_a_network_under_a_loss_on_embeddings_is_told_the_size_that_the_task_proposes(
    loss: str, tmp_path: Path
) -> None:
    """It was told 0, and trained nothing."""
    name, signature = EMBEDDED[loss]
    task = losszoo.load_task(name)
    trained = losszoo.run(loss, task, model=Outputs, out=tmp_path, epochs=1, parts=("test",))
    inputs, dim = task.splits(0).test.inputs[:2], task.setup(signature).model["dim"]
    assert size_out(trained) == (dim, inputs[0].size)
    assert losszoo.load_run(trained.run_dir, model=Outputs).embed(inputs).shape == (2, dim)


def test_the_size_out_is_chosen_by_set(tmp_path: Path) -> None:
    result = run("nca", "digits", Outputs, tmp_path, set={"model.dim": 6})
    assert size_out(result) == (6, 64)
    assert result.metrics["test"]["accuracy"] > 0.5  # of ten classes
    result = run("cross-entropy", "digits", Outputs, tmp_path, set={"model.dim": 6})
    assert size_out(result) == (6, 64)  # beneath a linear layer to the ten logits
    with pytest.raises(losszoo.UsageError, match=r"model.dim must be in \[1, inf\), got 0"):
        run("nca", "digits", Outputs, tmp_path, set={"model.dim": 0})
    with pytest.raises(losszoo.UsageError, match=r"has no option 'dim'"):
        run("nca", "digits", Features, tmp_path, set={"model.dim": 6})


class Broken(nn.Module):
    """Wrong in the way that is asked for."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer = how, nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Any:
        out = self.layer(x.flatten(1))
        answers: dict[str, Any] = {
            "tuple": (out, out),
            "blind": self.layer.bias.expand(len(x), 4),
            "one row": out[:1],
            "whole": out.argmax(1),
            "none": out[:, :0],
            "times 0": self.layer(x.flatten(1) * 0),
            "mean of the batch": self.layer(x.flatten(1).mean(0, keepdim=True).expand(len(x), 64)),
            "three dimensions": out[:, None],
            "half": out.half(),
            "double": out.double(),
            "no gradient": out.detach(),
        }
        if self.how == "exit":
            sys.exit(3)
        return answers[self.how]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Broken("tuple"), "network Broken must return one tensor, got a tuple"),
        (Broken("blind"), "network Broken must use its inputs, got outputs that do not depend on them"),
        (
            Broken("one row"),
            r"must return torch.float32 of shape \(8, K\), K >= 1, for 8 rows, got torch.float32 of shape \(1, 4\)",
        ),
        (Broken("whole"), "must return torch.float32 of shape .*, got torch.int64"),
        (Broken("none"), r"of shape \(8, K\), K >= 1, for 8 rows, got torch.float32 of shape \(8, 0\)"),
        (Broken("three dimensions"), r"got torch.float32 of shape \(8, 1, 4\)"),
        (Broken("half"), r"got torch.float16 of shape \(8, 4\)"),
        (Broken("double"), r"got torch.float64 of shape \(8, 4\)"),
        (Broken("times 0"), "must use its inputs, got outputs that do not depend on them"),
        (Broken("mean of the batch"), "must use its inputs, got outputs that do not depend on them"),
        (Broken("no gradient"), "must let gradients reach its weights, got outputs without a gradient"),
        (Broken("exit"), r"must take inputs of shape \(N, 1, 8, 8\), got the error: SystemExit"),
        (nn.Linear(7, 4), r"network Linear must take inputs of shape \(N, 1, 8, 8\), got the error: .*"),
        (lambda hidden: nn.Linear(64, hidden), "must be given hidden; say --set model.hidden=VALUE"),
        (lambda in_features: in_features, "must be a torch.nn.Module, got an int"),
        (lambda in_features: nn.Linear(-1, in_features), "cannot be made with in_features=64"),
        (3, "trunk must be one of linear, .*, a torch.nn.Module or what makes one, got 3"),
        ("nowhere.py:Net", "nowhere.py"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused_in_words(model: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match=said):
        run("cross-entropy", "digits", model, tmp_path)
    assert list(tmp_path.iterdir()) == []  # before a run folder is made


class Zeroed(nn.Module):
    """Its last layer begins with zeros, so all outputs are equal before the first step."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, 32), nn.Tanh(), nn.Linear(32, out_features))
        nn.init.zeros_(self.body[-1].weight)

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


def test_a_last_layer_of_zeros_is_no_fault(tmp_path: Path) -> None:
    result = run("cross-entropy", "digits", Zeroed, tmp_path, epochs=3)
    assert result.metrics["test"]["accuracy"] > 0.6


def test_features_that_are_not_trained_lie_under_a_layer_that_is(tmp_path: Path) -> None:
    frozen = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh()).requires_grad_(False)
    before = frozen[1].weight.clone()
    result = run("cross-entropy", "digits", frozen, tmp_path, epochs=3)
    assert torch.equal(frozen[1].weight, before)
    assert result.metrics["test"]["accuracy"] > 0.3  # of ten classes


def test_options_of_the_constructor_are_settings(tmp_path: Path) -> None:
    result = run("cross-entropy", "digits", Features, tmp_path, set={"model.width": 5})
    state = torch.load(Path(result.run_dir, "checkpoint.pt"), weights_only=True)["model"]
    assert (5, 64) in {tuple(tensor.shape) for tensor in state.values()}
    with pytest.raises(
        losszoo.UsageError, match=r"trunk Features has no option 'depth'.*known: model.trunk, model.width"
    ):
        run("cross-entropy", "digits", Features, tmp_path, set={"model.depth": 5})
    with pytest.raises(losszoo.UsageError, match=r"the network must be given once, got model and model.trunk"):
        run("cross-entropy", "digits", Features, tmp_path, set={"model.trunk": "mlp"})


def interrupted(tmp_path: Path, model: Any) -> Path:
    def stop(line: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("cross-entropy", "digits", model, tmp_path, on_epoch=stop)
    (folder,) = tmp_path.glob("digits/*/*")
    return folder


def test_a_run_folder_runs_no_network_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FILE)
    folder = interrupted(tmp_path, "net.py:Net")
    Path("net.py").write_text(f"{FILE}\nopen('ran', 'w').close()\n")
    with pytest.raises(losszoo.UsageError, match=r"a network that a file names must be given again, got net.py:Net"):
        losszoo.run(resume=folder)
    assert not Path("ran").exists()
    Path("net.py").write_text(FILE)
    whole = run("cross-entropy", "digits", "net.py:Net", tmp_path / "whole")
    assert losszoo.run(resume=folder, model="net.py:Net").metrics == whole.metrics


def test_another_network_does_not_resume_a_run(tmp_path: Path) -> None:
    folder = interrupted(tmp_path, Features)
    with pytest.raises(losszoo.UsageError, match="model must be the network that the run was started with, Features"):
        losszoo.run(resume=folder, model=Outputs)
    assert losszoo.run(resume=folder, model=Features).status == "completed"


def test_compare_and_tune_take_a_network_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FILE)
    words = ("--loss", "focal", "--task", "breast-cancer", "--model", "net.py:Net", "--epochs", "1", "--json")
    command = [sys.executable, "-m", "losszoo"]
    done = subprocess.run(
        [*command, "compare", *words, "--seeds", "1"], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"][0]["config"]["code"].keys() == {"net.py"}
    pytest.importorskip("optuna")
    tuning = losszoo.tune(
        "focal", "breast-cancer", model="net.py:Net", search={"model.width": "4,8"}, trials=2, epochs=1
    )
    assert tuning.counts.ended == 2
    assert "--model net.py:Net" in str(tuning.best and tuning.best.command)
    with pytest.raises(losszoo.UsageError, match="model must be given as text, from which every worker makes it"):
        losszoo.compare(["focal"], ["breast-cancer"], model=Features)
    with pytest.raises(losszoo.UsageError, match="model must be a class or function that makes a new network"):
        losszoo.tune("focal", "breast-cancer", model=nn.Linear(30, 1))


def test_an_estimator_trains_a_copy_of_a_module() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 4)).astype("f")
    labels = np.where(rows[:, 0] > 0, "yes", "no")
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    before = network[0].weight.detach().clone()
    fitted = LossClassifier("cross-entropy", epochs=60, lr=0.03, trunk=network, random_state=0).fit(rows, labels)
    assert torch.equal(before, network[0].weight)
    assert fitted.score(rows, labels) > 0.9


class Odd(nn.Module):
    """Does something unusual that is no fault, or is one that only training shows."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer = how, nn.Linear(10, 4)
        self.embedding = nn.Embedding(8, 4)
        self.norm = nn.BatchNorm1d(4) if how == "norm" else nn.Identity()

    def forward(self, x: Tensor) -> Any:
        if self.how == "writes":
            x = torch.relu_(x)
        if self.how == "embedding":
            return self.embedding((x * 4).long().clamp(0, 7)).flatten(1)
        out = self.norm(self.layer(x))
        return (out, out) if self.how == "tuple in training" and self.training else out


def test_a_network_that_begins_with_an_embedding_is_trained(tmp_path: Path) -> None:
    assert run("mse", "diabetes", Odd("embedding"), tmp_path).status == "completed"


def test_a_network_that_writes_into_its_inputs_leaves_the_data(tmp_path: Path) -> None:
    """With ReLU in place as its first layer; the same network without leaves every number as it is."""

    class Relu(Odd):
        def forward(self, x: Tensor) -> Any:
            return self.layer(torch.relu(x))

    torch.manual_seed(0)
    networks = Odd("writes"), Relu("plain")
    networks[1].load_state_dict(networks[0].state_dict())
    runs = [run("mse", "diabetes", network, tmp_path) for network in networks]
    assert runs[0].metrics == runs[1].metrics


def test_what_only_training_shows_is_refused_before_it(tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match="must return one tensor, got a tuple in training"):
        run("mse", "diabetes", Odd("tuple in training"), tmp_path)
    rows = len(losszoo.load_task("diabetes").splits(0).train.targets)
    with pytest.raises(losszoo.UsageError, match="must leave no last batch of one row, as network Odd has BatchNorm"):
        run("mse", "diabetes", Odd("norm"), tmp_path, set={"recipe.batch_size": rows - 1})
    assert list(tmp_path.iterdir()) == []


MADE = """
import torch
from torch import nn
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
    def forward(self, logits, targets):
        return nn.functional.cross_entropy(self.scale * logits, targets)
loss = Learned()
"""


def test_a_module_in_a_file_is_no_more_trained_in_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made.py").write_text(MADE)
    monkeypatch.chdir(tmp_path)
    for loss, model in (("cross-entropy", "made.py:net"), ("made.py:loss", None)):
        metrics = [run(loss, "digits", model, tmp_path / "runs").metrics for _ in range(2)]
        assert metrics[0] == metrics[1]
    table = losszoo.compare(["cross-entropy"], ["digits"], seeds=[0, 1], model="made.py:net", epochs=1, out=tmp_path)
    tried = [cell["result"]["metrics"]["train"]["accuracy"] for cell in table.cells]
    assert abs(tried[0] - tried[1]) < 0.1  # both began with the same weights; one went on from the other before


def test_a_loss_of_several_readings_is_fed_what_one_row_teaches(tmp_path: Path) -> None:
    """torch's CrossEntropyLoss takes (N,) logits for one sample of N classes."""
    torch_loss = run(nn.CrossEntropyLoss(), "breast-cancer", None, tmp_path, epochs=6)
    ours = run("cross-entropy", "breast-cancer", None, tmp_path, epochs=6)
    assert torch_loss.metrics == ours.metrics
    bits = run(nn.BCEWithLogitsLoss(), "breast-cancer", None, tmp_path, epochs=6)
    assert bits.metrics == run("bce", "breast-cancer", None, tmp_path, epochs=6).metrics
