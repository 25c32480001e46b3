"""A canvas of several grey layers, on which garments and objects are cut out once and kept."""

import cv2
import numpy as np

__all__ = ["Canvas", "round_corners"]


class Canvas:
    """Grey layers of one drawing, layer 0 its shape.

    Parameters
    ----------
    side : int
        Height and width in pixels.
    origin : tuple of float
        Where the point (0, 0) lies, as shares of the side.
    unit : float
        Pixels a unit of length; x points to the right and y down.
    layers : int
        Number of layers.

    Examples
    --------
    >>> canvas = Canvas(side=40, origin=(0.5, 0.5), unit=10, layers=2)
    >>> canvas.fill([(-1, -1), (1, -1), (1, 1), (-1, 1)], smooth=0)
    >>> canvas.stored(4)[1:3, 1:3, 0].tolist()
    [[255, 255], [255, 255]]
    """

    def __init__(self, *, side, origin, unit, layers):
        self.layers = np.zeros((side, side, layers), dtype=np.uint8)
        self._origin = np.array(origin) * side
        self._unit = unit

    def _pixels(self, points):
        return np.round((np.asarray(points, dtype=float) * self._unit + self._origin) * 16).astype(np.int32)

    def _paint(self, layer, function, *args):
        plane = np.ascontiguousarray(self.layers[:, :, layer])
        function(plane, *args, lineType=cv2.LINE_AA, shift=4)
        self.layers[:, :, layer] = plane

    def fill(self, points, layer=0, value=255, smooth=2):
        """Fill a polygon, its corners cut `smooth` times."""
        self._paint(layer, cv2.fillPoly, [self._pixels(round_corners(points, smooth))], value)

    def line(self, points, layer=0, value=255, width=0.03):
        """Draw a line through points, `width` units wide."""
        thickness = max(1, round(width * self._unit))
        self._paint(layer, cv2.polylines, [self._pixels(points)], False, value, thickness)

    def oval(self, centre, radii, layer=0, value=255, turn=0.0):
        """Fill an ellipse turned by `turn` radians."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
        cos, sin = np.cos(turn), np.sin(turn)
        points = np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], axis=1)
        self.fill(points, layer, value, smooth=0)

    def mirror_fill(self, points, layer=0, value=255, smooth=2):
        """Fill a polygon and its mirror image left and right of x = 0."""
        points = np.asarray(points, dtype=float)
        self.fill(points, layer, value, smooth)
        self.fill(points * (-1, 1), layer, value, smooth)

    def mirror_line(self, points, layer=0, value=255, width=0.03):
        """Draw a line and its mirror image left and right of x = 0."""
        points = np.asarray(points, dtype=float)
        self.line(points, layer, value, width)
        self.line(points * (-1, 1), layer, value, width)

    def stored(self, size):
        """Crop to the shape, so that its longer side fills a square, and shrink the square to `size`."""
        left, top, width, height = cv2.boundingRect(self.layers[:, :, 0])
        side = max(width, height)
        square = np.zeros((side, side, self.layers.shape[2]), dtype=np.uint8)
        row, column = (side - height) // 2, (side - width) // 2
        square[row : row + height, column : column + width] = self.layers[top : top + height, left : left + width]
        return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def round_corners(points, rounds):
    """Round a closed polygon by Chaikin's corner cutting.

    Parameters
    ----------
    points : array_like, shape (k, 2)
        The polygon's corners.
    rounds : int
        How often each corner is cut; 0 leaves it sharp.

    Returns
    -------
    ndarray of float64, shape (k * 2**rounds, 2)

    Examples
    --------
    >>> round_corners([(0, 0), (4, 0), (0, 4)], 1)[:2].tolist()
    [[1.0, 0.0], [3.0, 0.0]]
    """
    points = np.asarray(points, dtype=float)
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        points = points.reshape(-1, 2)
    return points
