import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import exercises
from course_utils.errors import ArgumentError
from course_utils.exercises import check_answer, note, seal

LABEL = "ex-test"


def state(answer, expected, **options):
    return check_answer(LABEL, answer, seal(LABEL, expected, **options)).state


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (14, [14, 14.0, np.int64(14)], [15, 14.5, "14", (14,), None, print]),
        ((14, 14), [[14, 14], np.array([14, 14])], [(14, 13), 14, (14, 14, 14)]),
        (True, [True, np.True_], [False, 1, "True"]),
        ("Shirt", ["shirt", " SHIRT "], ["coat", 3]),
        (0.8852, [0.885, 0.8857, np.float32(0.8852)], [0.88, 0.9, float("nan"), "0.8852"]),
        ({"a": 1.5, "b": 2.5}, [[1.5, 2.5], pd.Series([1.5, 2.5])], [[2.5, 1.5], 1.5]),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), [[[1, 3], [2, 4]]], [[[1, 2], [3, 4]], [1, 3, 2, 4]]),
        ([["a", 1]], [[["A", 1]]], [[["a", 2]]]),
        ({3, 1, 2}, [{2, 3, 1}, [1, 2, 3]], [{1, 2}]),
    ],
)
def test_right_and_wrong(expected, right, wrong):
    assert [state(answer, expected) for answer in right] == ["right"] * len(right)
    assert [state(answer, expected) for answer in wrong] == ["wrong"] * len(wrong)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.floats(-1, 1), st.sampled_from([-1, 1]))
def test_within_the_tolerance_is_right_beyond_twice_is_wrong(value, tolerance, share, side):
    assert state(value + 0.999 * share * tolerance, value, tolerance=tolerance) == "right"
    assert state(value + side * 2.01 * tolerance, value, tolerance=tolerance) == "wrong"


def test_large_arrays_are_compared_as_a_whole():
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, size=(40, 50))
    assert state(picture + rng.normal(0, 0.01, picture.shape), picture) == "right"
    assert state(np.roll(picture, 1, axis=1), picture) == "wrong"
    assert state(picture + 3, picture) == "wrong"
    assert state(picture.T, picture) == "wrong"
    assert len(json.loads(seal(LABEL, picture))["digests"]) == 8


def test_no_answer_yet_says_what_is_wanted():
    verdict = check_answer(LABEL, ..., seal(LABEL, [1, 2, 3]))
    assert verdict.state == "open"
    assert repr(verdict) == "◌ ex-test: no answer yet. The answer must be 3 values, of the kind whole number."


def test_a_wrong_answer_names_what_the_check_was_made_from():
    verdict = check_answer(LABEL, 1, seal(LABEL, 2), made_from="The check was made with epochs=5 & more.")
    assert "epochs=5" in verdict.message
    assert "epochs=5 &amp; more" in verdict._repr_html_()


def test_the_key_does_not_hold_the_answer_and_depends_on_the_exercise():
    assert "1234567" not in seal(LABEL, 1234567)
    assert "shirt" not in seal(LABEL, "Shirt")
    assert check_answer("ex-other", 1234567, seal(LABEL, 1234567)).state == "wrong"


@pytest.mark.parametrize("value", [None, print, [], float("nan"), [[1], [1, 2]], 1j, [None, 1]])
def test_what_cannot_be_sealed(value):
    with pytest.raises(ArgumentError, match=r"value is a \w+; it must be a number"):
        seal(LABEL, value)


@pytest.mark.parametrize("tolerance", [0, -1, "wide"])
def test_wrong_tolerances(tolerance):
    for call in (lambda: seal(LABEL, 1.5, tolerance=tolerance), lambda: note(LABEL, "n", 3, tolerance=tolerance)):
        with pytest.raises(ArgumentError, match="tolerance is"):
            call()


@pytest.mark.parametrize("key", ["", "{}", None, "[1]"])
def test_wrong_keys(key):
    with pytest.raises(ArgumentError, match="it must be what `seal` returned"):
        check_answer(LABEL, 1, key)


def test_what_can_be_sealed_is_noted():
    assert note(LABEL, "n", 3) == seal(LABEL, 3)
    assert note(LABEL, "print", print) is None


def test_the_checks_of_older_student_editions_work():
    with pytest.warns(FutureWarning, match="exercises.check is now course_utils.exercises.check_answer"):
        assert exercises.check is check_answer
