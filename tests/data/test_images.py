"""Pictures in folders and index files: what becomes an image, what is skipped, what is refused."""

from __future__ import annotations

import os
import pickle
import re
import zlib

import numpy as np
import pytest

from netts.data import ImageOptions, image_folder, image_index
from netts.errors import (
    DataError,
    DataFileNotFoundError,
    ImageFileError,
    ParameterError,
    ShapeError,
)

Image = pytest.importorskip("PIL.Image")

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of two pictures of 2 x 3 pixels, each in one grey of its own."""
    for level, name in enumerate(["cat/b.png", "cat/a.png", "dog/x.png", "dog/y.png"], 1):
        picture(tmp_path / "set" / name, np.full((2, 3, 3), 51 * level))
    return tmp_path / "set"


def greys(images):
    return (images.load()[:, 0, 0, 0] * 5).round().astype(int).tolist()


def test_each_folder_is_a_class_and_names_give_the_order(folder):
    images = image_folder(folder)
    assert images.class_names == ("cat", "dog")
    assert images.targets.tolist() == [0, 0, 1, 1]
    assert images.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert images.shape == (4, 3, 2, 3)
    assert greys(images) == [2, 1, 3, 4]
    assert images.load().dtype == np.float32
    assert str(images) == "4 images of 3 x 2 x 3 (channels, height, width), 2 classes"


def test_any_rows_are_read_in_any_order_and_dtype(folder):
    images = image_folder(folder)
    for dtype in (np.float32, np.float64):
        out = np.full((3, 3, 2, 3), np.nan, dtype)
        images.read(np.array([3, 0, 3]), out, epoch=2)
        np.testing.assert_array_equal(
            out[:, 0, 0, 0], np.array([204, 102, 204], dtype) / dtype(255)
        )
    assert greys(images.take(np.array([2, 1]))) == [3, 1]
    assert images.take(np.array([2, 1])).targets.tolist() == [1, 0]


def test_a_set_can_be_sent_to_another_process(folder):
    assert greys(pickle.loads(pickle.dumps(image_folder(folder)))) == [2, 1, 3, 4]


def test_folders_may_be_nested_and_linked_and_hidden_files_are_none(folder):
    picture(folder / "cat" / "young" / "kitten.PNG", np.zeros((2, 3, 3)))
    picture(folder / "cat" / ".thumbnail.png", np.zeros((2, 3, 3)))
    picture(folder / ".checkpoints" / "c.png", np.zeros((2, 3, 3)))
    picture(folder / "loose.png", np.zeros((2, 3, 3)))
    (folder / "cat" / "notes.txt").write_text("good cats")
    (folder / "cat" / "itself").symlink_to(folder / "cat", target_is_directory=True)
    (folder / "fox").symlink_to(folder / "dog", target_is_directory=True)
    images = image_folder(folder)
    assert images.class_names == ("cat", "dog", "fox")
    assert [path.name for path in images.paths] == [
        "a.png", "b.png", "kitten.PNG", "x.png", "y.png", "x.png", "y.png",
    ]  # fmt: skip
    assert [str(one) for one in images.skipped] == [
        f"{folder / 'cat' / 'notes.txt'}: is named like no picture"
    ]


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("stretch", [[85, 170], [85, 170]]),
        ("crop", [[100, 150], [100, 150]]),
        ("pad", None),
    ],
)
def test_pictures_are_cropped_padded_or_stretched_to_the_size(tmp_path, fit, expected):
    columns = [[0, 100, 150, 255]] * 2
    picture(tmp_path / "a" / "1.png", columns)
    X = image_folder(tmp_path, ImageOptions(2, fit=fit, color_mode="grayscale")).load()
    assert X.shape == (1, 1, 2, 2)
    if fit == "pad":
        assert X[0, 0, 0].min() > 0
        assert X[0, 0, 1].tolist() == [0, 0]
    elif fit == "crop":
        np.testing.assert_array_equal((X[0, 0] * 255).round(), expected)
    else:
        left, right = X[0, 0, 0] * 255
        assert 0 < left < 100
        assert 150 < right < 255


def test_grey_is_the_luma_of_bt_601(tmp_path):
    picture(tmp_path / "a" / "1.png", [[RED, GREEN, BLUE]])
    X = image_folder(tmp_path, ImageOptions(color_mode="grayscale")).load()
    np.testing.assert_allclose(X[0, 0, 0], [0.299, 0.587, 0.114], atol=1 / 255)


def test_images_are_standardised_by_channel(tmp_path):
    picture(tmp_path / "a" / "1.png", [[(255, 0, 51)]])
    options = ImageOptions(mean=(0.5, 0.5, 0.2), std=(0.5, 0.25, 1.0))
    np.testing.assert_allclose(
        image_folder(tmp_path, options).load().ravel(), [1, -2, 0], atol=1e-6
    )


def test_exif_turns_a_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at the right of the file
    picture(tmp_path / "a" / "1.png", [[RED], [BLUE]], exif=exif)
    X = image_folder(tmp_path).load()
    assert X.shape == (1, 3, 1, 2)
    np.testing.assert_array_equal(X[0, :, 0].T, [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_colours_in_zero_to_one(tmp_path, mode):
    (tmp_path / "a").mkdir()
    if mode == "I;16":
        white = Image.fromarray(np.full((2, 2), 65535, np.uint16))
        Image.fromarray(np.full((2, 2), 257 * 100, np.uint16)).save(tmp_path / "a" / "2.png")
    else:
        white = Image.new("RGB", (2, 2), (255, 255, 255)).convert(mode)
    white.save(tmp_path / "a" / ("1.jpg" if mode == "CMYK" else "1.png"))
    X = image_folder(tmp_path).load()
    assert X[0].min() == X[0].max() == 1
    if mode == "I;16":
        np.testing.assert_array_equal(X[1], np.float32(100) / 255)


def bomb():
    """A PNG of 68 bytes that says that it has 40,000 x 40,000 pixels."""

    def chunk(name, data):
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    size = (40_000).to_bytes(4)
    header = chunk(b"IHDR", size + size + bytes([8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def broken(folder):
    """Files that are none, each with what is said about it."""
    whole = (folder / "cat" / "a.png").read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    large = picture(folder.parent / "large.jpg", noise).read_bytes()
    frames = [Image.new("L", (2, 3), level) for level in (0, 255)]
    frames[0].save(folder.parent / "film.gif", save_all=True, append_images=frames[1:])
    contents = {
        "animated.gif": ((folder.parent / "film.gif").read_bytes(), "has 2 frames"),
        "bomb.png": (bomb(), r"is too large \("),
        "empty.png": (b"", "is no picture of a format"),
        "flipped.png": (whole[:45] + b"\xff\xff" + whole[47:], "is damaged"),
        "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
        "text.jpg": (b"no picture at all", "is no picture of a format"),
        "truncated.jpg": (large[: len(large) // 2], "is damaged"),
    }
    for name, (content, _) in contents.items():
        (folder / "dog" / name).write_bytes(content)
    return {name: message for name, (_, message) in contents.items()}


def test_broken_files_are_skipped_and_listed_with_their_reasons(folder):
    messages = broken(folder)
    images = image_folder(folder, ImageOptions(2), on_error="skip", n_threads=3)
    assert greys(images) == [2, 1, 3, 4]
    assert images.targets.tolist() == [0, 0, 1, 1]
    assert [one.path.name for one in images.skipped] == sorted(messages)
    for one in images.skipped:
        assert re.match(messages[one.path.name], one.reason), one


def test_broken_files_are_refused_by_name_when_read(folder):
    for name, message in broken(folder).items():
        images = image_folder(folder, ImageOptions(2))
        (place,) = (k for k, path in enumerate(images.paths) if path.name == name)
        with pytest.raises(ImageFileError, match=re.escape(name) + " " + message):
            images.read(np.array([place]), np.empty((1, 3, 2, 2)))
    with pytest.raises(ImageFileError, match=r"animated\.gif has 2 frames"):
        image_folder(folder, ImageOptions(2)).load()


def test_a_pipe_among_the_files_does_not_make_it_wait(folder):
    os.mkfifo(folder / "cat" / "0.png")
    with pytest.raises(ImageFileError, match=r"0\.png is no file"):
        image_folder(folder).load()


def test_a_file_that_is_gone_later_is_named(folder):
    images = image_folder(folder)
    images.paths[1].unlink()
    with pytest.raises(DataFileNotFoundError, match=r"there is no file .*b\.png"):
        images.load()


def test_pictures_of_different_sizes_need_a_size(folder):
    picture(folder / "dog" / "z.png", np.zeros((2, 2, 3)))
    with pytest.raises(ShapeError, match=r"z.png has shape \(3, 2, 2\), and the first image"):
        image_folder(folder).load()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda root: None, DataFileNotFoundError, "there is no folder"),
        (lambda root: root.mkdir(), DataError, "has no folders: images of a class lie in a folder"),
        (lambda root: (root / "cat").mkdir(parents=True), DataError, "cat has no pictures"),
        (lambda root: root.write_text(""), DataError, "cannot be listed"),
    ],
)
def test_a_folder_without_images_is_refused(tmp_path, make, error, message):
    make(tmp_path / "none")
    with pytest.raises(error, match=message):
        image_folder(tmp_path / "none")


def test_a_folder_of_nothing_but_broken_files_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"none of 1 files can be read; the first: .*1\.png: is no"):
        image_folder(tmp_path, on_error="skip")


@pytest.mark.parametrize("header", ["path,kind\n", "", "kind,path\n"])
def test_an_index_names_the_files_and_their_labels(folder, header):
    rows = [("dog/x.png", "tame"), ("cat/a.png", "wild"), ("cat/../cat/b.png", "wild"),
            ("dog/y.png", "tame")]  # fmt: skip
    if header.startswith("kind"):
        rows = [row[::-1] for row in rows]
    text = header + "\n".join(map(",".join, rows))
    (folder / "index.csv").write_text(text)
    target = "kind" if header else None
    images = image_index(folder / "index.csv", target=target)
    assert images.class_names == ("tame", "wild")
    assert images.targets.tolist() == [0, 1, 1, 0]
    assert greys(images) == [3, 2, 1, 4]


def test_an_index_of_quantities_is_a_regression(folder):
    (folder / "index.csv").write_text("file,age\ndog/x.png,1.5\ncat/a.png,2.25\n")
    images = image_index(folder / "index.csv")
    assert images.class_names is None
    assert images.targets.tolist() == [1.5, 2.25]
    with pytest.raises(DataError, match="are quantities, not classes"):
        _ = images.labels


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", ".", "cat/../../x.png"])
def test_an_index_names_nothing_outside_its_root(folder, path):
    (folder / "index.csv").write_text(f"path,kind\ncat/a.png,b\n{path},b\n")
    with pytest.raises(DataError, match=r"line 3, column 'path': .* is no file inside"):
        image_index(folder / "index.csv")


def test_an_index_says_which_column_is_wrong(folder):
    (folder / "index.csv").write_text("path,kind\ncat/a.png,b\ncat/b.png,c\n")
    with pytest.raises(DataError, match="has no column 'sort'; it has 'path', 'kind'"):
        image_index(folder / "index.csv", target="sort")
    with pytest.raises(DataError, match="'path' cannot be both path and target"):
        image_index(folder / "index.csv", target="path")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "each side of size is a whole number of at least 1, got 0"),
        ({"size": (1, 2, 3)}, r"size is a whole number or \(height, width\)"),
        ({"fit": "cut"}, "fit is one of crop, pad, stretch, got 'cut'"),
        ({"color_mode": "L"}, "color_mode is one of rgb, grayscale, got 'L'"),
        ({"std": 0}, "std is above 0, got 0"),
        ({"mean": (1.0, 2.0)}, "mean is a number, or one for each of the 3 channels"),
        ({"mean": "grey"}, "mean is a number, or one for each of the 3 channels"),
        ({"max_pixels": 0}, "max_pixels is a whole number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        ImageOptions(**options)


def test_how_errors_are_met_is_one_of_two_ways(folder):
    with pytest.raises(ParameterError, match="on_error is 'raise' or 'skip', got 'ignore'"):
        image_folder(folder, on_error="ignore")


def test_a_trainer_streams_a_folder_to_the_same_bits_as_its_array(tmp_path):
    from netts import Network, Trainer, layers

    random = np.random.default_rng(0)
    for k in range(48):
        level = 60 + 120 * (k % 2)
        pixels = level + random.integers(0, 40, (8, 8))
        picture(tmp_path / "ab"[k % 2] / f"{k:02}.png", pixels)
    images = image_folder(tmp_path, ImageOptions(color_mode="grayscale"), n_threads=2)

    def weights(X, limit):
        network = Network(
            [layers.RandomFlip(), layers.RandomShift(1), layers.Flatten(), layers.Dense(2)],
            np.float32,
        )
        trainer = Trainer(
            network, epochs=3, batch_size=8, data_memory_bytes=limit, random_state=0, device="cpu"
        )
        trainer.fit(X, images.targets)
        return network.weights()["3.weight"]

    streamed = weights(images, 2 * 2 * 8 * 8 * 8 * 4)  # two halves of two batches
    np.testing.assert_array_equal(streamed, weights(images.load(), None))


def test_a_file_that_breaks_while_it_streams_is_named(folder):
    from netts import Network, Trainer, layers

    images = image_folder(folder)
    images.paths[2].write_bytes(b"gone")
    trainer = Trainer(Network([layers.Flatten(), layers.Dense(2)], np.float32), epochs=1)
    with pytest.raises(ImageFileError, match=r"x\.png is no picture of a format"):
        trainer.fit(images, images.targets)
