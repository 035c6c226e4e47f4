"""accelerate, skorch, Keras and Hydra with losses of the zoo: they end where the same loop by hand ends."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import losszoo

# Keras and numpy 2 do not agree on how an array is made.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn:DeprecationWarning")

ROWS, BATCH, STEPS = 80, 8, 20


def data() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return torch.randn(ROWS, 4, generator=draws), torch.randint(0, 3, (ROWS,), generator=draws)


class Network(nn.Sequential):
    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def focal(logits: Tensor, labels: Tensor) -> Tensor:
    """(1 - p) times the cross-entropy, from torch's own: the loss that the frameworks are given below."""
    entropy = nn.functional.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-entropy)) * entropy).mean()


def by_hand(net: nn.Module, every: int = 1) -> nn.Module:
    rows, labels = data()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for step in range(STEPS):
        part = torch.arange(step * BATCH * every, (step + 1) * BATCH * every) % ROWS
        focal(net(rows[part]), labels[part]).backward()
        optimizer.step()
        optimizer.zero_grad()
    return net


def assert_equal(net: nn.Module, other: nn.Module) -> None:
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("every", "bad"), [(1, None), (2, None), (1, 3)])
def test_accelerate(every: int, bad: int | None) -> None:
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=every)
    net = Network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    batches = DataLoader(TensorDataset(*data()), batch_size=BATCH)
    model, optimizer, batches = accelerator.prepare(net, optimizer, batches)
    loss, guard = losszoo.create("softmax-focal", gamma=1.0), losszoo.Guard(model, optimizer, "skip", bundles=None)
    calls = 0
    for _ in range(2 * every):
        for rows, labels in batches:
            with accelerator.accumulate(model):
                value = loss(model(rows), labels) * (torch.nan if calls == bad else 1.0)
                calls += 1
                accelerator.backward(value)
                if accelerator.sync_gradients:
                    guard.apply(value)
    assert (guard.counts.steps, guard.counts.skipped) == (STEPS, int(bad is not None))
    if bad is None:
        assert_equal(net, by_hand(Network(), every))
    else:
        assert all(parameter.isfinite().all() for parameter in net.parameters())


def test_skorch() -> None:
    skorch = pytest.importorskip("skorch")
    from sklearn.model_selection import GridSearchCV

    rows, labels = (x.numpy() for x in data())
    net = skorch.NeuralNetClassifier(
        Network,
        criterion=losszoo.create,
        criterion__loss="softmax-focal",
        criterion__gamma=1.0,
        predict_nonlinearity=nn.Softmax(1),
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.9,
        lr=0.1,
        batch_size=BATCH,
        max_epochs=2,
        train_split=None,
        iterator_train__shuffle=False,
        verbose=0,
    )
    net.fit(rows, labels)
    assert_equal(net.module_, by_hand(Network()))
    expected = torch.softmax(net.module_(data()[0]), 1).detach().numpy()
    np.testing.assert_allclose(pickle.loads(pickle.dumps(net)).predict_proba(rows), expected, atol=1e-6)
    grid = GridSearchCV(net, {"criterion__gamma": [0.0, 2.0]}, cv=2).fit(rows, labels)
    assert grid.best_estimator_.criterion_.gamma == grid.best_params_["criterion__gamma"]


@pytest.fixture
def keras() -> Any:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    importlib.import_module("losszoo.integrations.keras")  # which chooses the backend
    return importlib.import_module("keras")


def keras_loss(*args: Any, **options: Any) -> Any:
    from losszoo.integrations.keras import KerasLoss

    return KerasLoss(*args, **options)


def keras_net(keras: Any, loss: Any, last: int = 3) -> Any:
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(last)])
    net.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=loss)
    net.build((None, 4))
    return net


