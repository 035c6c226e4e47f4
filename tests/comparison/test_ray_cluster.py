"""A Ray cluster of two nodes on this machine that asks for a token, as in docs/compare.md; one of them is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from comparing import compare, start, table_of
from waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")

# A loss that tells which node computes it, and takes its time.
LOSS = """
import time
from pathlib import Path

import ray
import torch


def slow(logits, targets):
    if ray.is_initialized():
        Path("nodes", f"{ray.get_runtime_context().get_node_id()}-{time.time_ns()}").touch()
        time.sleep(0.3)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")
"""
GRID = ("--task", "digits", "--loss", "slow.py:slow", "--epochs", "2", "--seeds", "6", "--set", "recipe.batch_size=512")
ONE = ("--task", "digits", "--loss", "cross-entropy", "--seeds", "1")
# ``ray start`` listens on every interface; what it starts, on 127.0.0.1 alone. A line on stdin kills the second node.
NODES = """
import sys
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "node_ip_address": "127.0.0.1"}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
second = cluster.add_node(**node)
print("cluster", cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(second, allow_graceful=False)
print("killed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@dataclass
class Cluster:
    """Two nodes of one CPU each."""

    address: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    @property
    def asked(self) -> tuple[str, ...]:
        """The options that name it."""
        return ("--backend", "ray", "--address", self.address)


def line_of(process: subprocess.Popen[str], beginning: str) -> str:
    """The next line that begins so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return line.removeprefix(beginning).strip()
    raise AssertionError(f"the cluster ended with {process.wait()}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="lz", dir="/tmp"))  # a socket's path is short
    environment = {
        "HOME": str(folder),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # which keeps it on 127.0.0.1
        "RAY_AUTH_MODE": "token",
        "RAY_worker_niceness": "0",  # Ray's workers are nice: beside busy tests they would wait for minutes
        "OMP_NUM_THREADS": "1",
    }
    ray = [str(Path(sys.executable).with_name("ray"))]
    everything = {**os.environ, **environment}
    token = subprocess.run([*ray, "get-auth-token", "--generate"], env=everything, capture_output=True, check=True)
    (folder / ".ray" / "auth_token").unlink()  # as on a machine that is not the head
    environment["RAY_AUTH_TOKEN"] = everything["RAY_AUTH_TOKEN"] = token.stdout.decode().strip()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", NODES], env=everything, **pipes)
    try:
        yield Cluster(line_of(process, "cluster"), environment, process)
    finally:
        process.communicate("\n\n", timeout=PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def test_more_jobs_than_the_cluster_has_is_a_sentence(cluster: Cluster, tmp_path: Path) -> None:
    code, document, said = compare(*ONE, *cluster.asked, "--jobs", "9", cwd=tmp_path, **cluster.environment)
    assert code == 2, said
    assert (
        f"jobs must be at most the 2 CPUs of the Ray cluster {cluster.address}, got jobs=9"
        in document["error"]["message"]
    )
    assert "Traceback" not in said


@pytest.mark.parametrize("token", [{"RAY_AUTH_MODE": ""}, {"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_TOKEN": ""}])
def test_a_token_that_is_missing_is_told_from_no_answer(
    cluster: Cluster, tmp_path: Path, token: dict[str, str]
) -> None:
    given = {name: value for name, value in {**cluster.environment, **token}.items() if value}
    code, document, said = compare(*ONE, *cluster.asked, cwd=tmp_path, **given)
    assert code == 2, said
    assert (
        f"got an answer from {cluster.address} that this process is not authenticated; set RAY_AUTH_MODE=token"
        in document["error"]["message"]
    )
    assert "does not answer" not in said
    assert "Traceback" not in said


def test_both_nodes_compute_and_one_that_is_killed_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Without --jobs: as many cells at a time as the cluster has CPUs."""
    (tmp_path / "slow.py").write_text(LOSS)
    (tmp_path / "nodes").mkdir()

    def nodes() -> set[str]:
        return {path.name.partition("-")[0] for path in (tmp_path / "nodes").iterdir()}

    process = start(*GRID, *cluster.asked, cwd=tmp_path, **cluster.environment)
    wait_for(lambda: len(nodes()) == 2 or process.poll() is not None)
    assert cluster.process.stdin is not None
    print(file=cluster.process.stdin, flush=True)
    line_of(cluster.process, "killed")
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "6 of 6 cells done" in said
    assert len(nodes()) == 2
    alone = compare(*GRID, "--out", "alone", cwd=tmp_path)[1]
    assert table_of(json.loads(out)) == table_of(alone)
