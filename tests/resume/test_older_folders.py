"""Folders and bundles of the time when the names of a loss's state began with ``core.``, not ``function.``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import losszoo
from losszoo.common.files import save_atomically
from losszoo.common.torch_files import load

BREAKING = """
import torch


class Breaking(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, logits, targets):
        self.seen += 1
        values = torch.nn.functional.cross_entropy(logits + self.shift, targets, reduction="none")
        return values + torch.log(4 - self.seen)
"""


def as_before(content: Any) -> Any:
    """The same state by its older names."""
    if isinstance(content, dict):
        return {
            str(key).replace("function.", "core.") if isinstance(key, str) else key: as_before(value)
            for key, value in content.items()
        }
    return [as_before(value) for value in content] if isinstance(content, list) else content


def age(path: Path) -> None:
    """Write a file again as it would have been written then."""
    content = load(path, 10**6)
    assert any("function." in name for name in content["loss"])
    save_atomically(path, as_before(content))


@pytest.mark.parametrize("policy", ["raise", "rollback"])
def test_an_older_folder_with_learned_parameters_resumes(tmp_path: Path, policy: str) -> None:
    how: dict[str, Any] = {"epochs": 4, "checkpoint_seconds": 0, "on_nonfinite": policy}
    whole = losszoo.run("uncertainty(cross-entropy, bce)", "digits", out=tmp_path, **how)

    class StopError(Exception):
        pass

    def stop(line: Any) -> None:
        if line["epoch"] == 2:
            raise StopError

    with pytest.raises(StopError):
        losszoo.run("uncertainty(cross-entropy, bce)", "digits", run_dir=tmp_path / "half", on_epoch=stop, **how)
    age(tmp_path / "half" / "checkpoint.pt")
    assert losszoo.run(resume=tmp_path / "half").metrics == whole.metrics


def test_an_older_folder_with_a_buffer_in_the_loss_resumes_and_its_bundle_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(BREAKING)
    result = losszoo.run(
        "mine.py:Breaking", "digits", epochs=1, run_dir="run", on_nonfinite="skip", signature="multiclass",
        checkpoint_seconds=0, raise_interrupt=False,
    )  # fmt: skip
    assert result.guard["first"]["op"] == "log"
    bundle = Path(result.guard["first"]["bundle"])
    age(bundle)
    assert losszoo.replay(bundle, loss="mine.py:Breaking", examine=False).op == "log"
    age(Path("run", "checkpoint.pt"))
    Path("run", "result.json").unlink()
    again = losszoo.run("mine.py:Breaking", resume="run", checkpoint_seconds=0)
    assert again.metrics == result.metrics


def test_a_state_by_older_names_is_loaded() -> None:
    loss = losszoo.create("uncertainty(cross-entropy, bce)")
    tensors = {name: x.clone() for name, x in loss.state_dict().items() if isinstance(x, torch.Tensor)}
    older = {name.replace("function.", "core."): x + 1 for name, x in tensors.items()}
    older |= {name: x for name, x in loss.state_dict().items() if name not in tensors}
    loss.load_state_dict(older)
    assert all(torch.equal(loss.state_dict()[name], x + 1) for name, x in tensors.items())
