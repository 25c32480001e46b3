"""Drawings of ten kinds of objects, each in two or three views, for :mod:`objects`."""

import numpy as np

__all__ = ["DARK", "DRAWINGS", "LIGHT", "SECOND", "SHAPE"]

# Layers: the shape, parts of a second colour, dark parts (wheels, eyes, glass), light parts. Points are in units of
# half a canvas round its middle; most things look to the left, and half of all images are mirrored later.
SHAPE, SECOND, DARK, LIGHT = range(4)


def _at(place, x, y):
    """A point `x` to the right of a place and `y` below it."""
    return place[0] + x, place[1] + y


def _both(canvas, points, layer, *, value=255, smooth=1):
    """Fill a polygon on the shape and on another layer."""
    canvas.fill(points, SHAPE, 255, smooth)
    canvas.fill(points, layer, value, smooth)


def _wheel(canvas, x, y, radius):
    canvas.oval((x, y), (radius, radius))
    canvas.oval((x, y), (radius, radius), DARK)
    canvas.oval((x, y), (radius * 0.45, radius * 0.45), DARK, 60)


def _eyes(canvas, centre, apart, radius):
    for side in (-1, 1):
        canvas.oval((centre[0] + side * apart, centre[1]), (radius, radius), DARK)


def _airplane(canvas, rng):
    if rng.random() < 0.5:
        _airplane_side(canvas, rng)
    else:
        _airplane_above(canvas, rng)


def _airplane_side(canvas, rng):
    thick, nose = rng.uniform(0.07, 0.14), rng.uniform(0.85, 1.0)
    body = [(-nose, 0.02), (-0.8, -thick), (0.5, -thick), (0.95, -thick * 0.6), (0.9, 0), (0.4, thick), (-0.75, thick)]
    canvas.fill(body, smooth=2)
    fin = [(0.6, -thick * 0.7), (0.78, -rng.uniform(0.3, 0.5)), (0.97, -0.45), (0.92, -thick * 0.5)]
    _both(canvas, fin, SECOND, value=int(rng.uniform(100, 255)))
    sweep, reach = rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.5)
    canvas.fill([(-0.2, 0.02), (0.15, 0.02), (0.3 + sweep, reach), (0.15 + sweep, reach)], smooth=0)
    canvas.fill([(-0.2, 0.02), (0.15, 0.02), (0.3 + sweep, reach), (0.15 + sweep, reach)], LIGHT, 90, 0)
    canvas.fill([(0.0, -thick), (0.2, -thick), (0.35 + sweep, -reach * 0.5), (0.25 + sweep, -reach * 0.5)], smooth=0)
    canvas.oval((0.0, thick + 0.07), (0.12, 0.05))
    canvas.oval((-0.1, thick + 0.07), (0.03, 0.05), DARK)
    canvas.line([(-0.7, -0.02), (0.6, -0.02)], rng.choice([DARK, SECOND]), int(rng.uniform(60, 220)), 0.04)
    if rng.random() < 0.3:
        for x in (-0.6, 0.1):
            canvas.line([(x, thick), (x, thick + 0.2)], width=0.03)
            _wheel(canvas, x, thick + 0.2, 0.05)


def _airplane_above(canvas, rng):
    thick = rng.uniform(0.06, 0.13)
    canvas.fill([(-1, 0), (-0.8, -thick), (0.8, -thick * 0.7), (1, 0), (0.8, thick * 0.7), (-0.8, thick)], smooth=2)
    sweep, chord, span = rng.uniform(-0.05, 0.6), rng.uniform(0.15, 0.5), rng.uniform(0.55, 1.0)
    for side in (-1, 1):
        wing = [(-0.3, 0), (-0.3 + chord, 0), (-0.2 + sweep + chord * 0.4, side * span), (-0.3 + sweep, side * span)]
        canvas.fill(wing, smooth=0)
        canvas.fill(wing, LIGHT, 60 if side > 0 else 0, 0)
        tail = [(0.65, 0), (0.9, 0), (0.95 + sweep * 0.3, side * span * 0.38), (0.8 + sweep * 0.3, side * span * 0.38)]
        _both(canvas, tail, SECOND, value=160, smooth=0)
        if rng.random() < 0.5:
            canvas.oval((-0.2 + sweep * 0.4, side * span * 0.4), (0.13, 0.05))
    canvas.oval((-0.75, 0), (0.08, thick * 0.6), DARK)


