"""A channel-independent LSTM with reversible instance normalisation (RevIN).

One network is shared by all sensors: each look-back is normalised by its own mean and deviation, cut into patches,
read by the LSTM, and its forecast is put back on the look-back's scale.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from shared.circuit import Hyperparameters

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is loaded

import keras
import tensorflow as tf

EPSILON = 1e-5
BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-7  # Keras' own


@dataclass(frozen=True)
class _Shape:
    """What a network is compiled for. Circuits alike in it are trained on one compiled network, one after the other."""

    patches: int
    patch: int
    units: int
    horizon: int
    batch: int
    learning_rate: float
    seed: int


class _Adam:
    """Adam (Kingma and Ba, 2015) as Keras has it, in one operation a variable instead of twelve."""

    def __init__(self, rate: float, weights: Sequence[tf.Variable]):
        self._rate, self._weights = rate, weights
        self._moments = [[tf.Variable(tf.zeros_like(one)) for one in weights] for _ in BETAS]
        self._powers = [tf.Variable(1.0) for _ in BETAS]

    @property
    def variables(self) -> list[tf.Variable]:
        return [*self._moments[0], *self._moments[1], *self._powers]

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        powers = [power.assign(power * beta) for power, beta in zip(self._powers, BETAS, strict=True)]
        for weight, gradient, first, second in zip(self._weights, gradients, *self._moments, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=self._rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                epsilon=ADAM_EPSILON,
                grad=gradient,
            )


class _Network:
    """A compiled network: tracing it costs more than training it for a few epochs, so it is kept."""

    def __init__(self, shape: _Shape):
        keras.utils.set_random_seed(shape.seed)
        self.model = keras.Sequential(
            [
                keras.Input((shape.patches, shape.patch)),
                keras.layers.LSTM(shape.units, unroll=True),
                keras.layers.Dense(shape.horizon),
            ]
        )
        self._weights = [variable.value for variable in self.model.trainable_variables]
        self._optimizer = _Adam(shape.learning_rate, self._weights)
        self._variables = [*self.model.variables, *self._optimizer.variables]
        self._fresh = [variable.numpy() for variable in self._variables]
        self._batch = shape.batch
        single = tf.float32
        patches = tf.TensorSpec((None, shape.patches, shape.patch), single)
        self._forecast = tf.function(lambda given: self.model(given), input_signature=[patches])
        self._run_epoch = tf.function(
            self._epoch,
            input_signature=[
                patches,
                tf.TensorSpec((None, shape.horizon), single),
                tf.TensorSpec((None, 1), single),
                tf.TensorSpec((None,), tf.int32),
            ],
        )

    def reset(self) -> None:
        """As it was when it was made."""
        for variable, value in zip(self._variables, self._fresh, strict=True):
            variable.assign(value)

    def run_epoch(self, samples: "_Samples", order: np.ndarray) -> float:
        """One pass over the samples in this order; the mean loss of its batches."""
        return float(self._run_epoch(samples.patches, samples.targets, samples.deviation, order))

    def forecast(self, patches: np.ndarray) -> np.ndarray:
        """What the model makes of [n, patches, patch]: [n, horizon]; traced, it takes half of what a call takes."""
        return self._forecast(patches).numpy()

    def _epoch(self, x: tf.Tensor, y: tf.Tensor, scale: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """A traced loop over the batches: fit() would spend most of its time between the steps of so small a model."""
        size, total = self._batch, tf.constant(0.0)
        for batch in tf.range(tf.shape(order)[0] // size):
            rows = tf.ensure_shape(order[batch * size : (batch + 1) * size], (size,))
            with tf.GradientTape() as tape:
                miss = (self.model(tf.gather(x, rows), training=True) - tf.gather(y, rows)) * tf.gather(
                    scale, rows
                )
                loss = tf.reduce_mean(tf.square(miss))
            self._optimizer.apply(tape.gradient(loss, self._weights))
            total += loss
        return total / tf.cast(tf.shape(order)[0] // size, tf.float32)


@lru_cache(maxsize=4)
def _network(shape: _Shape) -> _Network:
    return _Network(shape)


@dataclass(frozen=True)
class TrainedLstm:
    """The best weights, and the losses per epoch (standardised mse).

    weights: in Keras' order: kernel, recurrent kernel, bias, dense kernel, dense bias.
    """

    shape: _Shape
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
    def _network(self) -> _Network:
        """The network with these weights: another circuit may have trained on it since."""
        network = _network(self.shape)
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
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    train = _Samples.of(inputs, targets, chosen.patch)
    check = _Samples.of(check_inputs, check_targets, chosen.patch)
    shape = _Shape(
        patches=chosen.look_back // chosen.patch,
        patch=chosen.patch,
        units=chosen.units,
        horizon=chosen.horizon,
        batch=min(chosen.batch_size * inputs.shape[2], len(train.targets)),
        learning_rate=chosen.learning_rate,
        seed=chosen.seed,
    )
    network = _network(shape)
    network.reset()
    shuffle = np.random.default_rng(chosen.seed)
    training_loss: list[float] = []
    validation_loss: list[float] = []
    best = network.model.get_weights()
    for _ in range(chosen.epochs):
        order = shuffle.permutation(len(train.targets)).astype(np.int32)
        training_loss.append(network.run_epoch(train, order))
        validation_loss.append(_loss(network, check))
        if int(np.argmin(validation_loss)) == len(validation_loss) - 1:
            best = network.model.get_weights()
        if len(validation_loss) - 1 - int(np.argmin(validation_loss)) > chosen.patience:
            break
    return TrainedLstm(shape, best, training_loss, validation_loss)


def _loss(network: _Network, samples: _Samples) -> float:
    miss = (network.forecast(samples.patches) - samples.targets) * samples.deviation
    return float(np.mean(miss**2))


def _samples(windows: np.ndarray) -> np.ndarray:
    """[windows, steps, sensors] → [windows · sensors, steps]."""
    return windows.transpose(0, 2, 1).reshape(-1, windows.shape[1])


def _instance(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return samples.mean(1, keepdims=True), np.sqrt(samples.var(1, keepdims=True) + EPSILON)


def _patches(samples: np.ndarray, patch: int) -> np.ndarray:
    return samples.reshape(len(samples), -1, patch)
