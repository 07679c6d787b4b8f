"""
Pictures in folders
===================

One folder for each class, read without ever holding all pictures in memory.

::

    pip install Pillow
    python docs/examples/image_folder.py
"""

import tempfile
from pathlib import Path

import numpy as np
from outcome import Outcome, show
from PIL import Image

from netts import Network, Trainer, layers
from netts.data import ImageOptions, image_folder, load, split_rows
from netts.estimators import ImageModel

PUBLISHED = "none: no example of Deep Netts does this"


def write_pictures(folder):
    digits = load("digits")
    for number, (pixels, digit) in enumerate(zip(digits.X, digits.y, strict=True)):
        path = Path(folder) / str(digit) / f"{number:04}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels.reshape(8, 8) * 255 / 16).astype(np.uint8)).save(path)


def main() -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(folder)
        images = image_folder(folder, ImageOptions(size=8, color_mode="grayscale"))
        rows = split_rows(len(images), (0.7, 0.3), stratify=images.targets, random_state=0)
        training, test = (images.take(part) for part in rows)

        network = Network(
            [
                layers.Conv2D(16, 3, padding="same", activation="relu"),
                layers.MaxPool2D(2),
                layers.Flatten(),
                layers.Dense(10),
            ]
        )
        trainer = Trainer(network, epochs=30, data_memory_bytes=2**16, random_state=0)
        trainer.fit(training, training.targets)

        model = ImageModel(network, images.options, images.class_names)
        accuracy = float(np.mean(model.predict(test) == test.labels))
    return Outcome(
        data="digits as 1,797 PNG files, 8 x 8, 10 classes",
        split="1,257 pictures to train, 540 to test, stratified, seed 0",
        measure="accuracy",
        score=accuracy,
        published=PUBLISHED,
        notes=(
            str(images),
            "64 KiB are given to samples, which would take 314 KiB",
        ),
    )


if __name__ == "__main__":
    show(main)
