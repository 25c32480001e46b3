import dataclasses
import json
import re

import pytest

from course_utils.datasets import catalog
from course_utils.datasets.catalog import CATALOG, Provenance
from course_utils.errors import ArgumentError

ENTRIES = list(CATALOG.values())


@pytest.mark.parametrize("item", ENTRIES, ids=list(CATALOG))
def test_an_entry_has_all_that_its_data_card_shows(item):
    assert CATALOG[item.name] is item
    assert item.title
    assert item.licence
    assert item.issues
    assert item.task in ("classification", "re-identification")
    assert len(item.shape) == 3
    assert item.citation or item.drawn
    assert (item.task == "classification") == bool(item.class_names)
    assert len(set(item.class_names)) == len(item.class_names)


@pytest.mark.parametrize("item", ENTRIES, ids=list(CATALOG))
def test_an_entry_with_files_says_where_they_are_and_what_they_are(item):
    assert bool(item.files) == bool(item.mirrors)
    for file in item.files:
        assert re.fullmatch("[0-9a-f]{32}", file.md5)
    for mirror in item.mirrors:
        assert re.fullmatch(r"https?://\S+/", mirror)
    for known in item.recognised:
        assert re.fullmatch("[0-9a-f]{64}", known.sha256)
        assert catalog.recognise(known.sha256) == (item, known)


def test_no_two_files_share_a_checksum():
    checksums = [file.md5 for item in ENTRIES for file in item.files]
    checksums += [known.sha256 for item in ENTRIES for known in item.recognised]
    assert len(set(checksums)) == len(checksums)


def test_every_data_set_has_a_generator():
    from course_utils.datasets import synthetic

    for item in ENTRIES:
        assert callable(getattr(synthetic, item.generator))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ArgumentError, match="name is 'imagenet'; it must be one of 'fashion_mnist', 'mnist'"):
        catalog.entry("imagenet")


PROVENANCE = Provenance(
    name="mnist",
    title="MNIST",
    kind="official",
    file="mnist",
    sha256="0123456789abcdef" * 4,
    licence="none stated",
    citation="LeCun et al. (1998)",
    caveat="a caveat",
)


def test_provenance_is_json():
    assert Provenance(**json.loads(json.dumps(dataclasses.asdict(PROVENANCE)))) == PROVENANCE


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_its_line_says_what_the_data_are(kind):
    line = dataclasses.replace(PROVENANCE, kind=kind).line()
    assert "\n" not in line
    assert line.startswith("MNIST, ")
    assert "mnist (sha256 0123456789ab)" in line
    assert "a caveat" in line
    assert "Licence: none stated." in line


def test_the_kinds_lines_differ():
    lines = {dataclasses.replace(PROVENANCE, kind=kind).line() for kind in catalog.KINDS}
    assert len(lines) == len(catalog.KINDS)


def test_synthetic_data_are_never_taken_for_the_real_thing():
    line = dataclasses.replace(PROVENANCE, kind="synthetic", file="", sha256="").line()
    assert "drawn by a program: no number here is the real data set's" in line
    assert "sha256" not in line


def test_a_kind_is_one_of_the_kinds():
    with pytest.raises(ArgumentError, match="kind is 'stolen'"):
        dataclasses.replace(PROVENANCE, kind="stolen")