def _automobile(canvas, rng):
    if rng.random() < 0.55:
        _automobile_side(canvas, rng)
    else:
        _automobile_front(canvas, rng)


def _automobile_side(canvas, rng):
    roof, bonnet = rng.uniform(0.48, 0.72), rng.uniform(0.18, 0.3)
    front, back = rng.uniform(-0.62, -0.3), rng.uniform(0.5, 0.95)
    canvas.fill([(-1, 0.25), (-0.97, -0.02), (front, -bonnet + 0.08), (0.95, -bonnet + 0.1), (1, 0.25)], smooth=1)
    lean = rng.uniform(0.12, 0.3)
    cabin = [(front, -bonnet + 0.12), (front + lean, -roof), (back - lean * 0.7, -roof), (back, -bonnet + 0.12)]
    canvas.fill(cabin, smooth=1)
    glass = [
        (front + 0.1, -bonnet + 0.04),
        (front + lean + 0.03, -roof + 0.07),
        (back - lean * 0.75, -roof + 0.07),
        (back - 0.1, -bonnet + 0.04),
    ]
    canvas.fill(glass, DARK, int(rng.uniform(120, 235)), 0)
    pillar = (front + back) / 2
    canvas.line([(pillar, -roof), (pillar, -bonnet + 0.05)], DARK, 0, 0.05)
    canvas.line([(pillar, -bonnet + 0.05), (pillar, 0.2)], DARK, 120, 0.02)
    radius = rng.uniform(0.16, 0.22)
    for x in (rng.uniform(-0.68, -0.58), rng.uniform(0.55, 0.68)):
        _wheel(canvas, x, 0.27, radius)
    canvas.oval((-0.95, 0.03), (0.05, 0.05), LIGHT)
    canvas.oval((0.95, 0.03), (0.04, 0.06), SECOND)
    if rng.random() < 0.4:
        canvas.line([(-0.95, 0.1), (0.98, 0.1)], LIGHT, 160, 0.04)


def _automobile_front(canvas, rng):
    wide, roof = rng.uniform(0.75, 0.95), rng.uniform(0.45, 0.75)
    skew = rng.uniform(-0.15, 0.25)
    canvas.fill(
        [
            (-wide, 0.35),
            (-wide, -0.1),
            (-wide * 0.7, -0.2),
            (wide * 0.7 + skew, -0.2),
            (wide + skew, -0.1),
            (wide + skew, 0.35),
        ],
        smooth=1,
    )
    cabin = [(-wide * 0.75, -0.15), (-wide * 0.5, -roof), (wide * 0.5 + skew, -roof), (wide * 0.78 + skew, -0.15)]
    canvas.fill(cabin, smooth=1)
    canvas.fill(
        [(-wide * 0.6, -0.2), (-wide * 0.43, -roof + 0.1), (wide * 0.4, -roof + 0.1), (wide * 0.55, -0.2)],
        DARK,
        int(rng.uniform(120, 230)),
        0,
    )
    for side in (-1, 1):
        canvas.fill(
            [
                (side * wide * 0.95, 0.3),
                (side * wide * 0.65, 0.3),
                (side * wide * 0.65, 0.52),
                (side * wide * 0.95, 0.52),
            ],
            smooth=1,
        )
        canvas.fill(
            [
                (side * wide * 0.95, 0.3),
                (side * wide * 0.65, 0.3),
                (side * wide * 0.65, 0.52),
                (side * wide * 0.95, 0.52),
            ],
            DARK,
            255,
            1,
        )
        canvas.oval((side * wide * 0.76, 0.03), (0.12, rng.uniform(0.06, 0.12)), LIGHT)
    canvas.fill([(-0.4, 0.0), (0.4, 0.0), (0.36, 0.16), (-0.36, 0.16)], DARK, 200, 0)
    canvas.line([(-wide, 0.26), (wide + skew, 0.26)], LIGHT, 120, 0.05)
    if skew > 0.1:
        _wheel(canvas, wide + skew - 0.15, 0.38, 0.16)


def _bird(canvas, rng):
    kind = rng.random()
    if kind < 0.55:
        _bird_perched(canvas, rng)
    elif kind < 0.8:
        _bird_flying(canvas, rng)
    else:
        _bird_wading(canvas, rng)


