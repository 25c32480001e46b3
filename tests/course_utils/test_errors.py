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
    with pytest.raises(errors.ArgumentError, match="^n is .* integer of at least 1"):
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


def test_a_missing_extra_is_named_and_is_an_import_error(tmp_path, monkeypatch):
    assert errors.require("json", "course").__name__ == "json"
    with pytest.raises(
        errors.MissingExtraError, match=r"needs absent: pip install 'course-utils\[cluster\]'"
    ) as raised:
        errors.require("absent", "cluster")
    assert isinstance(raised.value, errors.CourseError)
    assert isinstance(raised.value, ImportError)
    # A fault inside an installed module is not hidden.
    (tmp_path / "broken_module.py").write_text("import absent_too\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_too") as raised:
        errors.require("broken_module", "course")
    assert not isinstance(raised.value, errors.CourseError)
