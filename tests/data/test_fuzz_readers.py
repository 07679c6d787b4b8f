"""The law of every reader of a format: any file gives data or a netts error, soon.

Files are whole ones that are damaged, descriptions that lie, and formats that are others. Pillow
and pyarrow take memory that Python does not see; what the whole process took is measured instead.
"""

from __future__ import annotations

import gzip
import io
import resource
import time
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts.data import read_idx, read_npz, read_table
from netts.errors import NettsError

MAX_SECONDS = 10.0
"""Of one file, with room for a busy machine: it takes some milliseconds."""

MAX_GROWTH_BYTES = 400 * 2**20
"""Of the process over all files: two pictures of the most pixels that these tests allow, and what
libraries keep."""

MAX_PIXELS = 10**6

INTERESTING = [0, 1, 0x7F, 0x80, 0xFF]
WORDS = [
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"IHDR", b"IDAT", b"PLTE", b"tRNS",
    b"eXIf", b"\xff\xd8", b"\xff\xda", b"\xff\xc0", b"Exif\0\0", b"RIFF", b"GIF89a", b"II*\0",
    b"MM\0*",
    b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"'shape': (9999999999,)", b"'descr': '|O'",
    b"PAR1", b"..", b"/", b"\n", b",", b'"', b".png", b"\xe2\x80\xa8",
]  # fmt: skip


@cache
def pictures() -> tuple[bytes, ...]:
    """Small pictures of every format and mode."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3)).astype(np.uint8)
    color = Image.fromarray(pixels)
    wide = Image.fromarray(pixels[..., 0] * np.uint16(257))
    exif = Image.Exif()
    exif[0x0112] = 5
    cases = [
        ("PNG", color, {"exif": exif}), ("PNG", color.convert("P"), {"transparency": 0}),
        ("PNG", color.convert("1"), {}), ("PNG", wide, {}),
        ("JPEG", color, {"exif": exif, "progressive": True}), ("JPEG", color.convert("CMYK"), {}),
        ("BMP", color, {}), ("GIF", color, {}), ("PPM", color, {}), ("WEBP", color, {"exif": exif}),
        ("TIFF", color, {"compression": "tiff_lzw"}), ("TIFF", color.convert("L"), {}),
        ("TIFF", color, {"compression": "jpeg"}),
        ("GIF", color, {"save_all": True, "append_images": [color.rotate(90)]}),
    ]  # fmt: skip
    found = []
    for name, picture, options in cases:
        file = io.BytesIO()
        picture.save(file, name, **options)
        found.append(file.getvalue())
    return tuple(found)


@cache
def tables() -> tuple[bytes, ...]:
    """Parquet files of every type of column, written in several ways."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "a": pyarrow.array([1.5, None, 3.0] * 20),
            "s": ["x", "yy", None] * 20,
            "d": pyarrow.array(np.arange(60).astype("datetime64[D]")),
            "b": [True, False, None] * 20,
            "c": pyarrow.array(["u", "v", "w"] * 20).dictionary_encode(),
            "t": [0, 1] * 30,
        }
    )
    ways = [
        {}, {"compression": "none", "use_dictionary": False}, {"compression": "gzip"},
        {"compression": "zstd", "data_page_version": "2.0"}, {"write_page_checksum": True},
        {"row_group_size": 7, "use_dictionary": False,
         "column_encoding": {"a": "BYTE_STREAM_SPLIT"}},
    ]  # fmt: skip
    found = []
    for options in ways:
        file = io.BytesIO()
        parquet.write_table(table, file, **options)
        found.append(file.getvalue())
    return tuple(found)


