"""PSNR and SSIM: the values of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from preceptor.maths.image_quality import psnr, similarity_map, ssim


@pytest.mark.parametrize("shape", [(40, 52), (24, 20, 18)])
@pytest.mark.parametrize("data_range", [255.0, 90.0])
def test_values_are_those_of_scikit_image(shape, data_range):
    generator = np.random.default_rng(0)
    truth = generator.normal(100, 30, shape)
    answer = 0.9 * truth + generator.normal(5, 12, shape)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": data_range}
    mean, everywhere = structural_similarity(truth, answer, full=True, **settings)
    assert ssim(truth, answer, data_range) == pytest.approx(mean, abs=1e-12)
    assert similarity_map(truth, answer, data_range) == pytest.approx(everywhere, abs=1e-12)
    expected = peak_signal_noise_ratio(truth, answer, data_range=data_range)
    assert psnr(truth, answer, data_range) == pytest.approx(expected, abs=1e-12)


def test_equal_images_and_images_without_room_for_a_window():
    image = np.arange(400.0).reshape(20, 20)
    assert ssim(image, image, 400) == pytest.approx(1) and psnr(image, image, 400) == float("inf")
    assert np.isnan(ssim(image[:10], image[:10], 400))
