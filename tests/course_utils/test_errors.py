import numpy as np
import pytest

from course_utils import errors


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_come_back_as_int(value):
    checked = errors.check_integer("n", value, minimum=1)
    assert checked == 3
    assert type(checked) is int


@pytest.mark.parametrize("value", [True, 2.0, "3", None, 0, np.array([1, 2])])
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(errors.ArgumentError, match="f: n is .* integer of at least 1"):
        errors.check_integer("n", value, minimum=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, 1.01, -0.01, 1j])
def test_numbers_are_finite_and_bounded(value):
    with pytest.raises(errors.ArgumentError, match="it must be a number from 0 to 1"):
        errors.check_number("p", value, minimum=0, maximum=1)


def test_an_unhashable_choice_is_an_argument_error():
    with pytest.raises(errors.ArgumentError, match="one of 'a', 'b'"):
        errors.check_choice("mode", ["a"], ["a", "b"])


def test_habits_of_valueerror_users_hold():
    assert issubclass(errors.ArgumentError, ValueError)
    assert issubclass(errors.DownloadError, errors.CourseError)
