import numpy as np
import pytest

from course_utils import results, training
from course_utils.errors import ArgumentError, CourseError


@pytest.fixture(autouse=True)
def _fresh_log():
    results._records.clear()
    yield
    results._records.clear()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ("text", "text"),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
    ],
)
def test_values_become_plain_python(value, plain):
    results.record("x", value)
    kept = results.recorded()["x"].value
    assert kept == plain
    assert type(kept) is type(plain)


@pytest.mark.parametrize("value", [float("nan"), np.inf, None, object(), [1.0, np.nan], {"a": 1}])
def test_values_that_no_page_can_show(value):
    with pytest.raises(ArgumentError, match="the value of x is"):
        results.record("x", value)
    assert "x" not in results.recorded()


@pytest.mark.parametrize("name", ["Test accuracy", "", "1st", None, "a-b"])
def test_names_are_identifiers(name):
    with pytest.raises(ArgumentError, match="must be lower-case letters"):
        results.record(name, 1)


def test_a_missing_interval_is_kept_as_missing():
    results.record("x", 1, low=float("nan"), high=None)
    assert results.recorded()["x"].context == {"low": None, "high": None}


def test_a_finding_says_what_was_found(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert "✔" in repr(results.finding("It works.", np.bool_(True)))
    assert "✘" in repr(results.finding("It works.", False, evidence="0 of 3"))
    assert "◌" in repr(results.finding("It works.", False, needs="full"))
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert "✘" in repr(results.finding("It works.", False, needs="full"))


def test_findings_are_escaped_in_html():
    shown = results.finding("a < b", True, evidence="<script>")._repr_html_()
    assert "a &lt; b" in shown
    assert "<script>" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", True), "must be a sentence"),
        (("x", 1), "must be True or False"),
        (("x", np.array([True])), "must be True"),
    ],
)
def test_findings_need_a_sentence_and_a_verdict(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        results.finding(*arguments)
    with pytest.raises(ArgumentError, match="one of 'quick', 'full'"):
        results.finding("x", True, needs="slow")


def test_a_check_that_fails_stops_the_notebook():
    assert repr(results.check("1 + 1 = 2.", np.bool_(True), evidence="a < b")) == "Checked: 1 + 1 = 2. a < b"
    assert "a &lt; b" in results.check("1 + 1 = 2.", True, evidence="a < b")._repr_html_()
    with pytest.raises(CourseError, match=r"this must hold, and does not: 1 \+ 1 = 3. 2"):
        results.check("1 + 1 = 3.", False, evidence="2")
    with pytest.raises(ArgumentError, match="must be True or False"):
        results.check("x", 1)


def test_the_old_names_warn_and_work():
    with pytest.warns(FutureWarning, match="results.claim is now course_utils.results.finding"):
        assert results.claim is results.finding
    with pytest.warns(FutureWarning, match="results.Claim is now"):
        assert results.Claim is results.Finding


def test_several_numbers_at_once_are_recorded_as_one_by_one():
    results.record(accuracy=np.float32(0.5), name="text", value=3, unit="s")
    assert {name: (each.value, each.unit) for name, each in results.recorded().items()} == {
        "accuracy": (0.5, "s"),
        "name": ("text", "s"),
        "value": (3, "s"),
    }
    with pytest.raises(ArgumentError, match="the value of y is nan"):
        results.record(y=float("nan"))
    with pytest.raises(ArgumentError, match="must be lower-case letters"):
        results.record(Accuracy=1)
    with pytest.raises(ArgumentError, match="must be lower-case letters"):
        results.record()


def test_every_reported_number_has_source_and_reason():
    chapters = results._reported_file()
    assert chapters
    for chapter in chapters.values():
        for row in chapter.values():
            assert set(row) <= {"value", "source", "reason", "proof", "unit"}
            assert row["source"][0] in "ABCDE"
            assert row["reason"]


def test_compare_leaves_out_what_was_not_measured():
    results.record("test_accuracy", 0.88)
    table = results.compare("02_fashion_mlp")
    assert list(table.index) == ["test accuracy"]
    assert table.loc["test accuracy", "difference"] == pytest.approx(0.88 - 0.8852)


def test_an_unknown_chapter():
    with pytest.raises(ArgumentError, match="must be one of '02_fashion_mlp'"):
        results.reported("99_none")


@pytest.fixture
def start_run(tmp_path, monkeypatch):
    """Begin a run, or the run after it, under a runner that keeps what is finished."""

    def start():
        monkeypatch.setenv("COURSE_UNFINISHED", str(tmp_path))
        monkeypatch.setattr(results, "_begun", set())

    return start


def test_a_name_stands_for_one_piece_of_work(start_run):
    assert [results.once("a", lambda: 1), results.once("a", lambda: 2)] == [1, 2]
    start_run()
    results.once("a", lambda: 1)
    with pytest.raises(ArgumentError, match="'a', which other work"):
        results.once("a", lambda: 2)


def test_a_network_comes_back_as_it_was_and_learns_on(tmp_path, start_run):
    from course_utils import models

    def train():
        training.set_seed(0)
        network = training.compile_one_cycle(models.compact_convnet((4,), input_shape=(8, 8, 1)), steps=4)
        network.fit(x, y, epochs=2, batch_size=10, verbose=0)
        return network

    start_run()
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 8, 8, 1), dtype=np.float32), rng.integers(0, 10, 20)
    first = results.once("network", train)
    start_run()
    again = results.once("network", lambda: pytest.fail("trained again"))
    assert again is not first
    np.testing.assert_array_equal(training.predictor(again)(x), training.predictor(first)(x))
    for network in (first, again):
        training.set_seed(1)
        network.fit(x, y, batch_size=10, verbose=0)
    np.testing.assert_array_equal(training.predictor(again)(x), training.predictor(first)(x))
    assert results.seconds_of_finished(tmp_path) > 0


def test_work_that_fails_leaves_nothing(tmp_path, start_run):
    start_run()
    with pytest.raises(ZeroDivisionError):
        results.once("a", lambda: 1 / 0)
    assert not list(tmp_path.iterdir())


def test_the_value_may_be_named():
    results.record("named", value=0.5, low=0.4)
    assert results.recorded()["named"].value == 0.5
