"""``plugins --check`` says where the code does something else than the card, which is read without running it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAD = "import functools, sys\nfrom typing import Annotated\nimport losszoo\nfrom losszoo import Range, loss\n"
DOC = '    r"""S.\n\n    .. math:: x\n\n    Reference:\n        R.\n    """\n'


def function(name: str, params: str = "d: Annotated[float, Range(0, 1)] = 0.5", head: str = "") -> str:
    mark = '@loss(signature="regression")\n'
    return f"{head}{mark}def {name}(predictions, targets, *, {params}):\n{DOC}    return (predictions - targets) ** 2\n"


SAME = "must be the same in the source and when it is loaded, got"
NAMED = "d: Annotated[float, Range(0, 1)] = D"
# Of each module: its text, and what is said of its loss; nothing where the card is right.
MODULES = {
    "right": (function("right", "d: Annotated[float, Range(0, None)] = 0.5, e: int | None = None"), ""),
    "annotated": ("from __future__ import annotations\n" + HEAD + function("annotated"), ""),
    "within_if": (
        "D = 0.5\nif sys:\n    D = 0.25\n" + function("within_if", NAMED),
        f"default of d {SAME} 0.5 and 0.25",
    ),
    "by_import": ("D = 0.5\nfrom math import e as D\n" + function("by_import", NAMED.replace("1)", "9)")), "2.718"),
    "range_within": (
        "LOW = 0\ntry:\n    LOW = 0.25\nfinally:\n    pass\n"
        + function("range_within", "d: Annotated[float, Range(LOW, 1)] = 0.5"),
        f"range of d {SAME} (0, 1) and (0.25, 1)",
    ),
    "other_type": (
        "F = float\nif sys:\n    F = int\n" + function("other_type", "d: Annotated[F, Range(0, 1)] = 1"),
        f"type of d {SAME} 'float' and 'int'",
    ),
    "rebound": (
        function("rebound") + "rebound = functools.partial(rebound, d=0.25)\n",
        "lying_plugin.rebound:rebound must be what the source marks with @losszoo.loss, got something else under",
    ),
    "documented": (function("documented") + "documented.__doc__ = 'Other.'\n", f"summary {SAME} 'S.' and 'Other.'"),
    "wrapped": (
        "def outer(f):\n    @functools.wraps(f)\n    def g(predictions, targets, *, d=0.9):\n"
        "        return f(predictions, targets, d=d)\n    return g\n" + function("wrapped", head="@outer\n"),
        f"default of d {SAME} 0.5 and 0.9",
    ),
    "signed": (
        "S = 'regression'\nif sys:\n    S = 'binary'\n" + function("signed").replace('"regression"', "S"),
        f"signature {SAME} 'regression' and 'binary'",
    ),
    "hidden": (
        function("beside") + "def hidden(predictions, targets):\n    return predictions\n"
        "hidden = loss(signature='regression')(hidden)\n",
        "lying_plugin.hidden:hidden must be marked by a decorator",
    ),
}


@pytest.fixture(scope="module")
def reasons(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What ``plugins --check`` says of a package that has all of these modules."""
    folder = tmp_path_factory.mktemp("lying")
    package, info = folder / "lying_plugin", folder / "lying_plugin-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    hook = "import losszoo\n@losszoo.hookimpl\ndef losszoo_losses(): return losszoo.losses_in('lying_plugin')\n"
    (package / "__init__.py").write_text(hook)
    for name, (text, _) in MODULES.items():
        (package / f"{name}.py").write_text(text if text.startswith("from __future__") else HEAD + text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lying-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[losszoo]\nlying = lying_plugin\n")
    command = [sys.executable, "-m", "losszoo", "plugins", "--check", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 1, done.stderr
    failures = json.loads(done.stdout)["failures"]
    assert {failure["distribution"] for failure in failures} == {"lying-plugin"}
    return [failure["reason"] for failure in failures]


@pytest.mark.parametrize("name", MODULES)
def test_a_card_that_is_not_so_is_told_with_file_and_line(name: str, reasons: list[str]) -> None:
    said = MODULES[name][1]
    told = [reason for reason in reasons if f"loss {name.replace('_', '-')}: " in reason]
    if not said:
        assert not told
    elif name == "hidden":
        assert any(said in reason for reason in reasons)
    else:
        assert any(said in reason for reason in told), told
        assert all(f"(lying_plugin/{name}.py:" in reason for reason in told)