def _bird_perched(canvas, rng):
    turn, long = rng.uniform(0.1, 0.9), rng.uniform(0.42, 0.58)
    thick = rng.uniform(0.24, 0.36)
    canvas.oval((0, 0), (long, thick), turn=turn)
    head = np.array([-np.cos(turn), -np.sin(turn)]) * long * 0.85
    size = rng.uniform(0.15, 0.22)
    canvas.oval(head, (size, size))
    beak = rng.uniform(0.1, 0.3)
    _both(
        canvas,
        [_at(head, -size * 0.6, -0.07), _at(head, -size - beak, 0.02), _at(head, -size * 0.6, 0.08)],
        SECOND,
        smooth=0,
    )
    tail = np.array([np.cos(turn), np.sin(turn)])
    root, reach = tail * long * 0.8, rng.uniform(0.35, 0.7)
    aside = np.array([-tail[1], tail[0]])
    canvas.fill(
        [root + aside * 0.1, root - aside * 0.1, root + tail * reach - aside * 0.1, root + tail * reach + aside * 0.08],
        smooth=0,
    )
    canvas.oval((0.08, -0.02), (long * 0.7, thick * 0.5), DARK, int(rng.uniform(50, 160)), turn)
    canvas.oval(head * 0.5 + (0.05, 0.15), (long * 0.5, thick * 0.5), LIGHT, int(rng.uniform(0, 200)), turn)
    canvas.oval(_at(head, -0.05, -0.03), (0.04, 0.04), DARK)
    for x in (-0.05, 0.1):
        canvas.line([(x, thick * 0.7), (x - 0.03, thick + rng.uniform(0.15, 0.3))], width=0.035)
        canvas.line([(x, thick + 0.05), (x - 0.03, thick + 0.25)], DARK, 180, 0.03)


def _bird_flying(canvas, rng):
    canvas.oval((0, 0), (0.42, 0.14), turn=rng.uniform(-0.2, 0.2))
    canvas.oval((-0.42, -0.04), (0.13, 0.11))
    _both(canvas, [(-0.5, -0.08), (-0.7, -0.01), (-0.5, 0.04)], SECOND, smooth=0)
    canvas.fill([(0.3, -0.05), (0.8, -0.15), (0.85, 0.1), (0.3, 0.06)], smooth=0)
    up, sweep = rng.uniform(-0.9, -0.3), rng.uniform(-0.1, 0.6)
    far = rng.choice([up, -up * 0.6])
    for tip, tone in ((up, 120), (far, 40)):
        wing = [(-0.25, 0), (sweep - 0.25, tip), (sweep + 0.1, tip * 0.95), (0.25, 0)]
        canvas.fill(wing, smooth=1)
        canvas.fill(wing, DARK, tone, 1)
    canvas.oval((-0.47, -0.07), (0.03, 0.03), DARK)


def _bird_wading(canvas, rng):
    canvas.oval((0.15, 0.0), (rng.uniform(0.32, 0.45), rng.uniform(0.2, 0.28)), turn=rng.uniform(-0.2, 0.3))
    height = rng.uniform(0.45, 0.8)
    neck = [(-0.15, -0.05), (-0.3, -0.3), (-0.2, -height + 0.1), (-0.3, -height)]
    canvas.line(neck, width=rng.uniform(0.07, 0.14))
    canvas.oval((-0.3, -height), (0.11, 0.09))
    _both(canvas, [(-0.36, -height - 0.05), (-0.62, -height + 0.03), (-0.36, -height + 0.05)], SECOND, smooth=0)
    canvas.oval((0.25, -0.02), (0.3, 0.13), DARK, 110)
    canvas.oval((-0.32, -height - 0.02), (0.03, 0.03), DARK)
    for x in (0.08, 0.22):
        canvas.line([(x, 0.2), (x + rng.uniform(-0.1, 0.1), 0.8)], width=0.05)
        canvas.line([(x, 0.25), (x, 0.8)], SECOND, 160, 0.04)


