from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from avmm.utils import ConfigError
from avmm.visualization.attention_overlay import (
    PUBLISHED_BLEND,
    colour_maps,
    colour_table,
    overlay,
    resize_frames,
    resize_maps,
    segment_frames,
    stretch_maps,
)


@pytest.mark.parametrize('frames', [160, 251, 297, 300])
def test_frames_of_segments_are_the_published_ones(frames):
    interval = frames // 10
    expected = [[int(np.floor(s * interval + (i / 16) * interval)) for i in range(16)] for s in range(10)]
    assert segment_frames(frames).tolist() == expected
    assert segment_frames(frames).max() < frames


def test_few_frames_repeat_and_too_few_are_refused():
    assert segment_frames(4, 2, 4).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    with pytest.raises(ConfigError, match='9 frames cannot be dealt to 10 segments'):
        segment_frames(9)
    with pytest.raises(ConfigError, match='must be at least 1, got 10 and 0'):
        segment_frames(20, 10, 0)


def test_maps_are_stretched_each_for_itself():
    maps = np.stack([np.array([[0.1, 0.2], [0.3, 0.5]]), np.full((2, 2), 0.25)])
    stretched = stretch_maps(torch.as_tensor(maps))
    np.testing.assert_allclose(stretched[0], [[0, 63.75], [127.5, 255]])
    assert stretched[1].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize('size', [(224, 224), (100, 131), (7, 7)])
def test_enlarged_as_by_opencv(size):
    maps = np.random.default_rng(0).random((2, 3, 7, 7))
    large = resize_maps(maps, size)
    assert large.shape == (2, 3, *size)
    np.testing.assert_allclose(large[1, 2], cv2.resize(maps[1, 2], size[::-1]), atol=1e-6)


def test_jet_is_that_of_opencv():
    expected = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET)[:, 0, ::-1]
    np.testing.assert_array_equal(colour_table('jet'), expected)
    assert colour_maps(np.array([[254.99, 0]]), 'jet').tolist() == [[expected[254].tolist(), expected[0].tolist()]]
    with pytest.raises(ConfigError, match="must be one of jet, viridis, inferno, got 'hot'"):
        colour_table('hot')


def test_published_blend_adds_a_fifth_of_the_heat():
    frames = np.full((1, 14, 14, 3), 100, np.uint8)
    maps = np.arange(49.0).reshape(1, 7, 7)
    heat = colour_maps(resize_maps(stretch_maps(maps), (14, 14)), 'jet')
    laid = overlay(frames, maps, 'jet', PUBLISHED_BLEND)
    np.testing.assert_array_equal(laid, np.rint(0.2 * heat + 0.6 * frames.astype(float)).astype(np.uint8))


def test_usual_blend_leaves_what_has_no_attention():
    frames = np.random.default_rng(0).integers(0, 256, (2, 14, 14, 3), dtype=np.uint8)
    maps = np.zeros((2, 7, 7))
    maps[0, 3, 3] = 1
    laid = overlay(frames, maps)
    assert (laid[1] == frames[1]).all() and (laid[0, :4] == frames[0, :4]).all()
    assert (laid[0, 6:8, 6:8] != frames[0, 6:8, 6:8]).any()
    with pytest.raises(ConfigError, match=r'do not fit: \(2, 14, 14, 3\) and \(1, 7, 7\)'):
        overlay(frames, maps[:1])


def test_frames_are_brought_to_a_size():
    frames = np.zeros((2, 20, 40, 3), np.uint8)
    frames[:, :, 20:] = 200
    small = resize_frames(frames, (10, 8))
    assert small.shape == (2, 10, 8, 3) and small[0, 5, 1, 0] == 0 and small[0, 5, 6, 0] == 200
