"""A channel-independent LSTM with reversible instance normalisation (RevIN).

One network is shared by all sensors: each look-back is normalised by its own mean and deviation, cut into patches,
read by the LSTM, and its forecast is put back on the look-back's scale.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from network import Network, Shape, compiled, use_one_core
from shared.circuit import Hyperparameters

EPSILON = 1e-5


@dataclass(frozen=True)
class TrainedLstm:
    """The best weights, and the losses per epoch (standardised mse).

    weights: in Keras' order: kernel, recurrent kernel, bias, dense kernel, dense bias.
    """

    shape: Shape
    weights: list[np.ndarray]
    training_loss: list[float]
    validation_loss: list[float]

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Standardised look-backs [windows, look_back, sensors] → forecasts [windows, horizon, sensors]."""
        samples = _samples(inputs)
        mean, deviation = _instance(samples)
        normalised = ((samples - mean) / deviation).astype(np.float32)
        forecast = self._network.forecast(_patches(normalised, self.shape.patch)) * deviation + mean
        return forecast.reshape(len(inputs), inputs.shape[2], -1).transpose(0, 2, 1)

    def save_weights(self, path: Path) -> None:
        """As Keras stores them (`….weights.h5`)."""
        self._network.model.save_weights(path)

    @property
    def _network(self) -> Network:
        """The network with these weights: another circuit may have trained on it since."""
        network = compiled(self.shape)
        network.model.set_weights(self.weights)
        return network


@dataclass(frozen=True)
class _Samples:
    """Normalised patches [n, patches, patch] and targets [n, horizon]; `deviation` [n, 1] restores the scale."""

    patches: np.ndarray
    targets: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, targets: np.ndarray, patch: int) -> "_Samples":
        x, y = _samples(inputs), _samples(targets)
        usable = ~(np.isnan(x).any(1) | np.isnan(y).any(1))
        x, y = x[usable], y[usable]
        mean, deviation = _instance(x)
        single = np.float32
        return cls(
            _patches(((x - mean) / deviation).astype(single), patch),
            ((y - mean) / deviation).astype(single),
            deviation.astype(single),
        )


def fit_lstm(
    inputs: np.ndarray,
    targets: np.ndarray,
    check_inputs: np.ndarray,
    check_targets: np.ndarray,
    chosen: Hyperparameters,
) -> TrainedLstm:
    """Fit on standardised windows; stops when the check windows stop improving and keeps the best weights."""
    use_one_core()
    train = _Samples.of(inputs, targets, chosen.patch)
    check = _Samples.of(check_inputs, check_targets, chosen.patch)
    shape = Shape(
        patches=chosen.look_back // chosen.patch,
        patch=chosen.patch,
        units=chosen.units,
        horizon=chosen.horizon,
        batch=min(chosen.batch_size * inputs.shape[2], len(train.targets)),
        learning_rate=chosen.learning_rate,
        seed=chosen.seed,
    )
    network = compiled(shape)
    network.reset()
    shuffle = np.random.default_rng(chosen.seed)
    training_loss: list[float] = []
    validation_loss: list[float] = []
    best = network.model.get_weights()
    for _ in range(chosen.epochs):
        order = shuffle.permutation(len(train.targets)).astype(np.int32)
        training_loss.append(network.run_epoch(train.patches, train.targets, train.deviation, order))
        validation_loss.append(_loss(network, check))
        if int(np.argmin(validation_loss)) == len(validation_loss) - 1:
            best = network.model.get_weights()
        if len(validation_loss) - 1 - int(np.argmin(validation_loss)) > chosen.patience:
            break
    return TrainedLstm(shape, best, training_loss, validation_loss)


def _loss(network: Network, samples: _Samples) -> float:
    miss = (network.forecast(samples.patches) - samples.targets) * samples.deviation
    return float(np.mean(miss**2))


def _samples(windows: np.ndarray) -> np.ndarray:
    """[windows, steps, sensors] → [windows · sensors, steps]."""
    return windows.transpose(0, 2, 1).reshape(-1, windows.shape[1])


def _instance(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return samples.mean(1, keepdims=True), np.sqrt(samples.var(1, keepdims=True) + EPSILON)


def _patches(samples: np.ndarray, patch: int) -> np.ndarray:
    return samples.reshape(len(samples), -1, patch)