def _face(canvas, rng, *, pointed):
    """A cat's or a dog's head from the front."""
    wide, high = (
        (rng.uniform(0.6, 0.75), rng.uniform(0.5, 0.62))
        if pointed
        else (rng.uniform(0.48, 0.68), rng.uniform(0.55, 0.75))
    )
    ear = rng.uniform(0.35, 0.6)
    drooping = not pointed and rng.random() < 0.65
    for side in (-1, 1):
        if drooping:
            canvas.oval((side * wide * 0.98, 0.05), (0.17, ear), turn=-side * 0.15)
            canvas.oval((side * wide * 0.98, 0.05), (0.15, ear * 0.9), DARK, int(rng.uniform(60, 170)), -side * 0.15)
        else:
            tip = (side * wide * rng.uniform(0.85, 1.1), -high - ear * 0.75)
            canvas.fill([(side * wide * 0.95, -high * 0.3), tip, (side * wide * 0.2, -high * 0.85)], smooth=0)
            canvas.fill([(side * wide * 0.8, -high * 0.5), tip, (side * wide * 0.4, -high * 0.8)], SECOND, 130, 0)
    canvas.oval((0, 0), (wide, high))
    _eyes(canvas, (0, -0.1), wide * 0.42, rng.uniform(0.07, 0.11))
    if pointed:
        canvas.oval((0, 0.2), (0.3, 0.2), LIGHT, int(rng.uniform(0, 220)))
        canvas.fill([(-0.07, 0.1), (0.07, 0.1), (0, 0.18)], SECOND, 255, 0)
        for side in (-1, 1):
            canvas.line([(side * 0.2, 0.22), (side * 0.75, 0.16)], LIGHT, 200, 0.02)
        for x in (-0.2, 0, 0.2):
            canvas.line([(x, -high * 0.9), (x, -high * 0.55)], DARK, int(rng.uniform(0, 140)), 0.05)
    else:
        canvas.oval((0, 0.3), (0.3, rng.uniform(0.25, 0.4)))
        canvas.oval((0, 0.3), (0.28, 0.26), LIGHT, int(rng.uniform(0, 200)))
        canvas.oval((0, 0.17), (0.13, 0.1), DARK)
        canvas.line([(0, 0.25), (0, 0.42)], DARK, 200, 0.03)
        if rng.random() < 0.3:
            canvas.oval((0.03, 0.55), (0.09, 0.14))
            canvas.oval((0.03, 0.55), (0.09, 0.14), SECOND)


def _sitting(canvas, rng, *, pointed):
    """A cat or a dog that sits, from the front or half aside."""
    wide = rng.uniform(0.3, 0.42) if pointed else rng.uniform(0.28, 0.4)
    canvas.fill([(-wide * 0.6, -0.35), (wide * 0.6, -0.35), (wide * 1.25, 0.85), (-wide * 1.1, 0.85)], smooth=2)
    head, size = np.array([rng.uniform(-0.15, 0.05), -0.5]), rng.uniform(0.24, 0.32)
    canvas.oval(head, (size * (1.1 if pointed else 0.9), size))
    for side in (-1, 1):
        if pointed or rng.random() < 0.35:
            canvas.fill(
                [
                    _at(head, side * size, -0.05),
                    _at(head, side * size * 0.95, -size * 1.7),
                    _at(head, side * size * 0.1, -size * 0.8),
                ],
                smooth=0,
            )
        else:
            canvas.oval(_at(head, side * size * 0.95, 0.05), (0.09, size * 0.85))
            canvas.oval(_at(head, side * size * 0.95, 0.05), (0.08, size * 0.8), DARK, 110)
        canvas.line([(side * 0.12, 0.15), (side * 0.14, 0.85)], DARK, 110, 0.04)
    _eyes(canvas, _at(head, 0, -0.04), size * 0.42, 0.045)
    if not pointed:
        canvas.oval(_at(head, -0.03, size * 0.45), (size * 0.5, size * 0.45))
        canvas.oval(_at(head, -0.04, size * 0.4), (0.07, 0.06), DARK)
    canvas.oval((0, 0.15), (wide * 0.5, 0.35), LIGHT, int(rng.uniform(0, 220)))
    side = rng.choice([-1, 1])
    tail = [(side * wide, 0.75), (side * (wide + 0.3), 0.8), (side * (wide + 0.38), rng.uniform(0.2, 0.7))]
    canvas.line(tail, width=0.1 if pointed else 0.12)
    if pointed:
        for y in np.arange(0.0, 0.8, 0.18):
            canvas.line([(-wide * 0.8, y), (-wide * 0.3, y + 0.05)], DARK, int(rng.uniform(0, 120)), 0.06)