def test_keras_ends_as_with_its_own_loss_and_its_weights(keras: Any) -> None:
    rows, labels = (x.numpy() for x in data())
    how: dict[str, Any] = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    ours = keras_net(keras, keras_loss("cross-entropy"))
    own = keras_net(keras, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    one_hot = keras_net(keras, keras_loss("cross-entropy"))
    for net, targets in ((ours, labels), (own, labels), (one_hot, np.eye(3, dtype=np.float32)[labels])):
        net.fit(rows, targets, sample_weight=np.linspace(0, 2, ROWS, dtype=np.float32), **how)
    for one, two, three in zip(ours.get_weights(), own.get_weights(), one_hot.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
        np.testing.assert_allclose(three, two, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize(("rows", "outputs"), [(3, 3), (5, 3), (4, 1)])
def test_values_and_weights_of_several_outputs_are_those_of_keras(
    keras: Any, reduction: str, rows: int, outputs: int
) -> None:
    """Keras's own losses are the source; 3 x 3 is where weights of rows could fall on outputs unseen."""
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, outputs, generator=draws)
    zeros_and_ones = torch.rand(rows, outputs, generator=draws).round()
    labels = torch.randint(0, outputs, (rows,), generator=draws)
    one_hot = nn.functional.one_hot(labels, outputs).float()
    own = keras.losses
    pairs = [
        ("mse", own.MeanSquaredError(reduction=reduction), zeros_and_ones),
        ("mae", own.MeanAbsoluteError(reduction=reduction), zeros_and_ones),
        ("bce", own.BinaryCrossentropy(from_logits=True, reduction=reduction), zeros_and_ones),
    ]
    if outputs > 1:
        pairs += [
            ("cross-entropy", own.CategoricalCrossentropy(from_logits=True, reduction=reduction), one_hot),
            ("cross-entropy", own.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction), labels),
        ]
    for name, theirs, targets in pairs:
        for weights in (None, torch.arange(rows).float()):
            value = keras_loss(name, reduction=reduction)(targets, logits, sample_weight=weights)
            torch.testing.assert_close(value, theirs(targets, logits, sample_weight=weights), rtol=1e-5, atol=1e-6)


def test_a_saved_model_of_keras_makes_its_loss_again(keras: Any, tmp_path: Path) -> None:
    rows, labels = (x.numpy() for x in data())
    net = keras_net(keras, keras_loss("0.5*softmax-focal(gamma=1) + cross-entropy"))
    net.fit(rows, labels, verbose=0)
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    values = (net.evaluate(rows, labels, verbose=0), again.evaluate(rows, labels, verbose=0))
    logits = torch.as_tensor(net.predict(rows, verbose=0))
    expected = 0.5 * focal(logits, data()[1]) + nn.functional.cross_entropy(logits, data()[1])
    assert values == pytest.approx([expected.item()] * 2, abs=1e-6)


def test_keras_takes_numbers_and_embeddings(keras: Any) -> None:
    rows, labels = data()
    numbers = keras_loss("huber")(labels, rows[:, :1])
    torch.testing.assert_close(numbers, nn.functional.huber_loss(rows[:, 0], labels.float()))
    torch.testing.assert_close(keras_loss("sup-con")(labels, rows), losszoo.create("sup-con")(rows, labels))


def test_what_keras_would_not_train_is_refused(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(losszoo.UsageError, match="must be a mean of values of rows, got 'rmse'"):
        keras_loss("rmse")(torch.zeros(3), torch.ones(3))
    with pytest.raises(losszoo.UsageError, match="must learn nothing by itself"):
        keras_loss("uncertainty(cross-entropy, softmax-focal)")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(losszoo.UsageError, match="the backend of Keras must be torch, got jax"):
        keras_loss("mse")


def test_hydra_makes_a_loss_of_a_yaml_file(tmp_path: Path) -> None:
    hydra = pytest.importorskip("hydra")
    (tmp_path / "config.yaml").write_text(
        "loss:\n  _target_: losszoo.create\n  _convert_: all\n  loss: cross-entropy\n  weight: [1.0, 2.0, 1.0]\n"
    )
    with hydra.initialize_config_dir(str(tmp_path), version_base=None):
        config = hydra.compose("config", overrides=["loss.weight=[1.0,2.0,4.0]", "+loss.reduction=sum"])
    loss = hydra.utils.instantiate(config.loss)
    rows, labels = data()
    expected = nn.functional.cross_entropy(rows[:, :3], labels, torch.tensor([1.0, 2.0, 4.0]), reduction="sum")
    torch.testing.assert_close(loss(rows[:, :3], labels), expected)


def test_importing_losszoo_imports_no_framework() -> None:
    import subprocess
    import sys

    code = "import losszoo, sys; losszoo.create, losszoo.hf_loss; names = 'lightning transformers keras accelerate'"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print([n for n in names.split() if n in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
