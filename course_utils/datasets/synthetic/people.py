"""Pedestrians for re-identification: synthetic, articulated figures before several cameras.

Nobody was filmed for them. An identity is a body, hair, skin, clothes and perhaps a bag; a camera is a place, its
light and its colours; an image adds pose, viewpoint, framing, occlusion and blur.
"""

import functools
import types

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import check_identities, grain, keyed_rng, one_each, random_field

__all__ = ["pedestrians"]

_HEIGHT, _WIDTH = 128, 64
_TALL, _WIDE = 2 * _HEIGHT, 2 * _WIDTH
_SCENE_WIDTH = 224
_BATCH = 64

# What a pixel of the part map shows. Colours are looked up at the end.
_NOTHING, _SKIN, _HAIR, _TOP, _SLEEVE, _INNER, _BOTTOM, _LEG_FAR, _SHOES, _BAG, _STRAP, _HAT, _TOP_2 = range(13)

_CLOTHES = np.array(
    [
        (28, 28, 32), (30, 30, 38), (60, 62, 68), (120, 122, 126), (172, 172, 170), (225, 224, 220), (238, 236, 230),
        (28, 36, 72), (44, 62, 112), (60, 98, 160), (120, 160, 200), (150, 28, 34), (196, 44, 48), (110, 22, 40),
        (44, 84, 54), (88, 110, 58), (98, 98, 62), (196, 168, 128), (150, 112, 74), (92, 62, 42), (226, 190, 60),
        (216, 118, 40), (220, 140, 160), (120, 70, 130), (70, 150, 150),
    ]
)  # fmt: skip
_TROUSERS = np.array(
    [
        (26, 26, 30), (34, 34, 42), (58, 60, 66), (36, 48, 84), (52, 72, 116), (86, 112, 156), (130, 150, 180),
        (170, 146, 108), (112, 88, 62), (70, 74, 50), (120, 120, 122), (214, 212, 206),
    ]
)  # fmt: skip
_HAIRS = np.array(
    [(22, 18, 18), (44, 30, 22), (84, 56, 34), (134, 96, 56), (196, 164, 106), (150, 148, 146), (110, 50, 28)]
)
_SKINS = np.array([(240, 204, 180), (224, 178, 148), (196, 146, 110), (150, 104, 74), (104, 70, 50), (72, 48, 36)])


@functools.lru_cache(maxsize=8192)
def _looks(seed, identity):
    """Body, hair, clothes and bag of one identity: a pure function of the seed and the number."""
    rng = keyed_rng(seed, 1, identity)

    def pick(table, spread):
        return table[rng.integers(len(table))] + rng.normal(0, spread, 3)

    colours = np.zeros((13, 3))
    colours[_SKIN] = pick(_SKINS, 5)
    colours[_HAIR] = pick(_HAIRS, 5)
    colours[_TOP] = pick(_CLOTHES, 9)
    colours[_SLEEVE] = colours[_TOP] * 0.9 if rng.random() < 0.88 else pick(_CLOTHES, 9)
    colours[_TOP_2] = pick(_CLOTHES, 9)
    colours[_INNER] = pick(_CLOTHES, 9)
    colours[_BOTTOM] = pick(_TROUSERS if rng.random() < 0.8 else _CLOTHES, 8)
    colours[_LEG_FAR] = colours[_BOTTOM] * 0.8
    colours[_SHOES] = pick(_CLOTHES, 9)
    colours[_BAG] = pick(_CLOTHES, 9)
    colours[_STRAP] = colours[_BAG] * 0.7
    colours[_HAT] = pick(_CLOTHES, 9)
    top = rng.choice(["plain", "jacket", "coat"], p=[0.6, 0.28, 0.12])
    return types.SimpleNamespace(
        stature=rng.normal(1, 0.035),
        build=rng.normal(1, 0.11),
        leg_fit=rng.normal(1, 0.13),
        head=rng.normal(1, 0.06),
        hair=rng.choice(["short", "long", "bun", "bald", "cap", "hood"], p=[0.42, 0.28, 0.08, 0.06, 0.1, 0.06]),
        top=top,
        sleeve="long" if top != "plain" else rng.choice(["short", "long", "none"], p=[0.5, 0.42, 0.08]),
        top_end=rng.uniform(0.62, 0.72) if top == "coat" else rng.uniform(0.49, 0.56),
        bottom=rng.choice(["trousers", "shorts", "skirt"], p=[0.62, 0.22, 0.16]),
        pattern=rng.choice(
            ["plain", "hoops", "pinstripe", "checks", "yoke", "print"], p=[0.5, 0.14, 0.06, 0.1, 0.1, 0.1]
        ),
        period=rng.uniform(0.025, 0.07),
        bag=rng.choice(["none", "backpack", "handbag", "satchel"], p=[0.42, 0.24, 0.18, 0.16]),
        bag_side=int(rng.choice([-1, 1])),
        colours=np.clip(colours, 8, 248),
    )