def _quadruped(canvas, rng, *, leg, leg_width, girth, neck, neck_width, neck_turn, head, snout, length=0.55):
    """Body, legs, neck and head of an animal seen from the side, looking left; returns the head's place."""
    step = rng.uniform(0, 0.2)
    for x, shift, tone in (
        (-length, -step, 0),
        (-length + 0.12, step, 90),
        (length, step, 0),
        (length - 0.12, -step, 90),
    ):
        knee = (x + shift * 0.6, girth * 0.5 + leg * 0.5)
        hoof = (x + shift, girth * 0.5 + leg)
        canvas.line([(x, 0.05), knee, hoof], width=leg_width)
        canvas.line([(x, girth), knee, hoof], DARK, tone, leg_width)
    canvas.fill(
        [
            (-length - 0.1, -girth),
            (0, -girth * 0.85),
            (length + 0.1, -girth),
            (length + 0.12, girth * 0.7),
            (0, girth),
            (-length - 0.08, girth * 0.8),
        ],
        smooth=2,
    )
    canvas.oval((0, girth * 0.55), (length, girth * 0.4), LIGHT, int(rng.uniform(0, 140)))
    base = np.array([-length, -girth * 0.5])
    top = base + neck * np.array([-np.cos(neck_turn), -np.sin(neck_turn)])
    across = np.array([np.sin(neck_turn), -np.cos(neck_turn)])
    canvas.fill(
        [
            _at(base, 0.15, -girth * 0.4),
            _at(base, -0.02, girth),
            top - across * neck_width * 0.6,
            top + across * neck_width * 0.6,
        ],
        smooth=1,
    )
    drop = rng.uniform(0.1, 0.6)
    nose = top + snout * np.array([-np.cos(drop), np.sin(drop)])
    canvas.oval(top, (head, head * 0.8))
    canvas.fill(
        [_at(top, 0, -head * 0.7), _at(nose, 0, -head * 0.35), _at(nose, -0.03, head * 0.3), _at(top, 0, head * 0.7)],
        smooth=1,
    )
    canvas.oval(nose, (head * 0.3, head * 0.25), DARK, 170)
    canvas.oval(_at(top, -head * 0.3, -head * 0.2), (0.035, 0.035), DARK)
    return top


def _cat(canvas, rng):
    kind = rng.random()
    if kind < 0.38:
        _face(canvas, rng, pointed=True)
    elif kind < 0.7:
        _sitting(canvas, rng, pointed=True)
    else:
        girth = rng.uniform(0.18, 0.25)
        top = _quadruped(
            canvas,
            rng,
            leg=rng.uniform(0.3, 0.42),
            leg_width=0.11,
            girth=girth,
            neck=rng.uniform(0.15, 0.25),
            neck_width=0.16,
            neck_turn=rng.uniform(0.4, 1.0),
            head=rng.uniform(0.18, 0.24),
            snout=0.12,
        )
        for x in (-0.12, 0.1):
            canvas.fill([_at(top, x - 0.07, -0.1), _at(top, x, -0.36), _at(top, x + 0.1, -0.1)], smooth=0)
        canvas.line([(0.6, -0.15), (0.85, -0.25), (0.9, -rng.uniform(0.3, 0.7))], width=0.08)
        for x in np.arange(-0.4, 0.5, 0.16):
            canvas.line([(x, -girth), (x + 0.03, 0.05)], DARK, int(rng.uniform(0, 130)), 0.05)


def _dog(canvas, rng):
    kind = rng.random()
    if kind < 0.34:
        _face(canvas, rng, pointed=False)
    elif kind < 0.58:
        _sitting(canvas, rng, pointed=False)
    else:
        top = _quadruped(
            canvas,
            rng,
            leg=rng.uniform(0.32, 0.58),
            leg_width=rng.uniform(0.1, 0.15),
            girth=rng.uniform(0.2, 0.3),
            neck=rng.uniform(0.22, 0.35),
            neck_width=0.22,
            neck_turn=rng.uniform(0.6, 1.2),
            head=rng.uniform(0.16, 0.22),
            snout=rng.uniform(0.22, 0.36),
        )
        if rng.random() < 0.6:
            canvas.oval(_at(top, 0.08, 0.1), (0.08, 0.18), turn=-0.3)
            canvas.oval(_at(top, 0.08, 0.1), (0.08, 0.18), DARK, 120, -0.3)
        else:
            canvas.fill([_at(top, -0.02, -0.1), _at(top, 0.08, -0.34), _at(top, 0.16, -0.05)], smooth=0)
        canvas.line([(0.6, -0.15), (0.78, -0.35), (0.75 + rng.uniform(0, 0.2), -0.55)], width=rng.uniform(0.07, 0.13))


