"""Drawings of plans: what they show, where it stands, and that they are plain, whole SVG."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from dense_kernels import dense, rectified
from fake_gpu import FakeGpu
from residency import arena

from netts import Network, TaskGraph, accelerate, constant, layers, parallel
from netts.errors import GraphError, ModelFileError, ParameterError
from netts.graph.description import Kind
from netts.graph.layout import Layout, size
from netts.graph.svg import PALETTES
from netts.network.propagation import Propagation

SVG = "{http://www.w3.org/2000/svg}"


@accelerate
def summed_rows(x, out):
    """Fills its output before it adds to it."""
    for i in parallel(out.shape[0]):
        out[i] = 0
        for j in range(x.shape[1]):
            out[i] += x[i, j]


@accelerate
def added(x, y, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] + y[i]


@accelerate
def sized(x, like):
    for i in parallel(like.shape[0]):
        x[i] = 1.0


def two_layers(name: str = "hidden") -> TaskGraph:
    graph = TaskGraph()
    hidden = graph.transient((4, 2), float, name)
    with graph.recording():
        dense(np.ones((4, 3)), np.ones((3, 2)), np.zeros(2), hidden)
        summed_rows(hidden, np.zeros(4))
    return graph


def lenet() -> TaskGraph:
    """A forward and a backward pass of LeNet-5: 30 tasks."""
    network = Network(
        [
            layers.Conv2D(6, 5, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(120, "relu"),
            layers.Dense(84, "relu"),
            layers.Dense(10),
        ]
    ).build((1, 28, 28))
    graph, gradients = TaskGraph(), network.parameters.like("gradients")
    propagation = Propagation(network, graph, 32, gradients=gradients)
    X, gradient = np.zeros((32, 784), np.float32), np.zeros((32, 10), np.float32)
    for name, rows in (("step", 32), ("step_last", 5)):
        with graph.recording(name):
            values = propagation.forward(*propagation.split(constant(X[:rows])))
            propagation.backward(values, constant(gradient[:rows]))
    return graph


def described_by(plan, recording="main"):
    """Return the description that a plan draws."""
    return plan._described(recording)


def elements(svg: str, tag: str):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}"))


def words(svg: str) -> list[str]:
    """Return the lines of text of a drawing."""
    return ["".join(one.itertext()) for one in elements(svg, "text")]


# ------------------------------------------------------------ what it shows


def test_a_drawing_tells_device_reason_tasks_lowering_and_memory():
    plan = two_layers().compile(device="cpu")
    text = words(plan.draw().svg)
    for line in (
        "plan on cpu: asked for",
        "transients: 1 in 64 bytes (64 side by side)",
        "recording 'main': 2 tasks, order from 1 read after write",
        "on cpu: 2 tasks, one compiled loop",
        "0 dense",
        "1 summed_rows",
        "x external, (4, 3) float64, 96 bytes",
        "hidden (4, 2) float64, 64 bytes",
    ):
        assert line in text
    assert sum(line.startswith("loops, one part, about ") for line in text) == 2
    assert text.index("0 dense") < text.index("1 summed_rows")


def test_fused_tasks_are_one_box_with_their_names_and_the_reference_has_them_apart():
    graph = TaskGraph()
    hidden = graph.transient((4, 2), float, "hidden")
    with graph.recording():
        dense(np.ones((4, 3)), np.ones((3, 2)), np.zeros(2), hidden)
        rectified(hidden, np.zeros((4, 2)))
    text = words(graph.compile(device="cpu").draw().svg)
    assert "0 dense + rectified" in text
    assert not any("hidden" in line for line in text)  # it is a number now
    text = words(graph.compile(device="reference").draw().svg)
    assert [line for line in text if line in {"0 dense", "1 rectified", "interpreted"}] == [
        "0 dense", "interpreted", "1 rectified", "interpreted",
    ]  # fmt: skip
    assert any(line.startswith("hidden (4, 2) float64") for line in text)


def test_a_use_says_whether_a_task_reads_what_was_there_and_what_it_writes():
    found = described_by(two_layers().compile(device="reference"))
    names = [one.name for one in found.memories]
    assert names == ["x", "weight", "bias", "hidden", "out"]
    first, second = (
        {names[use.memory]: (use.is_read, use.is_written) for use in node.uses}
        for node in found.nodes
    )
    read, written = (True, False), (False, True)
    assert first == {"x": read, "weight": read, "bias": read, "hidden": written}
    assert second == {"hidden": read, "out": written}  # it fills `out` before it adds to it
    assert found.nodes[1].order == ("read after write: 0",)


def test_arrays_that_overlap_are_one_memory_and_untouched_ones_are_none():
    x, other = np.arange(8.0), np.arange(8.0)
    _, (first, second) = arena(8, 8)
    graph = TaskGraph()
    with graph.recording():
        added(x[:4], other[:4], x[4:])
        added(x[2:6], first.array[:4], second)
        sized(x, np.zeros(8))
    found = described_by(graph.compile(device="reference"))
    assert [(one.name, one.lifetime.value, one.nbytes) for one in found.memories] == [
        ("x", "external", 64), ("y", "external", 32), ("arena", "variable", 128),
    ]  # fmt: skip
    assert [one.is_whole for one in found.memories] == [False, True, False]


def test_a_constant_has_the_name_of_its_parameter():
    graph = TaskGraph()
    with graph.recording():
        added(constant(np.ones(3)), constant(np.ones(3)), np.zeros(3))
    text = words(graph.compile(device="cpu").draw().svg)
    for name in ("x", "y"):
        assert f"{name} constant, (3,) float64, 24 bytes" in text


def test_rows_of_a_larger_transient_are_told_from_all_of_it():
    plan = lenet().compile(device="reference")
    text = words(plan.draw("step_last").svg)
    assert "output of layer 8 (5, 10) float32 of 1,280 bytes" not in text
    assert "output of layer 7 (5, 10) float32 of 1,280 bytes" in text
    assert "output of layer 7 (32, 10) float32, 1,280 bytes" in words(plan.draw("step").svg)


def test_all_recordings_are_drawn_unless_one_is_named():
    plan = lenet().compile(device="reference")
    headings = [line for line in words(plan.draw().svg) if line.startswith("recording ")]
    assert [line.split(":")[0] for line in headings] == [
        "recording 'step'", "recording 'step_last'",
    ]  # fmt: skip
    assert sum(line.startswith("recording ") for line in words(plan.draw("step").svg)) == 1
    with pytest.raises(GraphError, match="there is no recording 'main', only 'step', 'step_last'"):
        plan.draw("main")


def test_a_recording_of_nothing_is_drawn_beside_others():
    graph = two_layers()
    with graph.recording("idle"):
        pass
    text = words(graph.compile(device="cpu").draw().svg)
    assert "recording 'idle': 0 tasks, order from nothing" in text


def test_copies_stand_before_and_behind_the_tasks_of_a_device(fake_gpu: FakeGpu):
    _, (x, out) = arena(8, 8)
    graph = TaskGraph()
    with graph.recording():
        added(x, np.ones(8), out)
        added(out, constant(np.ones(8)), np.zeros(8))
    plan = graph.compile(device="cuda")
    found = described_by(plan)
    assert [node.kind for node in found.nodes] == [
        Kind.UPLOAD, Kind.UPLOAD, Kind.TASK, Kind.DOWNLOAD, Kind.DOWNLOAD,
    ]  # fmt: skip
    touched = [[found.memories[use.memory].name for use in node.uses] for node in found.nodes]
    assert touched[:2] == [["arena", "y"], ["y", "out"]]
    assert touched[3:] == [["arena"], ["out"]]
    text = words(plan.draw().svg)
    for line in (
        "upload before a run",
        "what the host has written since",
        "128 bytes of arrays that are not constant",
        "on cuda: 1 task, captured: from the second step on one graph of 1 launches",
        "download behind a run",
        "when it is read",
        "64 bytes of arrays that are written",
    ):
        assert line in text


def test_of_neighbours_only_what_is_written_comes_down(fake_gpu: FakeGpu):
    whole = np.arange(12.0)
    graph = TaskGraph()
    with graph.recording():
        added(whole[:4], whole[:4], whole[4:8])
        added(whole[:4], whole[5:9], whole[5:9])
    found = described_by(graph.compile(device="cuda"))
    names = [[found.memories[use.memory].name for use in node.uses] for node in found.nodes]
    assert (names[0], names[-1]) == (["x", "out"], ["out"])
    assert [one.nbytes for one in found.memories] == [32, 40]


# ------------------------------------------------------------ where it stands


def laid_out(plan, recording):
    return Layout(described_by(plan, recording), plan.device)


@pytest.fixture(params=["reference", "cuda"])
def layout(request, fake_gpu: FakeGpu):
    return laid_out(lenet().compile(device=request.param), "step")


def test_boxes_follow_one_another_and_memory_begins_where_it_is_written(layout):
    assert len(layout.rows) >= 20
    for one, other in itertools.pairwise(layout.rows):
        assert one.bottom < other.top
    for k, bar in layout.bars.items():
        (born,) = [row for row in layout.rows if k in row.born]
        assert born.top < bar.top < born.bottom
        assert bar.bottom >= max(y for row in layout.rows for y in row.touches(k))


def test_transients_that_live_at_once_do_not_overlap(layout):
    for one, other in itertools.combinations(layout.bars.values(), 2):
        is_apart = one.bottom < other.top or other.bottom < one.top
        is_beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert is_apart or is_beside


def test_memory_keeps_clear_of_the_boxes(layout):
    assert all(x < layout.box for x in layout.lanes.values())
    assert all(layout.box_end < bar.x < layout.labels for bar in layout.bars.values())
    assert layout.bars


@pytest.mark.parametrize(("make", "device"), [(lenet, "reference"), (two_layers, "cuda")])
def test_everything_lies_within_the_drawing(make, device, fake_gpu: FakeGpu):
    svg = make().compile(device=device).draw().svg
    root = ElementTree.fromstring(svg)
    wide, high = (float(root.attrib[name]) for name in ("width", "height"))
    assert wide < 1300
    for one in elements(svg, "text"):
        assert 0 < float(one.attrib["x"]) + 6.6 * len("".join(one.itertext())) <= wide
    down = 0.0
    for group in elements(svg, "g"):
        down = float(group.get("transform", f"translate(0 {down})")[13:-1])
        for rect in group.findall(f"{SVG}rect"):
            assert 0 <= float(rect.attrib["x"]) <= wide - float(rect.attrib["width"])
            assert down + float(rect.attrib["y"]) + float(rect.attrib["height"]) <= high


@pytest.mark.parametrize(
    ("nbytes", "expected"),
    [(0, "0 bytes"), (1, "1 byte"), (10_239, "10,239 bytes"), (10_240, "10 KiB"),
     (10 * 2**20 - 1, "10,240 KiB"), (10 * 2**20, "10 MiB"), (2**40, "1,048,576 MiB")],
)  # fmt: skip
def test_bytes_are_rounded_where_they_are_many(nbytes, expected):
    assert size(nbytes) == expected


def test_a_long_name_is_cut_off_and_not_left_out():
    text = words(two_layers("hidden" * 10).compile(device="reference").draw().svg)
    assert any(line.startswith(f"{'hidden' * 7}hid... (4, 2)") for line in text)


# ------------------------------------------------------------ plain, whole SVG


def test_the_same_program_gives_the_same_bytes():
    drawn = {two_layers().compile(device="cpu").draw().svg for _ in range(3)}
    assert len(drawn) == 1


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "\"&'>", "\0\x1b\x7f", "\ud800", "a\nb", "x" * 500, "\uffff"],
)
def test_names_are_text_whatever_they_are(name, tmp_path):
    drawing = two_layers(name).compile(device="reference").draw()
    drawing.save(tmp_path / "plan.svg")
    assert (tmp_path / "plan.svg").read_text(encoding="utf-8") == drawing.svg
    assert not elements(drawing.svg, "script")
    root = ElementTree.fromstring(drawing.svg)
    assert float(root.attrib["width"]) < 900
    if name.startswith("<"):
        assert any(line.startswith(name) for line in words(drawing.svg))


def test_a_drawing_needs_nothing_from_elsewhere():
    svg = lenet().compile(device="reference").draw().svg
    assert svg.count("http") == 1  # the name of SVG itself
    assert not re.search(
        r"<script|<image|<foreignObject|href|url\(|@import|@font-face| on\w+=", svg
    )
    assert "id=" not in svg  # two drawings in a page have nothing to share
    style = next(iter(elements(svg, "style"))).text
    rules = re.findall(r"^([^{}@]+)\{", style, re.MULTILINE)
    assert rules
    assert all(rule.strip().startswith(".netts-plan ") for rule in rules)


def test_a_notebook_is_given_the_drawing_and_a_shell_a_line():
    drawing = two_layers().compile(device="cpu").draw()
    assert drawing._repr_svg_() == drawing.svg
    assert repr(drawing) == "<drawing of a plan on cpu>"


def luminance(color: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("palette", PALETTES)
def test_colours_can_be_told_from_their_background(palette):
    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(palette[one]), luminance(palette[other])))
        return (high + 0.05) / (low + 0.05)

    for back, text in itertools.product(("page", "box"), ("ink", "muted")):
        assert contrast(text, back) >= 4.5  # WCAG 2.2, 1.4.3: text
    for line in ("edge", "constant", "variable", "transient", "external"):
        assert contrast(line, "page") >= 3  # 1.4.11: other than text


# ------------------------------------------------------------ files


def test_a_drawing_is_saved_whole_or_not_at_all(tmp_path):
    drawing = two_layers().compile(device="cpu").draw()
    path = tmp_path / "plan.svg"
    path.write_text("old")
    drawing.save(str(path))
    assert path.read_text(encoding="utf-8") == drawing.svg
    with pytest.raises(ParameterError, match=r"a name that ends in \.svg, not .*plan\.png"):
        drawing.save(tmp_path / "plan.png")
    with pytest.raises(ModelFileError, match="there is no directory"):
        drawing.save(tmp_path / "nowhere" / "plan.svg")
    assert [one.name for one in tmp_path.iterdir()] == ["plan.svg"]
