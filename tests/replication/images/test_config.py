import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.replication.images.config import DEFAULT_ROWS, make_images_config, parse_image_row
from vbpi_mix.replication.images.results import published_cifar_bpd, published_fid, published_mnist_nll


@pytest.mark.parametrize("word", ["s2a:1:20", "s2a:1:20:published", "a2a:4:4:semvae", "s2s:2:4:published:semvae"])
def test_words_come_back(word):
    assert parse_image_row(word).word == word


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("s2a:1", "ESTIMATOR:S:A"),
        ("s2a:1:20:other", "only published and semvae"),
        ("s2a:1:20:semvae:semvae", "only published and semvae"),
        ("a2a:1:5", "all 5 components"),
        ("s3a:1:5", "a2a, s2a, s2s"),
    ],
)
def test_bad_words(word, message):
    with pytest.raises(ConfigError, match=message):
        parse_image_row(word)


def test_the_published_scale_is_the_papers():
    config = make_images_config("mnist", scale="published")
    assert [row.word for row in config.rows] == list(DEFAULT_ROWS["grey", "published"])
    assert (config.scale.epochs, config.scale.warm_up, config.scale.learning_rate) == (2000, 100, 5e-4)
    assert config.title == "published: 28 x 28 pixels, 50,000 training images, 2,000 epochs"


def test_another_length_is_said():
    config = make_images_config("mnist", scale="published", epochs=200)
    assert (config.scale.epochs, config.scale.warm_up) == (200, 10)
    assert "not the published length" in config.title
    assert make_images_config("mnist", n_train=100).title.startswith("small: ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "huge"}, "small, published"),
        ({"epochs": 0}, "epochs .* 1"),
        ({"n_seeds": 0}, "seeds .* 1"),
        ({"n_test": 1}, "at least 2"),
        ({"rows": ["s2a:1:2", "S2A:1:2"]}, "given twice"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        make_images_config("mnist", **settings)


def test_separate_encoders_are_for_grey_images():
    with pytest.raises(ConfigError, match="mnist and fashion only"):
        make_images_config("cifar10", rows=["a2a:2:2:semvae"])


def test_published_values():
    assert published_mnist_nll(parse_image_row("s2a:1:800")) == 74.07
    assert published_mnist_nll(parse_image_row("s2s:20:50")) == 76.67
    assert published_mnist_nll(parse_image_row("s2a:1:3")) is None
    assert [published_fid(parse_image_row(w)) for w in ("s2a:1:4", "a2a:4:4", "s2s:1:4")] == [10.87, 9.7, None]
    assert published_cifar_bpd(parse_image_row("s2a:2:4")) == 3.19
