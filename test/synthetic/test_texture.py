import numpy as np
import pytest

from depth_ros.synthetic import texture


@pytest.mark.parametrize("width", [0.05, 0.4, 1.0, 2.7])
def test_a_filtered_pulse_is_the_mean_over_the_footprint(width: float) -> None:
    at = np.linspace(-2.1, 3.3, 41).astype(np.float32)
    inside = np.linspace(-0.5, 0.5, 20001) * width
    frac = np.mod(at[:, None].astype(np.float64) + inside, 1)
    expected = ((frac >= 0.25) & (frac < 0.6)).mean(axis=1)
    found = texture._pulse(at, np.full(41, width, np.float32), 0.25, 0.6)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_filtered_band_is_the_mean_over_the_footprint() -> None:
    at = np.array([-1.0, -0.07, 0.0, 0.05, 0.5], np.float32)
    inside = np.linspace(-0.1, 0.1, 20001)
    expected = (np.abs(at[:, None] + inside) <= 0.07).mean(axis=1)
    found = texture._band(at, np.full(5, 0.2, np.float32), -0.07, 0.07)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_noise_has_unit_variance_is_periodic_and_fades() -> None:
    u, v = np.random.default_rng(0).uniform(-300, 300, (2, 100_000)).astype(np.float32)
    none = np.zeros_like(u)
    values = texture.noise(u, v, 1.0, none)
    assert abs(values.mean()) < 0.02
    assert 0.6 < values.std() < 1.05
    np.testing.assert_allclose(texture.noise(u + 256, v, 1.0, none), values, atol=0.05)
    assert texture.noise(u, v, 1.0, none + 20).std() < 0.02


def test_no_points_no_noise() -> None:
    empty = np.zeros(0, np.float32)
    assert len(texture.noise(empty, empty, 1.0, empty)) == 0