def _deer(canvas, rng):
    top = _quadruped(
        canvas,
        rng,
        leg=rng.uniform(0.6, 0.8),
        leg_width=rng.uniform(0.06, 0.085),
        girth=rng.uniform(0.19, 0.26),
        neck=rng.uniform(0.4, 0.6),
        neck_width=rng.uniform(0.15, 0.2),
        neck_turn=rng.uniform(0.75, 1.35) if rng.random() < 0.85 else -0.4,
        head=rng.uniform(0.12, 0.15),
        snout=rng.uniform(0.18, 0.26),
        length=rng.uniform(0.42, 0.52),
    )
    for x in (0.02, 0.12):
        canvas.oval(_at(top, x, -0.13), (0.05, 0.12), turn=0.5)
    if rng.random() < 0.55:
        reach = rng.uniform(0.3, 0.6)
        for lean in (-0.25, 0.3):
            tip = _at(top, lean * 1.2, -0.12 - reach)
            canvas.line([_at(top, 0.03, -0.1), _at(top, lean, -0.12 - reach * 0.5), tip], width=0.045)
            canvas.line([_at(top, lean, -0.12 - reach * 0.5), _at(top, lean - 0.18, -0.15 - reach * 0.8)], width=0.04)
    canvas.fill([(0.5, -0.2), (0.62, -0.1), (0.55, 0.05)], smooth=0)
    canvas.fill([(0.48, -0.15), (0.6, -0.1), (0.52, 0.12)], LIGHT, 220, 0)
    if rng.random() < 0.35:
        for _ in range(9):
            canvas.oval((rng.uniform(-0.4, 0.4), rng.uniform(-0.15, 0.08)), (0.03, 0.03), LIGHT, 230)


def _horse(canvas, rng):
    girth, turn = rng.uniform(0.25, 0.32), rng.uniform(0.55, 1.1)
    if rng.random() < 0.15:
        turn = -0.5
    top = _quadruped(
        canvas,
        rng,
        leg=rng.uniform(0.58, 0.75),
        leg_width=rng.uniform(0.1, 0.13),
        girth=girth,
        neck=rng.uniform(0.42, 0.56),
        neck_width=rng.uniform(0.25, 0.32),
        neck_turn=turn,
        head=rng.uniform(0.14, 0.17),
        snout=rng.uniform(0.3, 0.4),
        length=rng.uniform(0.48, 0.58),
    )
    canvas.fill([_at(top, 0.05, -0.1), _at(top, 0.12, -0.24), _at(top, 0.17, -0.05)], smooth=0)
    mane = int(rng.uniform(80, 255))
    canvas.line([_at(top, 0.1, -0.06), (-0.42, -girth * 1.1)], width=0.1)
    canvas.line([_at(top, 0.1, -0.06), (-0.42, -girth * 1.1)], DARK, mane, 0.1)
    tail = [(0.6, -girth * 0.8), (0.78, -0.05), (0.76, rng.uniform(0.3, 0.6))]
    canvas.line(tail, width=0.12)
    canvas.line(tail, DARK, mane, 0.11)
    if rng.random() < 0.22:
        canvas.fill([(-0.15, -girth), (0.12, -girth), (0.1, -girth - 0.45), (-0.12, -girth - 0.45)], smooth=1)
        canvas.fill([(-0.15, -girth), (0.12, -girth), (0.1, -girth - 0.45), (-0.12, -girth - 0.45)], SECOND, 255, 1)
        canvas.oval((-0.02, -girth - 0.55), (0.1, 0.11))
        canvas.line([(0, -girth), (-0.05, 0.2)], SECOND, 200, 0.1)


