"""One class for each kind of mistake, each also the built-in that a caller would catch."""

from __future__ import annotations

import sys
import warnings


class NettsError(Exception):
    """Base of everything that netts raises on purpose."""


class KernelError(NettsError):
    """A kernel cannot be compiled, or cannot run with these arguments."""


class UnsupportedSyntaxError(KernelError, SyntaxError):
    """A kernel uses Python that is outside netts's dialect."""


class RaceError(KernelError, ValueError):
    """Iterations of a parallel nest are not independent of one another."""


class AliasError(KernelError, ValueError):
    """Two arguments of a kernel overlap in memory and one of them is written."""


class BoundsError(KernelError, IndexError):
    """A subscript leaves its array."""


class KernelTypeError(KernelError, TypeError):
    """An argument or an expression of a kernel has a dtype or rank that does not fit."""


class KernelDivisionError(KernelError, ZeroDivisionError):
    """An integer division by zero inside a kernel."""


class DeviceError(NettsError, RuntimeError):
    """A device does not exist on this machine or cannot do what was asked."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device has too little memory left for what was asked; it can be used for less."""


class DeviceLostError(DeviceError):
    """A device has failed so that this process can use it no more; its memory is lost."""


class GraphError(NettsError, RuntimeError):
    """A task graph was recorded, compiled or run in a way that has no meaning."""


class ShapeError(NettsError, ValueError):
    """Shapes do not fit together."""


class ParameterError(NettsError, ValueError):
    """A hyperparameter has a value outside its range."""


class DivergenceError(NettsError, ArithmeticError, ValueError):
    """Training produced a loss that is not finite."""


class DataError(NettsError, ValueError):
    """A table or array of data cannot be used as it is."""


class MissingPackageError(NettsError, ImportError):
    """What was asked for needs a package of an extra that is not installed."""


class OneClassWarning(RuntimeWarning):
    """A classifier was trained on samples of one class, so it knows no other."""


class InterruptedFitWarning(UserWarning):
    """Training was interrupted; the model of the last finished epoch is kept."""


class CalibrationWarning(UserWarning):
    """What was measured cannot be kept, so it is not used."""


class ProcessError(NettsError, RuntimeError):
    """A process that reads samples cannot be started, or has ended by itself."""


class DataFileError(DataError, OSError):
    """A file of data cannot be opened or read."""


class DataFileNotFoundError(DataFileError, FileNotFoundError):
    """A file of data does not exist."""


class ImageFileError(DataError):
    """A file is no picture, or one that cannot be used."""


class WeightsError(DataError):
    """Weights from elsewhere are not in a format that netts reads, or do not fit the network."""


class UnknownDatasetError(DataError, LookupError):
    """No bundled table has this name."""


class UnknownColumnError(DataError, LookupError):
    """A table has no column of this name."""


class UnknownValueError(DataError, LookupError):
    """A column has a category, or a missing value, that no training row had."""


class UnknownValueWarning(UserWarning):
    """A column has a category, or a missing value, that no training row had."""


class NotBuiltError(NettsError, RuntimeError):
    """A network is used before it has parameters."""


class ModelFileError(NettsError, OSError):
    """A model file cannot be read or written."""


class ModelFileNotFoundError(ModelFileError, FileNotFoundError):
    """A model file does not exist."""


class LogFileError(NettsError, OSError):
    """A log of a training cannot be written."""


class BrokenModelError(NettsError, ValueError):
    """A file is no model, or one that is damaged or contradicts itself."""


class NewerModelError(BrokenModelError):
    """A model file was written by a newer netts, in a format that this one does not know."""


class ModelKindError(NettsError, TypeError):
    """A model file holds a model of another kind than the one needed."""


class UnknownClassError(NettsError, LookupError):
    """A model file names a class or function that netts does not have and that was not passed."""


class UnsavableError(NettsError, TypeError):
    """A model holds something that a model file cannot."""


class UnexportableError(NettsError, TypeError):
    """A model has a step for which ONNX has no operator, or netts no translation."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's own line: the last one before netts, or scikit-learn, was called."""
    frame, level = sys._getframe(1), 2
    ours = {"netts", "sklearn"}
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ours:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