@cache
def archives() -> tuple[bytes, ...]:
    found = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(
            file, np.arange(12.0).reshape(3, 4), names=np.array(["a", "bc"]), empty=np.empty((0, 3))
        )
        found.append(file.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", found[0][:10] + bytes(2**20))
    return (*found, bomb.getvalue())


@cache
def idx_files() -> tuple[bytes, ...]:
    plain = b"\0\0\x08\x03" + (2).to_bytes(4) + (3).to_bytes(4) + (4).to_bytes(4) + bytes(range(24))
    floats = b"\0\0\x0d\x01" + (2).to_bytes(4) + np.array([1, np.nan], ">f4").tobytes()
    return plain, floats, gzip.compress(plain, mtime=0)


def index_files() -> tuple[bytes, ...]:
    return (
        b"path,label\na/0.img,x\na/0.img,y\na/0.img,x\na/0.img,y\n",
        b"file;age;sort\na/0.img;1,5;x\n../b.png;2,5;y\n",
        "path\tGröße\na/0.img\t3\n".encode("utf-16"),
    )


@st.composite
def damaged(draw: st.DrawFn, seeds) -> bytes:
    """A file with pieces cut out, written over, doubled or moved, and bits flipped."""
    content = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(content)))
        # Formats keep what they say of themselves at the beginning and the end.
        if draw(st.booleans()):
            at = draw(st.integers(0, min(64, len(content))))
            at = at if draw(st.booleans()) else len(content) - at
        change = draw(st.sampled_from(["cut", "truncate", "word", "byte", "flip", "double"]))
        end = min(len(content), at + draw(st.integers(0, 40)))
        if change == "cut":
            del content[at:end]
        elif change == "truncate":
            del content[at:]
        elif change == "word":
            word = draw(st.sampled_from(WORDS))
            content[at : at + len(word) * draw(st.booleans())] = word
        elif change == "byte" and at < len(content):
            content[at] = draw(st.sampled_from(INTERESTING))
        elif change == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "double":
            content[at:at] = content[at:end]
    return bytes(content)


def any_file(seeds):
    others = st.sampled_from([*idx_files(), *archives(), b"", b"%!PS\n", b"P6 99999 99999 255\n"])
    return st.one_of(
        damaged(seeds), damaged(seeds), damaged(seeds), others, st.binary(max_size=200)
    )


def read_picture(path: Path) -> None:
    from netts.data import ImageOptions, image_folder

    options = ImageOptions(6, max_pixels=MAX_PIXELS)
    X = image_folder(path.parent.parent, options, n_threads=1).load()
    assert X.shape == (1, 3, 6, 6)
    assert 0 <= X.min() <= X.max() <= 1


def read_index(path: Path) -> None:
    from netts.data import ImageOptions, image_index

    picture = path.parent / "a" / "0.img"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(pictures()[0])
    images = image_index(path, ImageOptions(3), n_threads=1)
    assert len(images) == len(images.targets) > 0
    assert all(one.is_relative_to(path.parent) for one in images.paths)
    images.load()


def read_parquet(path: Path) -> None:
    table = read_table(path)
    assert table.n_samples == len(table.X) > 0


READERS = {
    "pictures": (read_picture, pictures, "class/a.png", "PIL"),
    "indices": (read_index, index_files, "index.csv", "PIL"),
    "parquet": (read_parquet, tables, "a.parquet", "pyarrow"),
    "npz": (lambda path: read_npz(path, max_bytes=2**21), archives, "a.npz", "numpy"),
    "idx": (lambda path: read_idx(path, max_bytes=2**21), idx_files, "a.idx", "numpy"),
}


def law(name: str, n_cases: int):
    """Make a test of a reader with as many files."""
    read, seeds, file_name, package = READERS[name]

    @pytest.mark.filterwarnings("ignore")  # Pillow warns of damage that it can read over
    def test(tmp_path):
        pytest.importorskip(package)
        path = tmp_path / file_name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(seeds()[0])
        read(path)  # imports what is imported once

        @settings(max_examples=n_cases, suppress_health_check=list(HealthCheck), deadline=None)
        @given(any_file(seeds))
        def check(content):
            path.write_bytes(content)
            start = time.process_time()
            message = ""
            try:
                read(path)
            except NettsError as error:
                message = str(error)
            assert len(message) < 2000
            assert time.process_time() - start < MAX_SECONDS

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        check()
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        assert grown < MAX_GROWTH_BYTES

    return test


test_any_picture_is_an_image_or_an_error_of_ours = law("pictures", 200)
test_any_index_is_images_or_an_error_of_ours = law("indices", 100)
test_any_parquet_file_is_a_table_or_an_error_of_ours = law("parquet", 200)
test_any_npz_file_is_arrays_or_an_error_of_ours = law("npz", 200)
test_any_idx_file_is_an_array_or_an_error_of_ours = law("idx", 200)

test_ten_thousand_pictures = pytest.mark.slow(law("pictures", 10_000))
test_ten_thousand_indices = pytest.mark.slow(law("indices", 10_000))
test_ten_thousand_parquet_files = pytest.mark.slow(law("parquet", 10_000))
test_ten_thousand_npz_files = pytest.mark.slow(law("npz", 10_000))
test_ten_thousand_idx_files = pytest.mark.slow(law("idx", 10_000))
