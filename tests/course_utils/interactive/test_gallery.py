import base64
import re

import numpy as np
import pytest

from course_utils.errors import ArgumentError
from course_utils.interactive import ranked_galleries
from course_utils.retrieval import evaluate_retrieval

RNG = np.random.default_rng(0)
N_PROBES, N_GALLERY = 30, 40
PROBE_IDS = RNG.permutation(N_PROBES)
GALLERY_IDS = RNG.permutation(N_GALLERY) - 8  # some probes have no match, some gallery items no probe
PROBES = RNG.integers(0, 256, (N_PROBES, 12, 6, 3), "uint8")
GALLERY = RNG.integers(0, 256, (N_GALLERY, 12, 6, 3), "uint8")
PLACES = RNG.normal(size=(100, 6))
IDS = {"probe_ids": PROBE_IDS, "gallery_ids": GALLERY_IDS}


def features(noise):
    return tuple(PLACES[ids] + noise * RNG.normal(size=(len(ids), 6)) for ids in (PROBE_IDS, GALLERY_IDS))


FEATURES = {"good": features(0.3), "poor": features(1.5)}
RESULTS = {name: evaluate_retrieval(*pair, metric="cosine", **IDS) for name, pair in FEATURES.items()}


@pytest.fixture(scope="module")
def made():
    return ranked_galleries(FEATURES, PROBES, GALLERY, metric="cosine", **IDS)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"features": {}}, "features is empty"),
        ({"probe_images": PROBES[1:]}, "probe_images holds 29 pictures for 30 probe_ids"),
        ({"gallery_images": GALLERY[:, :-1]}, r"must be like those of the probes, \(12, 6, 3\)"),
        ({"k": 0}, "k is 0"),
        ({"metric": "l3"}, "metric is 'l3'"),
    ],
)
def test_bad_arguments_are_named(changed, told):
    arguments = {"features": FEATURES, "probe_images": PROBES, "gallery_images": GALLERY, **IDS} | changed
    with pytest.raises(ArgumentError, match=told):
        ranked_galleries(arguments.pop("features"), **arguments)


def test_what_the_protocol_leaves_out_is_not_shown():
    probe_cameras, gallery_cameras = np.zeros(N_PROBES, int), np.arange(N_GALLERY) % 2
    cameras = {"probe_cameras": probe_cameras, "gallery_cameras": gallery_cameras, "protocol": "cross_camera"}
    made = ranked_galleries(FEATURES, PROBES, GALLERY, k=N_GALLERY, **cameras, **IDS).data
    items = np.frombuffer(base64.b64decode(made["methods"][0]["items"]["base64"]), "<i4").reshape(N_PROBES, -1)
    for probe, shown in enumerate(items):
        own = np.flatnonzero((PROBE_IDS[probe] == GALLERY_IDS) & (gallery_cameras == 0))
        assert set(range(N_GALLERY)) - set(shown) == set(own)


# -- in a browser ----------------------------------------------------------------------------------------------


def ranks_said(page):
    return [each.removeprefix("at rank ") for each in page.locator("h4 strong").all_inner_texts()]


@pytest.mark.browser
def test_ranks_verdicts_and_distances_are_those_of_numpy(show, made):
    page = show(made).page
    for probe in (0, 7, 29):
        page.locator(".gallery-probes button").nth(probe).click()
        for row, (name, (own, others)) in enumerate(FEATURES.items()):
            units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (own, others)]
            distances = 1 - units[1] @ units[0][probe]
            order = np.argsort(distances)[:10]
            items = page.locator(".gallery-found").nth(row).locator("li")
            right = GALLERY_IDS[order] == PROBE_IDS[probe]
            marks = [text.split()[1] for text in items.all_inner_texts()]
            assert marks == ["✓" if each else "✗" for each in right]
            classes = items.evaluate_all("each => each.map(item => item.className)")
            assert classes == ["gallery-right" if each else "gallery-wrong" for each in right]
            said = [float(re.search(r"[\d.]+$", text)[0]) for text in items.all_inner_texts()]
            assert np.allclose(said, distances[order], rtol=0.06, atol=1e-3)
            rank = RESULTS[name].ranks[probe] + 1
            assert ranks_said(page)[row] == ("nowhere" if np.isnan(rank) else f"{rank:.0f}")


@pytest.mark.browser
def test_the_point_on_the_curve_is_the_share_found_at_the_rank(show, made):
    page = show(made).page
    for probe in range(0, N_PROBES, 5):
        page.locator(".gallery-probes button").nth(probe).click()
        lines = page.locator(".gallery-key li").all_inner_texts()
        known = 0
        for line, (name, result) in zip(lines, RESULTS.items(), strict=True):
            rank = result.ranks[probe]
            if np.isnan(rank):
                assert "never counts" in line
                continue
            known += 1
            share = 100 * result.cmc[int(rank)]
            assert (
                line.strip() == f"{name}: this probe counts from rank {rank + 1:.0f} on, where {share:.1f}% are found"
            )
        assert page.locator(".gallery-mark").count() == known


@pytest.mark.browser
def test_filters_leave_the_probes_that_they_name(show, made):
    page = show(made).page
    probes = page.locator(".gallery-probes button")
    assert probes.count() == N_PROBES
    page.get_by_label("Probes", exact=True).select_option(index=1)
    first = {name: result.ranks == 0 for name, result in RESULTS.items()}
    disagree = np.flatnonzero(first["good"] != first["poor"])
    numbers = probes.evaluate_all("all => all.map(each => parseInt(each.ariaLabel.match(/\\d+/)[0]))")
    assert numbers == (disagree + 1).tolist()
    assert page.locator(".gallery-asked strong").inner_text().strip() == f"Probe {disagree[0] + 1}."
    page.get_by_label("Method").select_option("poor")
    page.get_by_label("Probes", exact=True).select_option(index=2)
    numbers = probes.evaluate_all("all => all.map(each => parseInt(each.ariaLabel.match(/\\d+/)[0]))")
    ranks = np.nan_to_num(RESULTS["poor"].ranks, nan=np.inf)[np.array(numbers) - 1]
    assert (np.diff(ranks[np.isfinite(ranks)]) <= 0).all()
    assert np.isinf(ranks[0]) == np.isnan(RESULTS["poor"].ranks).any()


@pytest.mark.browser
def test_arrow_keys_walk_along_the_probes(show, made):
    page = show(made).page
    page.locator(".gallery-probes button").first.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.locator(".gallery-asked strong").inner_text().strip() == "Probe 3."
    assert page.locator('.gallery-probes button[aria-pressed="true"]').count() == 1


@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True])
def test_it_is_accessible_in_both_themes_and_fits(show, violations, made, phone):
    watched = show(made, phone=phone)
    watched.page.locator(".gallery-probes button").nth(2).click()
    assert violations(watched.page) == {"light": [], "dark": []}
    assert not phone or watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.problems == []