def _frog(canvas, rng):
    wide, high = rng.uniform(0.5, 0.7), rng.uniform(0.3, 0.45)
    from_above = rng.random() < 0.35
    if from_above:
        wide, high = high, wide * 0.85
    canvas.oval((0, 0.05), (wide, high), turn=rng.uniform(-0.3, 0.3))
    spread = rng.uniform(0.2, 0.4)
    for side in (-1, 1):
        canvas.line(
            [
                (side * wide * 0.7, 0.15),
                (side * (wide + spread), 0.0),
                (side * (wide + 0.05), 0.42),
                (side * (wide + spread), 0.46),
            ],
            width=rng.uniform(0.13, 0.2),
        )
        canvas.line(
            [(side * wide * 0.45, 0.2), (side * wide * 0.55, 0.5), (side * (wide * 0.55 + 0.1), 0.52)], width=0.1
        )
        eye = (side * wide * (0.45 if not from_above else 0.6), 0.05 - high * 0.92)
        canvas.oval(eye, (0.13, 0.13))
        canvas.oval(eye, (0.075, 0.075), SECOND)
        canvas.oval(eye, (0.045, 0.06), DARK)
    if not from_above:
        canvas.line([(-wide * 0.75, 0.02), (0, 0.12), (wide * 0.75, 0.02)], DARK, 160, 0.035)
        canvas.oval((0, high * 0.75), (wide * 0.6, high * 0.35), LIGHT, int(rng.uniform(40, 230)))
    for _ in range(rng.integers(0, 12)):
        spot = rng.uniform(0.03, 0.09)
        canvas.oval(
            (rng.uniform(-wide, wide) * 0.8, rng.uniform(-high, high) * 0.8),
            (spot, spot),
            DARK,
            int(rng.uniform(60, 200)),
        )


def _ship(canvas, rng):
    kind = rng.random()
    left, right, low = rng.uniform(-1, -0.85), rng.uniform(0.8, 1), rng.uniform(0.3, 0.45)
    deck = rng.uniform(0.0, 0.15)
    hull = [
        (left, deck - 0.08),
        (right, deck),
        (right - rng.uniform(0.05, 0.2), low),
        (left + rng.uniform(0.15, 0.35), low),
    ]
    canvas.fill(hull, smooth=0)
    canvas.fill(
        [(left + 0.2, low - 0.12), (right - 0.1, low - 0.12), (right - 0.15, low), (left + 0.25, low)],
        SECOND,
        int(rng.uniform(60, 255)),
        0,
    )
    if kind < 0.3:
        mast, top = rng.uniform(-0.2, 0.2), rng.uniform(-1.1, -0.8)
        canvas.line([(mast, deck), (mast, top)], width=0.04)
        _both(
            canvas,
            [(mast + 0.05, deck - 0.1), (mast + 0.05, top), (mast + rng.uniform(0.4, 0.7), deck - 0.1)],
            LIGHT,
            value=220,
            smooth=0,
        )
        if rng.random() < 0.7:
            _both(
                canvas,
                [(mast - 0.05, deck - 0.1), (mast - 0.05, top + 0.15), (mast - rng.uniform(0.3, 0.6), deck - 0.1)],
                LIGHT,
                value=200,
                smooth=0,
            )
        return
    house = rng.uniform(-0.5, 0.3) if kind < 0.65 else 0.5
    wide, level = (rng.uniform(0.3, 0.5), deck) if kind < 0.65 else (0.25, deck)
    for storey in range(rng.integers(1, 4)):
        half, up = wide * (1 - 0.2 * storey), rng.uniform(0.14, 0.22)
        _both(
            canvas,
            [(house - half, level), (house + half, level), (house + half, level - up), (house - half, level - up)],
            LIGHT,
            value=190,
            smooth=0,
        )
        canvas.line([(house - half * 0.85, level - up / 2), (house + half * 0.85, level - up / 2)], DARK, 190, 0.05)
        level -= up
    canvas.line([(house, level), (house, level - rng.uniform(0.2, 0.5))], width=0.05)
    if rng.random() < 0.5:
        _both(
            canvas,
            [(house + 0.1, level), (house + 0.28, level), (house + 0.25, level - 0.25), (house + 0.12, level - 0.25)],
            SECOND,
            smooth=0,
        )
    if kind >= 0.65:
        for x in np.arange(left + 0.2, 0.2, 0.2):
            stack = deck - rng.choice([0.15, 0.3, 0.4])
            canvas.fill([(x, deck), (x + 0.18, deck), (x + 0.18, stack), (x, stack)], smooth=0)
            canvas.fill(
                [(x, deck), (x + 0.18, deck), (x + 0.18, stack), (x, stack)],
                rng.choice([SECOND, DARK]),
                int(rng.uniform(0, 255)),
                0,
            )