@functools.lru_cache(maxsize=256)
def _camera(seed, number):
    """A place and how it is filmed: a pure function of the seed and the number."""
    rng = keyed_rng(seed, 2, number)
    cast = np.exp(rng.normal(0, 0.08, 3))
    return types.SimpleNamespace(
        scene=_scene(rng),
        gain=(cast / cast.mean() * rng.uniform(0.72, 1.12)).astype(np.float32),
        gamma=rng.uniform(0.8, 1.25),
        light=rng.normal(0, 0.2),
        haze=rng.uniform(0, 0.25),
        sharpness=rng.uniform(0.3, 1.3),
        noise=rng.uniform(1, 7),
        usual_yaw=rng.uniform(-np.pi, np.pi),
        lower_legs=rng.uniform(0.88, 1.04),
    )


def _scene(rng):
    """A street, a wall, a lawn: wall above, ground below, posts and windows; (128, 224, 3) uint8."""
    horizon = int(rng.uniform(0.2, 0.65) * _HEIGHT)
    scene = np.empty((_HEIGHT, _SCENE_WIDTH, 3), dtype=np.float32)
    wall = rng.uniform(50, 200) + rng.normal(0, 18, 3)
    ground = rng.uniform(60, 190) + rng.normal(0, 18, 3)
    if rng.random() < 0.25:
        ground = np.array((88, 118, 62)) + rng.normal(0, 14, 3)
    scene[:horizon], scene[horizon:] = wall, ground
    for _ in range(rng.integers(4, 12)):
        left, top = int(rng.uniform(-20, _SCENE_WIDTH)), int(rng.uniform(-10, horizon))
        right, bottom = left + int(rng.uniform(6, 50)), top + int(rng.uniform(10, 60))
        colour = np.clip(rng.uniform(20, 230) + rng.normal(0, 25, 3), 0, 255)
        cv2.rectangle(scene, (left, top), (right, min(bottom, horizon + 6)), colour.tolist(), -1)
    for _ in range(rng.integers(0, 9)):
        start = (int(rng.uniform(-60, _SCENE_WIDTH)), horizon)
        end = (start[0] + int(rng.normal(0, 90)), _HEIGHT)
        cv2.line(scene, start, end, (ground * rng.uniform(0.7, 1.25)).tolist(), int(rng.integers(1, 4)))
    for cells, strength in ((6, 10), (24, 8), (60, 7)):
        scene += strength * random_field(rng, 1, (_HEIGHT, _SCENE_WIDTH), cells)[0][..., None]
    scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.6, 1.8))
    return np.clip(scene, 0, 255).astype(np.uint8)


