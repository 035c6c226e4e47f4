"""``losszoo watch`` on scripts of Lightning, transformers, accelerate, torchrun: a fault has its line, health none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import forking
import pytest

LIGHTNING = """
import logging
import lightning, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 3))

    def training_step(self, batch, index):
        scores = self.network(batch[0])
        return nn.functional.cross_entropy(scores, batch[1])  # here

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)

torch.manual_seed(0)
rows = TensorDataset(torch.randn(48, 4), torch.randint(0, 3, (48,)))
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(Classifier(), DataLoader(rows, 8))
"""

TRANSFORMERS = """
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x, labels):
        scores = self.network(x)
        return {"loss": nn.functional.cross_entropy(scores, labels), "logits": scores}  # here

torch.manual_seed(0)
rows = [{"x": torch.randn(4), "labels": int(torch.randint(0, 3, ()))} for _ in range(48)]
arguments = TrainingArguments("out", use_cpu=True, max_steps=6, report_to=[], save_strategy="no", disable_tqdm=True)
Trainer(Classifier(), arguments, train_dataset=rows).train()
"""

ACCELERATE = """
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
accelerator = Accelerator(cpu=True)
rows = TensorDataset(torch.randn(48, 4), torch.randint(0, 3, (48,)))
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
optimizer = torch.optim.Adam(net.parameters(), 0.01)
net, optimizer, loader = accelerator.prepare(net, optimizer, DataLoader(rows, 8))
for x, labels in loader:
    scores = net(x)
    loss = nn.functional.cross_entropy(scores, labels)  # here
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()
"""

RANKS = """
import torch
from torch import distributed, nn

distributed.init_process_group("gloo")
torch.manual_seed(distributed.get_rank())
net = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for step in range(6):
    x, labels = torch.randn(8, 4), torch.randint(0, 3, (8,))
    scores = net(x)
    loss = nn.functional.cross_entropy(scores, labels)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
distributed.destroy_process_group()
"""


def watched(folder: Path, text: str, ranks: int = 0) -> tuple[dict[str, Any], int]:
    """The document of ``--json``, and the line that is marked."""
    (folder / "train.py").write_text(text, "utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks else []
    command = [sys.executable, *launcher, "-m", "losszoo", "watch", "--json", "train.py"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = forking.run(command, timeout=300, cwd=folder, env=environment)
    assert done.stdout.startswith("{"), done.stderr
    return json.loads(done.stdout), next(n for n, line in enumerate(text.split("\n"), 1) if "# here" in line)


SCRIPTS = [
    pytest.param(LIGHTNING, "lightning", 0, id="lightning"),
    pytest.param(TRANSFORMERS, "transformers", 0, id="transformers"),
    pytest.param(ACCELERATE, "accelerate", 0, id="accelerate"),
    pytest.param(RANKS, "torch.distributed", 2, id="torchrun"),
]


@pytest.mark.parametrize(("text", "needs", "ranks"), SCRIPTS)
def test_a_healthy_script_of_a_framework_is_not_accused(text: str, needs: str, ranks: int, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    document, _ = watched(tmp_path, text, ranks)
    assert document["faults"] == []
    assert document["notes"] == []
    assert (document["script_exit_code"], document["steps"]) == (0, 6)


@pytest.mark.parametrize(("text", "needs", "ranks"), SCRIPTS)
def test_a_softmax_before_the_criterion_has_both_lines(text: str, needs: str, ranks: int, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    made = next(line.split("scores = ")[1] for line in text.split("\n") if "scores = " in line)
    document, line = watched(tmp_path, text.replace(made, f"torch.softmax({made}, 1)"), ranks)
    (fault,) = document["faults"]
    assert (fault["kind"], fault["source"]) == ("activation", f"train.py:{line}")
    assert f"train.py:{line - 1}" in fault["cause"]
    assert document["steps"] == 6


def test_a_batch_of_nan_in_lightning_is_told_at_the_criterion(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    text = LIGHTNING.replace("torch.randn(48, 4)", "torch.randn(48, 4).index_fill(0, torch.arange(40, 48), torch.nan)")
    document, line = watched(tmp_path, text)
    (fault,) = document["faults"]
    assert (fault["kind"], fault["source"]) == ("nan-loss", f"train.py:{line}")
    assert "batch[0] of shape (8, 4) holds NaN" in fault["cause"]


def test_a_first_step_of_transformers_that_breaks_has_its_smallest_input(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    own = "def distance(scores, labels):\n    return torch.log(scores.sum(1) * 0).mean()  # here\n\nclass Classifier"
    text = TRANSFORMERS.replace("  # here", "").replace("class Classifier", own)
    text = text.replace("nn.functional.cross_entropy", "distance")
    document, line = watched(tmp_path, text)
    (fault,) = document["faults"]
    assert (fault["kind"], fault["op"], fault["source"]) == ("inf-loss", "log", f"train.py:{line}")
    assert fault["diagnosis"][0]["paste"].startswith("distance(torch.tensor(")
    assert document["steps"] == 0
