"""A channel-independent LSTM with reversible instance normalisation (RevIN).

One network is shared by all sensors: each look-back is normalised by its own mean and deviation, cut into patches,
read by the LSTM, and its forecast is put back on the look-back's scale.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from shared.circuit import Hyperparameters

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is loaded

import keras
import tensorflow as tf

EPSILON = 1e-5


@dataclass(frozen=True)
class TrainedLstm:
    """The Keras model with its best weights, and its losses per epoch (standardised mse)."""

    model: Any
    patch: int
    training_loss: list[float]
    validation_loss: list[float]

    @property
    def weights(self) -> list[np.ndarray]:
        """Keras order: kernel, recurrent kernel, bias, dense kernel, dense bias."""
        return self.model.get_weights()

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Standardised look-backs [windows, look_back, sensors] → forecasts [windows, horizon, sensors]."""
        samples = _samples(inputs)
        mean, deviation = _instance(samples)
        normalised = ((samples - mean) / deviation).astype(np.float32)
        forecast = np.asarray(self.model(_patches(normalised, self.patch))) * deviation + mean
        return forecast.reshape(len(inputs), inputs.shape[2], -1).transpose(0, 2, 1)


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
    keras.utils.set_random_seed(chosen.seed)
    model = keras.Sequential(
        [
            keras.Input((chosen.look_back // chosen.patch, chosen.patch)),
            keras.layers.LSTM(chosen.units, unroll=True),
            keras.layers.Dense(chosen.horizon),
        ]
    )
    train = _Samples.of(inputs, targets, chosen.patch)
    check = _Samples.of(check_inputs, check_targets, chosen.patch)
    optimizer = keras.optimizers.Adam(chosen.learning_rate)
    optimizer.build(model.trainable_variables)
    size = min(chosen.batch_size * inputs.shape[2], len(train.targets))
    # One traced loop over the batches: fit() would spend most of its time between the steps of so small a model.
    x, y, scale = (tf.constant(part) for part in (train.patches, train.targets, train.deviation))

    @tf.function
    def run_epoch(order: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for batch in tf.range(tf.shape(order)[0] // size):
            rows = tf.ensure_shape(order[batch * size : (batch + 1) * size], (size,))
            with tf.GradientTape() as tape:
                miss = (model(tf.gather(x, rows), training=True) - tf.gather(y, rows)) * tf.gather(
                    scale, rows
                )
                loss = tf.reduce_mean(tf.square(miss))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            total += loss
        return total / tf.cast(tf.shape(order)[0] // size, tf.float32)

    shuffle = np.random.default_rng(chosen.seed)
    training_loss: list[float] = []
    validation_loss: list[float] = []
    best = model.get_weights()
    for _ in range(chosen.epochs):
        order = tf.constant(shuffle.permutation(len(train.targets)).astype(np.int32))
        training_loss.append(float(run_epoch(order)))
        validation_loss.append(_loss(model, check))
        if int(np.argmin(validation_loss)) == len(validation_loss) - 1:
            best = model.get_weights()
        if len(validation_loss) - 1 - int(np.argmin(validation_loss)) > chosen.patience:
            break
    model.set_weights(best)
    return TrainedLstm(model, chosen.patch, training_loss, validation_loss)


def _loss(model: Any, samples: _Samples) -> float:
    miss = (np.asarray(model(samples.patches)) - samples.targets) * samples.deviation
    return float(np.mean(miss**2))


def _samples(windows: np.ndarray) -> np.ndarray:
    """[windows, steps, sensors] → [windows · sensors, steps]."""
    return windows.transpose(0, 2, 1).reshape(-1, windows.shape[1])


def _instance(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return samples.mean(1, keepdims=True), np.sqrt(samples.var(1, keepdims=True) + EPSILON)


def _patches(samples: np.ndarray, patch: int) -> np.ndarray:
    return samples.reshape(len(samples), -1, patch)
