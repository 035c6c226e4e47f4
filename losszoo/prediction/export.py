"""A trained network as a program: for torch without losszoo, or as ONNX for anything else."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from losszoo.common.files import write_atomically
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError

ENDINGS = (".pt2", ".onnx")


def export_network(network: nn.Module, rows: Tensor, path: Path, *, overwrite: bool = False) -> Path:
    """Write a program that takes any number of rows.

    Args:
        network: in evaluation.
        rows: some inputs, which it is tried on.
        path: ".pt2" or ".onnx".
        overwrite: replace a file that is there.

    Raises:
        UsageError: another ending, a file that is there already, packages that are missing, a network that cannot be
            exported, or a path that cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"path of an exported model must end with {' or '.join(ENDINGS)}, got {path}")
    if path.exists() and not overwrite:
        raise UsageError(
            f"path of an exported model must be a file that is not there yet, got {path}; overwrite=True replaces it"
        )
    missing = [name for name in ("onnx", "onnxscript") if ending == ".onnx" and find_spec(name) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be installed for ONNX: pip install 'losszoo[onnx]'")
    # Two equal rows where there is one: torch takes a size of 1 for one that never changes.
    tried = torch.cat((rows, rows))[:2]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporter, about its own parts
            content = _onnx(network, tried) if ending == ".onnx" else _torch(network, tried)
    except MemoryError:
        raise
    except Exception as error:  # torch's exporter fails in as many ways as there are networks
        raise UsageError(
            f"a network must be one that torch can export, got the error {in_one_line(error)}; losszoo.load_run(...)"
            ".model is the module itself"
        ) from error
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UsageError(
            f"path of an exported model must be one that can be written, got {path} ({error.strerror or error})"
        ) from error
    return path


def _torch(network: nn.Module, rows: Tensor) -> bytes:
    program = torch.export.export(network, (rows,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _onnx(network: nn.Module, rows: Tensor) -> bytes:
    program = torch.onnx.export(
        network,
        (rows,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        input_names=["inputs"],
        output_names=["outputs"],
        verbose=False,
    )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
