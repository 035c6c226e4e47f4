"""Of a network in a file, the modules beside it are code of the run too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import losszoo

NET = """
from torch import nn
from {imported}
class Net(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(in_features, 8), Act())
        self.dim = 8
    def forward(self, x):
        return self.body(x)
"""
ACT = "import torch\nfrom torch.nn import {} as Act\n"


@pytest.mark.parametrize(
    ("imported", "beside"),
    [("beside_one import Act", "beside_one.py"), ("beside_two.inner.act import Act", "beside_two/inner/act.py")],
)
def test_a_change_beside_the_file_is_refused(imported: str, beside: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET.format(imported=imported))
    (tmp_path / beside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / beside).write_text(ACT.format("ReLU"))
    model = f"{tmp_path}/net.py:Net"

    def stop(line: Any) -> None:
        raise KeyboardInterrupt

    run = losszoo.run("bce", "breast-cancer", model=model, epochs=1, out=tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        losszoo.run("bce", "breast-cancer", model=model, epochs=2, out=tmp_path / "stopped", on_epoch=stop)
    (stopped,) = tmp_path.glob("stopped/*/*/*")
    (tmp_path / beside).write_text(ACT.format("Tanh"))
    with pytest.raises(losszoo.UsageError, match="got another content, of it or of a file of its folder"):
        losszoo.load_run(run.run_dir, model=model)
    with pytest.raises(losszoo.UsageError, match="has changed since"):
        losszoo.run(resume=stopped, model=model)


def test_what_is_not_imported_is_no_code_of_the_file(tmp_path: Path) -> None:
    """Nor is a file that has the name of a module of Python, or one that is imported in a circle counted twice."""
    from losszoo.training.run_folder.code_digest import digest_of_code

    (tmp_path / "a.py").write_text("import b, json\nfrom . import gone\n")
    (tmp_path / "b.py").write_text("import a\n")
    before = digest_of_code(tmp_path / "a.py")
    (tmp_path / "json.py").write_text("1")
    (tmp_path / "c.py").write_text("1")
    assert digest_of_code(tmp_path / "a.py") == before
    (tmp_path / "b.py").write_text("import a, c\n")
    assert digest_of_code(tmp_path / "a.py") != before


def test_a_file_alone_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """sha256sum is the source: run folders of before stay."""
    import hashlib

    from losszoo.training.run_folder.code_digest import digest_of_code

    (tmp_path / "a.py").write_text("import torch\n")
    assert digest_of_code(tmp_path / "a.py") == hashlib.sha256(b"import torch\n").hexdigest()


def test_weights_and_a_weighted_sampler_are_told_to_balance_twice(tmp_path: Path) -> None:
    told = {"epochs": 1, "out": tmp_path, "set": ["recipe.sampler=weighted"]}
    both = losszoo.run("bce", "breast-cancer", class_weight="balanced", **told)  # type: ignore[arg-type]
    assert any("classes are balanced twice" in note for note in both.notes)
    assert not any("balanced twice" in note for note in losszoo.run("bce", "breast-cancer", **told).notes)  # type: ignore[arg-type]
