"""Trainings that PyTorch and netts run alike: 100 steps in float64, from the same weights.

Settings of both stand side by side. `make_oracle.py` records what PyTorch comes to, so that tests
can compare on machines without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netts.losses import ElementLoss, Huber, Quantile
from netts.optimizers import SGD, AdaDelta, AdaGrad, Adam, AdamW, RMSProp
from netts.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    WarmUp,
)

N_SAMPLES, N_FEATURES, HIDDEN, BATCH_SIZE, EPOCHS = 18, 4, 5, 5, 25
N_BATCHES = 4
STEPS = EPOCHS * N_BATCHES
RECORDED_EVERY = 5
"""Epochs between recorded weights."""

rng = np.random.default_rng(11)
X = rng.normal(size=(N_SAMPLES, N_FEATURES))
SIGNAL = X @ rng.normal(size=N_FEATURES)
TARGETS = {
    "classes": np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.7])),
    "signs": np.where(SIGNAL > 0, 1, -1),
    "quantity": SIGNAL + 0.3 * X[:, 0] ** 2,
}
OUTPUTS = {"classes": 3, "signs": 1, "quantity": 1}
WEIGHTS = {
    "0.weight": rng.normal(scale=0.5, size=(N_FEATURES, HIDDEN)),
    "0.bias": rng.normal(scale=0.5, size=HIDDEN),
    "1.weight": rng.normal(scale=0.5, size=(HIDDEN, 3)),
    "1.bias": rng.normal(scale=0.5, size=3),
}


def initial_weights(n_outputs: int) -> dict[str, np.ndarray]:
    """Return weights of the network, those of the last layer cut to the outputs."""
    return {
        name: array[..., :n_outputs].copy() if name[0] == "1" else array.copy()
        for name, array in WEIGHTS.items()
    }


@dataclass(frozen=True)
class Case:
    """A training: what `Trainer` takes, and what PyTorch does.

    Attributes
    ----------
    ours
        Settings of the trainer.
    optimizer
        Called with torch and the parameters.
    scheduler
        Called with torch and the optimiser, if the rate changes.
    is_per_step
        Whether the scheduler steps with every batch.
    loss
        Called with torch, outputs and targets: the mean over rows.
    penalty
        Called with torch and the weights, biases left out; divided by the rows of a batch.
    gradients
        Called with torch and the parameters, behind the backward pass.
    before, behind
        Called with torch, the weights and the learning rate, around the optimiser's step.
    target
    """

    ours: dict[str, Any]
    optimizer: Callable[..., Any]
    scheduler: Callable[..., Any] | None = None
    is_per_step: bool = False
    loss: Callable[..., Any] | None = None
    penalty: Callable[..., Any] | None = None
    gradients: Callable[..., Any] | None = None
    before: Callable[..., Any] | None = None
    behind: Callable[..., Any] | None = None
    target: str = "classes"


def sgd(torch: Any, parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.2)


def momentum(torch: Any, parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.8)


SLOW = SGD(0.2, momentum=0.0)


def norm_of_rows(torch: Any, weights: Any, rate: float) -> None:
    for weight in weights:  # torch's weights are (units, inputs): ours transposed
        weight.copy_(torch.renorm(weight, 2, 0, 0.8))


def shrink(torch: Any, weights: Any, rate: float) -> None:
    for weight in weights:
        weight.mul_(1 - rate * 0.3)


def quartic(output: float, target: float) -> float:
    return (output - target) ** 4 + 0.5 * abs(output)


def quartic_derivative(output: float, target: float) -> float:
    return 4.0 * (output - target) ** 3 + (0.5 if output > 0.0 else -0.5)


OPTIMIZERS = {
    "sgd": Case({"optimizer": SLOW}, sgd),
    "momentum": Case({"optimizer": SGD(0.1, 0.8, nesterov=False)}, momentum),
    "nesterov": Case(
        {"optimizer": SGD(0.1, 0.8)},
        lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    ),
    "sgd with decoupled decay": Case(
        {"optimizer": SGD(0.1, 0.8, nesterov=False, weight_decay=0.3)}, momentum, before=shrink
    ),
    "adam": Case({"optimizer": Adam(0.02)}, lambda torch, p: torch.optim.Adam(p, lr=0.02)),
    "adamw": Case(
        {"optimizer": AdamW(0.02, weight_decay=0.1)},
        # PyTorch decays biases too, unless they are a group of their own.
        lambda torch, p: torch.optim.AdamW(
            [{"params": p[::2], "weight_decay": 0.1}, {"params": p[1::2], "weight_decay": 0.0}],
            lr=0.02,
        ),
    ),
    "adagrad": Case({"optimizer": AdaGrad(0.1)}, lambda torch, p: torch.optim.Adagrad(p, lr=0.1)),
    "adagrad with decay of the rate": Case(
        {"optimizer": AdaGrad(0.1, rate_decay=0.05, epsilon=1e-4)},
        lambda torch, p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.05, eps=1e-4),
    ),
    "rmsprop": Case({"optimizer": RMSProp(0.01)}, lambda torch, p: torch.optim.RMSprop(p, lr=0.01)),
    "rmsprop with momentum": Case(
        {"optimizer": RMSProp(0.005, rho=0.9, epsilon=1e-3, momentum=0.7)},
        lambda torch, p: torch.optim.RMSprop(p, lr=0.005, alpha=0.9, eps=1e-3, momentum=0.7),
    ),
    "rmsprop, centered": Case(
        {"optimizer": RMSProp(0.005, rho=0.9, epsilon=1e-3, centered=True)},
        lambda torch, p: torch.optim.RMSprop(p, lr=0.005, alpha=0.9, eps=1e-3, centered=True),
    ),
    "rmsprop, centered, with momentum": Case(
        {"optimizer": RMSProp(0.005, epsilon=1e-3, momentum=0.7, centered=True)},
        lambda torch, p: torch.optim.RMSprop(p, lr=0.005, eps=1e-3, momentum=0.7, centered=True),
    ),
    "adadelta": Case({"optimizer": AdaDelta()}, lambda torch, p: torch.optim.Adadelta(p)),
    "adadelta with other constants": Case(
        {"optimizer": AdaDelta(0.5, rho=0.7, epsilon=1e-4)},
        lambda torch, p: torch.optim.Adadelta(p, lr=0.5, rho=0.7, eps=1e-4),
    ),
}

REGULARIZERS = {
    "clip_norm": Case(
        {"optimizer": SLOW, "clip_norm": 0.3},
        sgd,
        gradients=lambda torch, p: torch.nn.utils.clip_grad_norm_(p, 0.3),
    ),
    "clip_value": Case(
        {"optimizer": SLOW, "clip_value": 0.05},
        sgd,
        gradients=lambda torch, p: torch.nn.utils.clip_grad_value_(p, 0.05),
    ),
    "l1 and l2": Case(
        {"optimizer": SLOW, "l1": 0.1, "l2": 0.2},
        sgd,
        penalty=lambda torch, ws: sum(0.1 * w.abs().sum() + 0.1 * (w * w).sum() for w in ws),
    ),
    "l2 and clip_norm": Case(
        {"optimizer": Adam(0.02), "l2": 0.5, "clip_norm": 0.2},
        lambda torch, p: torch.optim.Adam(p, lr=0.02),
        penalty=lambda torch, ws: sum(0.25 * (w * w).sum() for w in ws),
        gradients=lambda torch, p: torch.nn.utils.clip_grad_norm_(p, 0.2),
    ),
    "max_norm": Case({"optimizer": SLOW, "max_norm": 0.8}, sgd, behind=norm_of_rows),
}


def per_epoch(make: Callable[[Any, Any], Any], schedule: Any, **options: Any) -> Case:
    return Case({"optimizer": SLOW, "schedule": schedule}, sgd, scheduler=make, **options)


def per_step(make: Callable[[Any, Any], Any], schedule: Any) -> Case:
    return per_epoch(make, schedule, is_per_step=True)


SCHEDULES = {
    "step": per_epoch(
        lambda lr, opt: lr.StepLR(opt, step_size=7, gamma=0.5), StepDecay(7, factor=0.5)
    ),
    "exponential": per_epoch(lambda lr, opt: lr.ExponentialLR(opt, gamma=0.9), Exponential(0.9)),
    "cosine": per_epoch(
        lambda lr, opt: lr.CosineAnnealingLR(opt, T_max=EPOCHS, eta_min=0.01),
        Cosine(smallest=0.01),
    ),
    "cosine, each step": per_step(
        lambda lr, opt: lr.CosineAnnealingLR(opt, T_max=STEPS), Cosine(each_step=True)
    ),
    "cosine with restarts": per_epoch(
        lambda lr, opt: lr.CosineAnnealingWarmRestarts(opt, T_0=6, eta_min=0.01),
        CosineRestarts(6, smallest=0.01),
    ),
    "cosine with longer and longer restarts, each step": per_step(
        lambda lr, opt: lr.CosineAnnealingWarmRestarts(opt, T_0=3 * N_BATCHES, T_mult=2),
        CosineRestarts(3, epochs_factor=2, each_step=True),
    ),
    "one cycle": per_step(
        lambda lr, opt: lr.OneCycleLR(opt, max_lr=0.5, total_steps=STEPS, cycle_momentum=False),
        OneCycle(max_rate=0.5),
    ),
    "one cycle of lines": per_step(
        lambda lr, opt: lr.OneCycleLR(
            opt,
            max_lr=0.2,
            total_steps=STEPS,
            cycle_momentum=False,
            pct_start=0.45,
            anneal_strategy="linear",
            div_factor=5,
            final_div_factor=10,
        ),
        OneCycle(EPOCHS, warm_up=0.45, anneal="linear", start_divisor=5, end_divisor=10),
    ),
    "warm-up": per_step(
        lambda lr, opt: lr.LinearLR(opt, start_factor=0.25, total_iters=10),
        WarmUp(2.5, start=0.25),
    ),
    "warm-up of a cosine": per_step(
        lambda lr, opt: lr.ChainedScheduler(
            [
                lr.LinearLR(opt, start_factor=0.1, total_iters=20),
                lr.CosineAnnealingLR(opt, T_max=STEPS),
            ],
            optimizer=opt,
        ),
        WarmUp(5, start=0.1, then=Cosine(each_step=True)),
    ),
    "on a plateau": per_epoch(
        lambda lr, opt: lr.ReduceLROnPlateau(
            opt, factor=0.5, patience=1, threshold=0.12, cooldown=2, min_lr=0.03
        ),
        ReduceOnPlateau("loss", factor=0.5, patience=1, threshold=0.12, cooldown=2, smallest=0.03),
    ),
    "on a plateau of absolute values": per_epoch(
        lambda lr, opt: lr.ReduceLROnPlateau(
            opt, factor=0.3, patience=0, threshold=0.03, threshold_mode="abs"
        ),
        ReduceOnPlateau("loss", factor=0.3, patience=0, threshold=0.03, threshold_mode="absolute"),
    ),
}


def of_loss(target: str, ours: Any, theirs: Callable[..., Any]) -> Case:
    rule = {"optimizer": SGD(0.02, momentum=0.0), "loss": ours}
    return Case(rule, lambda torch, p: torch.optim.SGD(p, lr=0.02), loss=theirs, target=target)


LOSSES = {
    "absolute error": of_loss(
        "quantity", "absolute_error", lambda torch, z, t: torch.nn.L1Loss()(z[:, 0], t)
    ),
    "huber": of_loss(
        "quantity", Huber(0.4), lambda torch, z, t: torch.nn.HuberLoss(delta=0.4)(z[:, 0], t)
    ),
    "quantile": of_loss(
        "quantity",
        Quantile(0.8),
        lambda torch, z, t: torch.maximum(0.8 * (t - z[:, 0]), 0.2 * (z[:, 0] - t)).mean(),
    ),
    "hinge of two classes": of_loss(
        "signs", "hinge", lambda torch, z, t: torch.clamp(1 - t * z[:, 0], min=0).mean()
    ),
    "hinge of several classes": of_loss(
        "classes",
        "hinge",
        lambda torch, z, t: torch.clamp(
            1
            + z.masked_fill(torch.nn.functional.one_hot(t, 3).bool(), -torch.inf).amax(dim=1)
            - z.gather(1, t[:, None])[:, 0],
            min=0,
        ).mean(),
    ),
    "a loss of one's own": of_loss(
        "quantity",
        ElementLoss(quartic, quartic_derivative),
        lambda torch, z, t: ((z[:, 0] - t) ** 4 + 0.5 * z[:, 0].abs()).mean(),
    ),
}

CASES: dict[str, Case] = {
    f"{group}: {name}": case
    for group, cases in (
        ("optimizer", OPTIMIZERS), ("regularizer", REGULARIZERS), ("schedule", SCHEDULES),
        ("loss", LOSSES),
    )
    for name, case in cases.items()
}  # fmt: skip


@dataclass(frozen=True)
class Trajectory:
    """What a training came to.

    Attributes
    ----------
    weights
        (records, n_parameters): every `RECORDED_EVERY` epochs.
    losses
        (EPOCHS,): the mean over the epoch's samples.
    rates
        (EPOCHS,): the learning rate of the last step of each epoch.
    """

    weights: np.ndarray
    losses: np.ndarray
    rates: np.ndarray


@dataclass
class Recorder:
    """Collects a trajectory, epoch by epoch."""

    weights: list[np.ndarray] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def add(self, weights: list[np.ndarray], loss: float, rate: float) -> None:
        self.losses.append(loss)
        self.rates.append(rate)
        if len(self.losses) % RECORDED_EVERY == 0:
            self.weights.append(np.concatenate([one.ravel() for one in weights]))

    def trajectory(self) -> Trajectory:
        return Trajectory(*map(np.array, (self.weights, self.losses, self.rates)))


def torch_trajectory(case: Case) -> Trajectory:
    """Train by PyTorch."""
    import torch

    theirs = _TorchTraining(torch, case)
    recorder = Recorder()
    for _ in range(EPOCHS):
        loss = theirs.epoch()
        weights = [p.detach().numpy().T for p in theirs.parameters]
        recorder.add(weights, loss, theirs.rate)
        theirs.end_epoch(loss)
    return recorder.trajectory()


class _TorchTraining:
    def __init__(self, torch: Any, case: Case) -> None:
        self.torch, self.case = torch, case
        self.x, self.y = torch.from_numpy(X), torch.from_numpy(TARGETS[case.target])
        arrays = initial_weights(OUTPUTS[case.target]).values()
        self.parameters = [
            torch.tensor(np.ascontiguousarray(one.T), requires_grad=True) for one in arrays
        ]
        self.optimizer = case.optimizer(torch, self.parameters)
        self.scheduler = case.scheduler and case.scheduler(torch.optim.lr_scheduler, self.optimizer)
        self.loss = case.loss or (lambda torch, z, t: torch.nn.CrossEntropyLoss()(z, t))
        self.rate = 0.0

    def batches(self) -> Iterator[slice]:
        for start in range(0, N_SAMPLES, BATCH_SIZE):
            yield slice(start, start + BATCH_SIZE)

    def epoch(self) -> float:
        return sum(self.step(rows) for rows in self.batches()) / N_SAMPLES

    def step(self, rows: slice) -> float:
        torch, case = self.torch, self.case
        first, first_bias, last, last_bias = self.parameters
        x, y = self.x[rows], self.y[rows]
        outputs = torch.tanh(x @ first.T + first_bias) @ last.T + last_bias
        loss = self.loss(torch, outputs, y)
        if case.penalty is not None:
            loss = loss + case.penalty(torch, (first, last)) / len(x)
        self.optimizer.zero_grad()
        loss.backward()
        if case.gradients is not None:
            case.gradients(torch, self.parameters)
        self.rate = self.optimizer.param_groups[0]["lr"]
        with torch.no_grad():
            if case.before is not None:
                case.before(torch, (first, last), self.rate)
            self.optimizer.step()
            if case.behind is not None:
                case.behind(torch, (first, last), self.rate)
        if case.is_per_step:
            self.scheduler.step()
        return loss.item() * len(x)

    def end_epoch(self, loss: float) -> None:
        if self.scheduler is None or self.case.is_per_step:
            return
        if isinstance(self.scheduler, self.torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss)
        else:
            self.scheduler.step()
