"""What a training step does besides layers, loss and optimiser."""

from __future__ import annotations

import math

from netts.compiler import accelerate, parallel


@accelerate
def gather_batch(X, y, order, cursor, x, targets):
    """Copy the samples that come next in order, and their targets."""
    start = cursor[0]
    for i, j in parallel(x.shape[0], x.shape[1]):
        x[i, j] = X[order[start + i], j]
    for i, j in parallel(targets.shape[0], targets.shape[1]):
        targets[i, j] = y[order[start + i], j]


@accelerate
def gather_weights(sample_weight, order, cursor, weights, weight_sum):
    """Copy the weights of a batch and add them up; 1 where all are zero, to divide by."""
    start = cursor[0]
    total = 0.0
    for i in parallel(weights.shape[0]):
        weight = sample_weight[order[start + i]]
        weights[i] = weight
        total += weight
    weight_sum[0] = total if total > 0.0 else 1.0


@accelerate
def add_gradient(gradients, weight_sum, total):
    """Add the gradient of a batch times its weight sum, by which it was divided."""
    scale = weight_sum[0]
    for i in parallel(total.shape[0]):
        total[i] += scale * gradients[i]


@accelerate
def finish_gradient(gradients, weight_sum, total, gradient):
    """Give the sum with the last batch; begin with nothing again."""
    scale = weight_sum[0]
    for i in parallel(total.shape[0]):
        gradient[i] = total[i] + scale * gradients[i]
        total[i] = 0.0


@accelerate
def add_vector(values, total):
    """Add to a sum."""
    for i in parallel(total.shape[0]):
        total[i] += values[i]


@accelerate
def finish_batch(losses, weights, running_loss, cursor, step, updates):
    """Add the weighted losses to the epoch's so far; count rows, and 0 or 1 updates."""
    total = 0.0
    for i in parallel(losses.shape[0]):
        total += weights[i] * losses[i]
    running_loss[0] += total
    cursor[0] += losses.shape[0]
    step[0] += updates


@accelerate
def finish_epoch(running_loss, cursor, slot, run_epochs, loss_sums):
    """Give the sum of the losses, and begin the next one with nothing added up.

    Behind the last epoch of a run go back to the first rows and the first slot.
    """
    for k in parallel(loss_sums.shape[0]):
        loss_sums[k] = running_loss[0] if k == slot[0] else loss_sums[k]
    for i in parallel(1):
        is_over = slot[i] + 1 >= run_epochs[i]
        slot[i] = 0 if is_over else slot[i] + 1
        cursor[i] = 0 if is_over else cursor[i]
        running_loss[i] = 0.0


@accelerate
def count_not_finite(values, slot, counts):
    """Count the values that are infinite or no numbers."""
    total = 0
    for i in parallel(values.shape[0]):
        total += 0 if math.isfinite(values[i]) else 1
    counts[slot[0]] = total


@accelerate
def count_troubles(loss_sums, not_finite, troubles):
    """Count what was not finite behind an epoch of a run."""
    total = 0
    for i in parallel(loss_sums.shape[0]):
        total += not_finite[i] + (0 if math.isfinite(loss_sums[i]) else 1)
    troubles[0] = total


@accelerate
def keep_sound(values, troubles, kept):
    """Keep values while there has been no trouble."""
    is_sound = troubles[0] == 0
    for i in parallel(kept.shape[0]):
        kept[i] = values[i] if is_sound else kept[i]


@accelerate
def copy_vector(values, kept):
    """Keep values, or bring back what was kept."""
    for i in parallel(kept.shape[0]):
        kept[i] = values[i]


@accelerate
def keep_outputs(output, cursor, outputs):
    """Write the outputs of a batch to their places among those of the data set."""
    start = cursor[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        outputs[start + i, j] = output[i, j]