class _Figure:
    """Draws the part map of one person, 256 by 128. Points are in statures from the crown, x from the middle."""

    def __init__(self, parts, looks, pose):
        self.parts, self.looks, self.pose = parts, looks, pose
        self.unit = pose.unit * looks.stature
        self.origin = np.array([pose.centre, pose.top])
        self.shoulder = looks.build * (0.118 * pose.front + 0.078 * pose.side)
        self.hip = looks.build * (0.084 * pose.front + 0.07 * pose.side)

    def draw(self):
        looks, pose = self.looks, self.pose
        if looks.hair == "long" and pose.facing > 0:
            self._long_hair()
        if looks.bag == "backpack" and pose.facing > -0.5:
            self._backpack()
        if pose.side > 0.4:
            self._arm(-1)
        for leg in (-1, 1):
            self._leg(leg)
        self._skirt()
        self._torso()
        if pose.side <= 0.4:
            self._arm(-1)
        self._arm(1)
        self._head()
        if looks.hair == "long" and pose.facing <= 0:
            self._long_hair()
        if looks.bag == "backpack" and pose.facing <= -0.5:
            self._backpack()
        if looks.bag == "satchel":
            self._satchel()

    def _pixels(self, points):
        return np.int32(16 * (np.asarray(points) * self.unit + self.origin) + 0.5)

    def _fill(self, points, part):
        cv2.fillPoly(self.parts, [self._pixels(points)], int(part), cv2.LINE_8, 4)

    def _band(self, middle, top, top_half, bottom, bottom_half, part):
        """Fill between two heights: so far left and right of the middle at the top, so far at the bottom."""
        upper = [(middle - top_half, top), (middle + top_half, top)]
        lower = [(middle + bottom_half, bottom), (middle - bottom_half, bottom)]
        self._fill([*upper, *lower], part)

    def _oval(self, centre, radii, part):
        middle = np.round(self._pixels(centre) / 16).astype(int)
        axes = np.maximum(1, np.round(np.asarray(radii) * self.unit)).astype(int)
        cv2.ellipse(self.parts, middle.tolist(), axes.tolist(), 0, 0, 360, int(part), -1)

    def _limb(self, start, end, width, part):
        first, last = self._pixels([start, end])
        cv2.line(self.parts, first.tolist(), last.tolist(), int(part), max(1, round(width * self.unit)), cv2.LINE_8, 4)

    def _leg(self, which):
        looks, pose = self.looks, self.pose
        swing = which * pose.swing * np.sin(pose.phase) * (0.25 + 0.75 * pose.side)
        lift = max(0.0, np.cos(pose.phase) * which) * 0.5 * pose.side * pose.heading
        hip = np.array([which * 0.043 * looks.build * pose.front, 0.5])
        knee = hip + 0.235 * np.array([np.sin(swing), np.cos(swing)])
        bent = swing - lift
        ankle = knee + 0.225 * pose.lower_legs * np.array([np.sin(bent), np.cos(bent)])
        cloth = _LEG_FAR if which < 0 and pose.side > 0.4 else _BOTTOM
        thick = looks.build * looks.leg_fit
        toe = ankle + np.array([0.055 * pose.heading * pose.side + 0.014 * which * pose.front, 0.03])
        self._limb(ankle + np.array([0, 0.012]), toe, 0.042, _SHOES)
        bare = looks.bottom != "trousers"
        self._limb(hip, knee, 0.078 * (0.85 if bare else thick), _SKIN if looks.bottom == "skirt" else cloth)
        self._limb(knee, ankle, 0.045 if bare else 0.06 * thick, _SKIN if bare else cloth)
        if looks.bottom == "shorts":
            self._limb(hip, hip + 0.85 * (knee - hip), 0.085 * thick, cloth)

    def _skirt(self):
        if self.looks.bottom == "skirt":
            flare = self.hip * (1.05 + 0.35 * max(0.0, self.looks.leg_fit - 0.9))
            self._band(0, 0.47, self.hip, 0.7, flare * 1.25, _BOTTOM)
        else:
            self._band(0, 0.46, self.hip, 0.54, self.hip * 0.95, _BOTTOM)

    def _torso(self):
        looks, wide, hip, end = self.looks, self.shoulder, self.hip, self.looks.top_end
        waist = 0.82 * wide * (0.6 + 0.4 * looks.build)
        right = [
            (0.03, 0.135),
            (wide * 0.85, 0.16),
            (wide, 0.19),
            (waist, 0.36),
            (hip * 1.08, min(end, 0.5)),
            (hip * 1.12, end),
        ]
        self._fill([*right, *((-x, y) for x, y in reversed(right))], _TOP)
        self._pattern(wide, end)
        if looks.top != "plain" and self.pose.facing > 0.15:
            middle = self.pose.nose * wide * 0.7
            gap = 0.032 * self.pose.front
            self._band(middle, 0.14, gap, end, gap * 1.3, _INNER)

    def _pattern(self, wide, end):
        pattern, period = self.looks.pattern, self.looks.period
        if pattern in ("hoops", "checks"):
            for y in np.arange(0.2, end, period * 1.6):
                self._repaint(-wide, y, wide, y + period * 0.7)
        if pattern in ("pinstripe", "checks"):
            for x in np.arange(-wide, wide, period * 1.3):
                self._repaint(x, 0.14, x + period * 0.4, end)
        if pattern == "yoke":
            self._repaint(-wide, 0.13, wide, 0.2 + period)
        if pattern == "print" and self.pose.facing > 0:
            x = self.pose.nose * wide * 0.6
            half = 0.05 * self.pose.front + 0.01
            self._repaint(x - half, 0.22, x + half, 0.26 + period)

    def _repaint(self, *corners):
        """Give the second colour to that part of a rectangle (left, top, right, bottom) that shows the top."""
        left, top, right, bottom = np.clip(self._pixels(np.reshape(corners, (2, 2))) // 16, 0, (_WIDE, _TALL)).flat
        region = self.parts[top:bottom, left:right]
        region[region == _TOP] = _TOP_2

    def _arm(self, which):
        looks, pose = self.looks, self.pose
        swing = -which * pose.swing * np.sin(pose.phase) * 1.1 * pose.side + which * 0.11 * pose.front
        shoulder = np.array([which * self.shoulder * 0.88 * pose.front, 0.185])
        elbow = shoulder + 0.16 * np.array([np.sin(swing), np.cos(swing)])
        bent = swing + 0.3 * pose.heading * pose.side - 0.1 * which * pose.front
        wrist = elbow + 0.15 * np.array([np.sin(bent), np.cos(bent)])
        self._limb(shoulder, elbow, 0.05 * looks.build, _SKIN if looks.sleeve == "none" else _SLEEVE)
        self._limb(elbow, wrist, 0.04 * looks.build, _SLEEVE if looks.sleeve == "long" else _SKIN)
        self._oval(wrist + np.array([0, 0.012]), (0.017, 0.02), _SKIN)
        mirrored = 1 if pose.facing > 0 else -1
        if looks.bag == "handbag" and which == looks.bag_side * mirrored:
            x, y = wrist
            self._limb((x - 0.03, y + 0.06), (x, y), 0.012, _STRAP)
            self._limb((x + 0.03, y + 0.06), (x, y), 0.012, _STRAP)
            self._band(x, y + 0.055, 0.05, y + 0.15, 0.06, _BAG)

    def _backpack(self):
        pose, wide = self.pose, self.shoulder
        if pose.facing <= -0.5:
            half = wide * 0.78
            self._band(0, 0.17, half, 0.42, half * 1.05, _BAG)
            self._band(0, 0.3, half * 0.8, 0.39, half * 0.8, _STRAP)
        elif pose.side > 0.35:
            back = -pose.heading * wide
            self._fill([(0, 0.17), (back * 1.9, 0.19), (back * 2.0, 0.4), (0, 0.42)], _BAG)
        else:
            self._band(0, 0.2, wide * 1.02, 0.36, wide * 1.02, _BAG)

    def _satchel(self):
        side = self.looks.bag_side * (1 if self.pose.facing > 0 else -1)
        x = side * (self.hip + 0.03) * (0.4 + 0.6 * self.pose.front)
        self._limb((-side * self.shoulder * 0.6, 0.16), (x, 0.46), 0.014, _STRAP)
        self._band(x, 0.44, 0.055, 0.55, 0.055, _BAG)

    def _long_hair(self):
        half = 0.052 * self.looks.head
        back = -self.pose.heading * 0.015 * self.pose.side
        self._band(back, 0.05, half, 0.2, half * 0.95, _HAIR)

    def _head(self):
        looks, pose = self.looks, self.pose
        size = looks.head
        nose = pose.nose
        cover = {"bald": _SKIN, "hood": _TOP}.get(looks.hair, _HAIR)
        if pose.facing > -0.3:
            self._limb((0, 0.1), (0, 0.145), 0.05, _SKIN)
        self._oval((0, 0.062 * size), (0.047 * size, 0.06 * size), cover)
        if pose.facing > -0.35:
            open_face = np.clip(0.75 + 0.35 * pose.facing, 0.3, 1)
            self._oval((nose * 0.018, 0.074 * size), (0.04 * size * open_face, 0.047 * size), _SKIN)
            if looks.hair not in ("bald", "cap"):
                self._band(0, 0.035, 0.04 * size, 0.012, 0.03 * size, cover)
        if looks.hair == "cap":
            half = 0.05 * size
            self._band(0, 0.048, half, 0.005, half * 0.8, _HAT)
            if pose.facing > -0.3:
                self._limb((nose * 0.03, 0.047), (nose * 0.085, 0.05), 0.016, _HAT)
        if looks.hair == "bun":
            self._oval((-nose * 0.04, 0.005), (0.024, 0.022), _HAIR)


def _pose(rng, camera):
    """How and from where one figure is seen: yaw 0 faces the camera, pi turns the back to it."""
    usual = rng.random() < 0.5
    yaw = camera.usual_yaw + rng.normal(0, 0.35) if usual else rng.uniform(-np.pi, np.pi)
    sin, cos = np.sin(yaw), np.cos(yaw)
    return types.SimpleNamespace(
        nose=sin,
        facing=cos,
        front=abs(cos),
        side=abs(sin),
        heading=1.0 if sin >= 0 else -1.0,
        phase=rng.uniform(0, 2 * np.pi),
        swing=rng.uniform(0.15, 0.5),
        centre=_WIDE / 2 + rng.normal(0, 4),
        top=rng.normal(14, 4),
        unit=_TALL * rng.normal(0.87, 0.03),
        lower_legs=camera.lower_legs,
    )


def _paint(parts, colours):
    """Colour a part map and shrink it: figure (128, 64, 3) with black around, and its cover (128, 64) of 0 to 1."""
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[: len(colours), 0] = colours
    coloured = cv2.LUT(cv2.merge([parts, parts, parts]), table)
    figure = cv2.resize(coloured, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(np.minimum(parts, 1) * np.uint8(255), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    return figure, cover.astype(np.float32) / 255


def _occlude(image, cover, rng):
    """Put a post, a bin or a hedge before the figure, which then no longer covers that place."""
    colour = np.clip(rng.uniform(30, 200) + rng.normal(0, 30, 3), 0, 255).tolist()
    if rng.random() < 0.5:
        left, top, width = rng.uniform(-8, _WIDTH - 4), rng.uniform(-40, 50), rng.uniform(5, 20)
    else:
        left, top, width = rng.uniform(-30, 34), rng.uniform(0.6, 0.88) * _HEIGHT, rng.uniform(25, 70)
    corners = (int(left), int(top)), (int(left + width), _HEIGHT)
    cv2.rectangle(image, *corners, colour, -1)
    cv2.rectangle(cover, *corners, 0, -1)


def _snapshot(identity, number, seed, rng):
    """One person before one camera, in the light of the person's own colours; (128, 64, 3) float32 and the cover."""
    camera, looks = _camera(seed, number), _looks(seed, identity)
    left = rng.integers(0, _SCENE_WIDTH - _WIDTH)
    image = camera.scene[:, left : left + _WIDTH].astype(np.float32)
    pose = _pose(rng, camera)
    figures = [(looks, pose)]
    if rng.random() < 0.12:
        passer_by = _looks(seed, int(rng.integers(2**31, 2**32)))
        beside = _WIDE / 2 + rng.choice([-1, 1]) * rng.uniform(38, 70)
        other = _pose(rng, camera)
        other.centre = beside
        figures.insert(0, (passer_by, other))
    covers = np.zeros((_HEIGHT, _WIDTH), dtype=np.float32)
    for who, how in figures:
        parts = np.zeros((_TALL, _WIDE), dtype=np.uint8)
        _Figure(parts, who, how).draw()
        figure, cover = _paint(parts, who.colours)
        image = image * (1 - cover[..., None]) + figure
        covers = np.maximum(covers, cover)
    if rng.random() < 0.18:
        _occlude(image, covers, rng)
    return image, covers


def _film(images, covers, cameras, rng):
    """Light, cast, haze, blur and noise of each camera."""
    n = len(images)
    across = np.linspace(-1, 1, _WIDTH, dtype=np.float32)
    folds = 0.1 * random_field(rng, n, (_HEIGHT, _WIDTH), 12)
    shade = 1 + (one_each([camera.light for camera in cameras]) * across + folds) * covers
    lit = np.clip(images * shade[..., None], 0, 255).astype(np.uint8)
    filmed = np.empty(images.shape, dtype=np.float32)
    for image, result, camera in zip(lit, filmed, cameras, strict=True):
        response = _response(camera, np.exp(rng.normal(0, 0.12)))
        cv2.GaussianBlur(cv2.LUT(image, response), (0, 0), camera.sharpness * rng.uniform(0.6, 1.6), dst=result)
    noise = grain(rng, n, (_HEIGHT, _WIDTH), np.array([camera.noise for camera in cameras]))
    return filmed + noise[..., None]


def _response(camera, exposure):
    """What the camera makes of each level of red, green and blue: a (256, 1, 3) table."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    recorded = 255 * np.clip(levels * camera.gain * exposure, 0, 1) ** camera.gamma
    return (recorded + camera.haze * (150 - recorded)).astype(np.float32)


def pedestrians(ids, cameras, *, seed, rng):
    """Pedestrians before cameras, 128 by 64 as in Market-1501 (Zheng et al., 2015).

    Looks are a function of ``(seed, id)`` and a camera's place and light one of ``(seed, camera)``: the same
    identity can be drawn again at any time, alone or among others. Pose, viewpoint, framing, occlusion and blur come
    from `rng`.

    Parameters
    ----------
    ids, cameras : array_like of int, shape (n,)
        Identities and cameras, 0 or more.
    seed : int
        Which world: other seeds have other people and other places.
    rng : numpy.random.Generator
        Source of what changes from image to image.

    Returns
    -------
    ndarray of uint8, shape (n, 128, 64, 3)
        RGB.

    Examples
    --------
    >>> pedestrians([5, 5], [1, 2], seed=0, rng=np.random.default_rng(0)).shape
    (2, 128, 64, 3)
    """
    pairs, seed = check_identities(ids, "cameras", cameras, seed=seed, rng=rng)
    images = np.empty((len(pairs), _HEIGHT, _WIDTH, 3), dtype=np.uint8)
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        shots = [_snapshot(identity, camera, seed, rng) for identity, camera in batch]
        seen = [_camera(seed, camera) for _, camera in batch]
        filmed = _film(*(np.stack(arrays) for arrays in zip(*shots, strict=True)), seen, rng)
        images[start : start + _BATCH] = np.clip(filmed, 0, 255)
    return images
