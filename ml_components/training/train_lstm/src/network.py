"""The network as TensorFlow runs it: compiled once for all circuits of one shape, an epoch a call."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is loaded

import keras
import tensorflow as tf

BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-7  # Keras' own


@dataclass(frozen=True)
class Shape:
    """What a network is compiled for. Circuits alike in it are trained on one compiled network, one after the other."""

    patches: int
    patch: int
    units: int
    horizon: int
    batch: int
    learning_rate: float
    seed: int


class Adam:
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


def forward(weights: Sequence[tf.Variable], patches: tf.Tensor) -> tf.Tensor:
    """What Keras' LSTM and Dense make of [n, patches, patch]: [n, horizon].

    A column is a sample, a row a unit, so that a step's gates lie one after the other in memory: taking them apart
    copies nothing. Kernel, bias and recurrent kernel lie side by side: a step is one matrix product.
    """
    kernel, recurrent, bias, dense, dense_bias = weights
    first = tf.transpose(tf.concat([kernel, bias[None]], 0))
    later, units = tf.concat([first, tf.transpose(recurrent)], 1), recurrent.shape[0]
    steps = tf.transpose(patches, [1, 2, 0])
    hidden = cell = None
    for step in tf.unstack(tf.concat([steps, tf.ones_like(steps[:, :1])], 1)):
        gates = first @ step if hidden is None else later @ tf.concat([step, hidden], 0)
        opened, candidate, output = tf.split(gates, [2 * units, units, units])
        enter, keep = tf.split(tf.sigmoid(opened), 2)
        entering = enter * tf.tanh(candidate)
        cell = entering if cell is None else keep * cell + entering
        hidden = tf.sigmoid(output) * tf.tanh(cell)
    return tf.matmul(hidden, dense, transpose_a=True) + dense_bias


class Network:
    """A compiled network: tracing it costs more than training it for a few epochs, so it is kept."""

    def __init__(self, shape: Shape):
        keras.utils.set_random_seed(shape.seed)
        self.model = keras.Sequential(
            [
                keras.Input((shape.patches, shape.patch)),
                keras.layers.LSTM(shape.units, unroll=True),
                keras.layers.Dense(shape.horizon),
            ]
        )
        self._weights = [variable.value for variable in self.model.trainable_variables]
        self._optimizer = Adam(shape.learning_rate, self._weights)
        self._variables = [*self.model.variables, *self._optimizer.variables]
        self._fresh = [variable.numpy() for variable in self._variables]
        self._batch = shape.batch
        single = tf.float32
        patches = tf.TensorSpec((None, shape.patches, shape.patch), single)
        self._forecast = tf.function(lambda given: forward(self._weights, given), input_signature=[patches])
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

    def run_epoch(
        self, patches: np.ndarray, targets: np.ndarray, deviation: np.ndarray, order: np.ndarray
    ) -> float:
        """One pass in this order over samples ([n, patches, patch], [n, horizon], [n, 1]); its batches' mean loss."""
        return float(self._run_epoch(patches, targets, deviation, order))

    def forecast(self, patches: np.ndarray) -> np.ndarray:
        """What the model makes of [n, patches, patch]: [n, horizon]."""
        return self._forecast(patches).numpy()

    def _epoch(self, x: tf.Tensor, y: tf.Tensor, scale: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """A traced loop over the batches: fit() would spend most of its time between the steps of so small a model."""
        size, total = self._batch, tf.constant(0.0)
        for batch in tf.range(tf.shape(order)[0] // size):
            rows = tf.ensure_shape(order[batch * size : (batch + 1) * size], (size,))
            with tf.GradientTape() as tape:
                miss = forward(self._weights, tf.gather(x, rows)) - tf.gather(y, rows)
                loss = tf.reduce_mean(tf.square(miss * tf.gather(scale, rows)))
            # of a single patch nothing recurs
            zero = tf.UnconnectedGradients.ZERO
            self._optimizer.apply(tape.gradient(loss, self._weights, unconnected_gradients=zero))
            total += loss
        return total / tf.cast(tf.shape(order)[0] // size, tf.float32)


@lru_cache(maxsize=4)
def compiled(shape: Shape) -> Network:
    """The one network of this shape, with whatever weights it was left with."""
    return Network(shape)


def use_one_core() -> None:
    """Many circuits train side by side, and one thread gives the same sums every time."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