def _truck(canvas, rng):
    if rng.random() < 0.65:
        _truck_side(canvas, rng)
    else:
        _truck_front(canvas, rng)


def _truck_side(canvas, rng):
    cab, roof = rng.uniform(-0.62, -0.4), rng.uniform(0.4, 0.7)
    nose = rng.uniform(0.0, 0.25) if rng.random() < 0.5 else 0.0
    canvas.fill(
        [(-0.95, 0.3), (-0.95, -0.02), (-0.93 + nose, -0.1), (-0.9 + nose, -roof), (cab, -roof), (cab, 0.3)], smooth=0
    )
    canvas.fill(
        [(-0.87 + nose, -0.12), (-0.84 + nose, -roof + 0.1), (cab - 0.08, -roof + 0.1), (cab - 0.08, -0.12)],
        DARK,
        int(rng.uniform(140, 235)),
        0,
    )
    canvas.fill([(-0.95, 0.32), (1, 0.32), (1, 0.18), (-0.95, 0.18)], smooth=0)
    canvas.fill([(cab, 0.3), (1, 0.3), (1, 0.2), (cab, 0.2)], DARK, 200, 0)
    load = rng.random()
    top = -rng.uniform(0.55, 0.85) if load < 0.55 else -rng.uniform(0.05, 0.2)
    box = [(cab + 0.06, 0.2), (cab + 0.06, top), (1, top), (1, 0.2)]
    canvas.fill(box, smooth=0)
    if load < 0.8:
        canvas.fill(box, rng.choice([SECOND, LIGHT]), int(rng.uniform(100, 255)), 0)
    else:
        canvas.oval(((cab + 1) / 2, -0.1), ((1 - cab) / 2, 0.32))
        canvas.oval(((cab + 1) / 2, -0.1), ((1 - cab) / 2, 0.32), LIGHT, 200)
    for x in np.arange(cab + 0.2, 1, rng.uniform(0.2, 0.5)):
        canvas.line([(x, top), (x, 0.2)], DARK, int(rng.uniform(0, 110)), 0.02)
    radius = rng.uniform(0.14, 0.19)
    for x in (-0.7, 0.65, *([0.65 - 2.2 * radius] if rng.random() < 0.6 else [])):
        _wheel(canvas, x, 0.34, radius)


def _truck_front(canvas, rng):
    wide, high, skew = rng.uniform(0.55, 0.7), rng.uniform(0.75, 1.0), rng.uniform(0, 0.6)
    if skew > 0.15:
        side = [(wide, -high), (wide + skew, -high * 0.85), (wide + skew, 0.35), (wide, 0.4)]
        _both(canvas, side, rng.choice([SECOND, LIGHT]), value=int(rng.uniform(80, 255)), smooth=0)
    canvas.fill([(-wide, 0.45), (-wide, -high), (wide, -high), (wide, 0.45)], smooth=0)
    pane = -high * rng.uniform(0.75, 0.9)
    canvas.fill(
        [(-wide * 0.88, -0.2), (-wide * 0.85, pane), (wide * 0.85, pane), (wide * 0.88, -0.2)],
        DARK,
        int(rng.uniform(130, 235)),
        0,
    )
    for y in np.arange(-0.08, 0.2, 0.08):
        canvas.line([(-wide * 0.5, y), (wide * 0.5, y)], DARK, 190, 0.035)
    canvas.line([(-wide, 0.34), (wide, 0.34)], LIGHT, 180, 0.1)
    for side in (-1, 1):
        canvas.oval((side * wide * 0.78, 0.14), (0.09, 0.09), LIGHT)
        canvas.line([(side * wide, -0.5), (side * (wide + 0.12), -0.5), (side * (wide + 0.12), -0.2)], width=0.06)
        canvas.fill(
            [(side * wide, 0.42), (side * wide * 0.6, 0.42), (side * wide * 0.6, 0.62), (side * wide, 0.62)], smooth=0
        )
        canvas.fill(
            [(side * wide, 0.42), (side * wide * 0.6, 0.42), (side * wide * 0.6, 0.62), (side * wide, 0.62)],
            DARK,
            255,
            0,
        )


DRAWINGS = (_airplane, _automobile, _bird, _cat, _deer, _dog, _frog, _horse, _ship, _truck)
"""One function a class, in label order: ``draw(canvas, rng)``."""
