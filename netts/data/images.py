"""Sets of images: read when they are needed, or all at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from netts.data.image_decoding import decode_image
from netts.data.image_listing import ImageListing, SkippedFile, list_folder, list_index
from netts.data.image_options import HIGHEST_PIXEL, ImageOptions, default_threads
from netts.data.rows import AS_FOUND, ReadOptions
from netts.data.targets import Task
from netts.errors import DataError, DataFileError, ImageFileError, ParameterError, ShapeError
from netts.hyperparameters import check_whole

OnError = Literal["raise", "skip"]

AS_IT_IS = ImageOptions()


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images in files, with their targets: a source of samples that a trainer streams.

    It stands wherever samples do, as in `trainer.fit(images, images.targets)`; the files are read
    in the background, chunk by chunk. `load` returns them as one array instead.

    Attributes
    ----------
    paths : tuple of Path
    targets : ndarray of shape (n_images,)
        int64 numbers into `class_names`, or float64 quantities.
    class_names : tuple of str or None
    options : ImageOptions
    sample_shape : (channels, height, width)
    skipped : tuple of SkippedFile
        The files left out, each with the reason.
    n_threads : int
        How many files are decoded at a time. From 4 on, training and predictions that go on for
        more than half a second decode in as many processes.
    """

    paths: tuple[Path, ...]
    targets: np.ndarray
    class_names: tuple[str, ...] | None
    options: ImageOptions
    sample_shape: tuple[int, int, int]
    skipped: tuple[SkippedFile, ...]
    n_threads: int

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n_images, channels, height, width)."""
        return len(self.paths), *self.sample_shape

    @property
    def dtype(self) -> np.dtype:
        """Return float32."""
        return np.dtype(np.float32)

    @property
    def in_processes(self) -> bool:
        """Return True: Python's lock is held for a part of what a file costs."""
        return True

    @property
    def labels(self) -> np.ndarray:
        """Return the name of each image's class, for estimators: they keep the names they saw."""
        if self.class_names is None:
            raise DataError("the targets of these images are quantities, not classes")
        return np.array(self.class_names)[self.targets]

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int = 0) -> None:
        """Write some images into an array; several threads may do so at once.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
        out : ndarray of float32 or float64, shape (n, channels, height, width)
            Overwritten.
        epoch : int
            Not used: augmentation is the work of layers.

        Raises
        ------
        ImageFileError, DataFileError
            Where a file is no picture any more; the message names it.
        ShapeError
            Where a picture has another size than the first and no size was asked for.
        """
        height, width = self.sample_shape[1:]
        levels = np.empty((len(indices), height, width, self.sample_shape[0]), np.uint8)
        for index, place in zip(indices.tolist(), levels, strict=True):
            self._read_one(self.paths[index], place)
        # All at once, as each call of NumPy costs as much as some thousand pixels.
        np.divide(levels.transpose(0, 3, 1, 2), out.dtype.type(HIGHEST_PIXEL), out=out)
        if (self.options.mean, self.options.std) != (0.0, 1.0):
            out -= _by_channel(self.options.mean)
            out /= _by_channel(self.options.std)

    def _read_one(self, path: Path, levels: np.ndarray) -> None:
        pixels = decode_image(path, self.options)
        if pixels.shape != levels.shape:
            raise ShapeError(
                f"{path} has shape {_channels_first(pixels.shape)}, and the first image "
                f"{self.sample_shape}: pass a size that all are brought to"
            )
        levels[...] = pixels

    def load(self) -> np.ndarray:
        """Return all images, float32 of shape (n_images, channels, height, width)."""
        X = np.empty(self.shape, self.dtype)
        blocks = np.array_split(np.arange(len(self)), max(1, min(len(self), 8 * self.n_threads)))
        with ThreadPoolExecutor(self.n_threads) as pool:
            # A list, so that an error of a thread is raised here.
            list(pool.map(lambda block: self.read(block, X[block[0] : block[-1] + 1]), blocks))
        return X

    def take(self, rows: np.ndarray) -> ImageSet:
        """Return some of the images, as `netts.data.split_rows` chooses them."""
        rows = np.arange(len(self))[rows]
        paths = tuple(self.paths[k] for k in rows)
        return replace(self, paths=paths, targets=self.targets[rows])

    def __str__(self) -> str:
        channels, height, width = self.sample_shape
        classes = "quantities" if self.class_names is None else f"{len(self.class_names)} classes"
        left_out = f", {len(self.skipped)} files skipped" if self.skipped else ""
        return (
            f"{len(self):,} images of {channels} x {height} x {width} (channels, height, width), "
            f"{classes}{left_out}"
        )


def image_folder(
    root: str | os.PathLike[str],
    options: ImageOptions = AS_IT_IS,
    *,
    on_error: OnError = "raise",
    n_threads: int | None = None,
) -> ImageSet:
    """Open a folder with a folder of pictures for each class, `root/cat/1.jpg`.

    Parameters
    ----------
    root : path-like
    options : ImageOptions
        Size, colours and scale.
    on_error : {"raise", "skip"}
        Whether a file that is no picture, damaged, animated or too large is an error when it is
        read, or left out. To skip, every file is decoded once here.
    n_threads : int, optional
        How many files are decoded at a time, by default as many as processors, at most 16. From 4
        on, training and predictions that go on for more than half a second decode in as many
        processes of Python, otherwise in threads of this one.

    Returns
    -------
    ImageSet
        In the order of the names, classes too.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        Where there is no such folder, or it cannot be read.
    DataError
        Where it has no folders, or a class no pictures.
    ImageFileError
        Where the first picture cannot be read.
    """
    return _open(list_folder(Path(root)), options, on_error, n_threads)


def image_index(
    index: str | os.PathLike[str],
    options: ImageOptions = AS_IT_IS,
    *,
    root: str | os.PathLike[str] | None = None,
    target: str | None = None,
    task: Task | None = None,
    read_options: ReadOptions = AS_FOUND,
    on_error: OnError = "raise",
    n_threads: int | None = None,
) -> ImageSet:
    """Open the pictures that a CSV file names, with the label or quantity beside each.

    Parameters
    ----------
    index : path-like
        A table with a column of paths, called path, file, filename, file_name or image, or else the
        first one.
    options
        As in `image_folder`.
    root : path-like, optional
        Where relative paths start, by default the directory of the index; pictures outside of it
        are refused.
    target : str, optional
        The column to learn, by default the last one.
    task, read_options
        As `task` and `options` of `netts.data.read_table`.
    on_error, n_threads
        As in `image_folder`.

    Returns
    -------
    ImageSet
        In the order of the index.

    Raises
    ------
    As `image_folder`, and `DataError` where the index is no such table or a path leaves `root`.
    """
    listing = list_index(
        Path(index),
        root=None if root is None else Path(root),
        target=target,
        task=task,
        options=read_options,
    )
    return _open(listing, options, on_error, n_threads)


def _open(
    listing: ImageListing, options: ImageOptions, on_error: OnError, n_threads: int | None
) -> ImageSet:
    if on_error not in ("raise", "skip"):
        raise ParameterError(f"on_error is 'raise' or 'skip', got {on_error!r}")
    threads = default_threads() if n_threads is None else n_threads
    check_whole("n_threads", threads, 1)
    if on_error == "skip":
        listing = _without_unreadable(listing, options, threads)
    if options.sides is None:
        shape = _channels_first(decode_image(listing.paths[0], options).shape)
    else:
        shape = options.n_channels, *options.sides
    return ImageSet(
        paths=listing.paths,
        targets=listing.targets,
        class_names=listing.class_names,
        options=options,
        sample_shape=shape,
        skipped=listing.skipped,
        n_threads=threads,
    )


def _without_unreadable(
    listing: ImageListing, options: ImageOptions, n_threads: int
) -> ImageListing:
    """Decode every file once, and leave out those that cannot be."""

    def reason(path: Path) -> str | None:
        try:
            decode_image(path, options)
        except (ImageFileError, DataFileError) as error:
            return str(error).removeprefix(f"{path} ")
        return None

    with ThreadPoolExecutor(n_threads) as pool:
        reasons = list(pool.map(reason, listing.paths))
    kept = [k for k, why in enumerate(reasons) if why is None]
    pairs: Iterable[tuple[Path, str | None]] = zip(listing.paths, reasons, strict=True)
    skipped = tuple(SkippedFile(path, why) for path, why in pairs if why is not None)
    if not kept:
        raise DataError(f"none of {len(skipped)} files can be read; the first: {skipped[0]}")
    return replace(
        listing,
        paths=tuple(listing.paths[k] for k in kept),
        targets=listing.targets[kept],
        skipped=listing.skipped + skipped,
    )


def _channels_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    height, width, channels = shape
    return channels, height, width


def _by_channel(value: float | tuple[float, ...]) -> np.ndarray:
    return np.asarray(value, np.float64).reshape(-1, 1, 1)
