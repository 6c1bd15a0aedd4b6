"""Configuration of the image benchmark: models, data and training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import Estimator
from vbpi_mix.images import Decoder
from vbpi_mix.replication.images.sets import ImageSet
from vbpi_mix.replication.rows import check_jobs, parse_row, row_words

Scale = Literal["small", "published"]
Model = Literal["misvae", "semvae"]


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """One model: MISVAE or SEMVAE, its decoder, an estimator, S components drawn per step, A in all."""

    model: Model
    decoder: Decoder
    estimator: Estimator
    n_sampled: int
    n_components: int

    @property
    def word(self) -> str:
        """Word for the row on the command line: s2a:1:20, s2a:1:20:published, a2a:4:4:semvae."""
        more = [word for word in (self.decoder, self.model) if word in ("published", "semvae")]
        return ":".join([self.estimator, str(self.n_sampled), str(self.n_components), *more])

    @property
    def label(self) -> str:
        """Label of the row in tables and pictures."""
        return f"{self.model.upper()} {self.estimator.upper()} S={self.n_sampled} A={self.n_components}"


def parse_image_row(word: str) -> ImageRow:
    """Read ESTIMATOR:S:A, with :published for the decoder with batch normalisation and :semvae for separate encoders.

    Raises:
        ConfigError: another form, or numbers that the estimator does not allow.
    """
    parts = word.strip().lower().split(":")
    base = parse_row(":".join(parts[:3]))
    more = parts[3:]
    if len(set(more)) != len(more) or not set(more) <= {"published", "semvae"}:
        raise ConfigError(f"row '{word}': after ESTIMATOR:S:A only published and semvae may follow, each once")
    return ImageRow(
        model="semvae" if "semvae" in more else "misvae",
        decoder="published" if "published" in more else "valid",
        estimator=base.estimator,
        n_sampled=base.n_sampled,
        n_components=base.n_components,
    )


@dataclass(frozen=True, kw_only=True)
class ImageScale:
    """Sizes of data, networks, training and evaluation.

    Arguments:
        side: pixels per side; images are averaged over blocks to it.
        n_latent: D.
        trunk_channels: number of channels of the encoder, see `images.MISVAE` and `images.ColourMISVAE`.
        channels, n_layers: of the decoder.
        n_train, n_test: images, taken from the beginning of a fixed random order.
        epochs, warm_up: in all, and those over which the weight of the KL term rises to 1.
        learning_rate, batch_size: of Adam.
        n_draws: per test image in all, for mixtures of every size.
        n_generated: images drawn for the Frechet distance and the picture.
    """

    side: int
    n_latent: int
    trunk_channels: tuple[int, ...] | int
    channels: int
    n_layers: int
    n_train: int
    n_test: int
    epochs: int
    warm_up: int
    learning_rate: float
    batch_size: int = 100
    n_draws: int = 200
    n_generated: int = 500


SCALES: dict[tuple[str, str], ImageScale] = {
    ("grey", "small"): ImageScale(
        side=14, n_latent=16, trunk_channels=(8, 8, 16, 16, 6), channels=16, n_layers=4,
        n_train=4_000, n_test=500, epochs=30, warm_up=10, learning_rate=2e-3,
    ),
    ("grey", "published"): ImageScale(
        side=28, n_latent=40, trunk_channels=(32, 32, 64, 64, 6), channels=64, n_layers=8,
        n_train=50_000, n_test=10_000, epochs=2_000, warm_up=100, learning_rate=5e-4, n_draws=5_000, n_generated=10_000,
    ),
    ("colour", "small"): ImageScale(
        side=8, n_latent=16, trunk_channels=8, channels=16, n_layers=3,
        n_train=4_000, n_test=500, epochs=30, warm_up=10, learning_rate=2e-3, n_draws=100, n_generated=200,
    ),
    ("colour", "published"): ImageScale(
        side=32, n_latent=128, trunk_channels=16, channels=128, n_layers=4,
        n_train=40_000, n_test=10_000, epochs=2_000, warm_up=500, learning_rate=1e-3, n_draws=1_000, n_generated=10_000,
    ),
}  # fmt: skip

_SMALL = ("a2a:1:1", "s2a:1:2", "s2a:1:5", "s2a:1:20", "s2a:1:100", "s2a:2:20", "s2s:2:20")
DEFAULT_ROWS: dict[tuple[str, str], tuple[str, ...]] = {
    ("grey", "small"): (*_SMALL, "a2a:1:1:published", "s2a:1:20:published", "a2a:2:2:semvae", "s2a:1:5:semvae"),
    # Tables 1 and 2
    ("grey", "published"): ("s2s:20:50", "s2a:1:200", "s2a:1:800", "s2a:1:4", "s2a:2:4", "s2a:3:4", "a2a:4:4"),
    ("colour", "small"): ("a2a:1:1", "s2a:1:4", "s2a:2:4", "s2s:2:4"),
    ("colour", "published"): ("s2s:2:4", "s2a:2:4"),  # Table 4
}


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    """Rows, seeds, data and sizes of one benchmark.

    Arguments:
        data: the set of images.
        rows: rows to train, each once per seed.
        seeds: seeds of start and training.
        scale: sizes.
        title: the scale in words, for tables and pictures.

    Raises:
        ConfigError: nothing to train, something twice, or rows that the data do not have.
    """

    data: ImageSet
    rows: tuple[ImageRow, ...]
    seeds: tuple[int, ...]
    scale: ImageScale
    title: str

    def __post_init__(self) -> None:
        check_jobs("image", [row.word for row in self.rows], self.seeds)
        if self.data == "cifar10" and any(row.model == "semvae" for row in self.rows):
            raise ConfigError("separate encoders (semvae) are for mnist and fashion only")

    @property
    def colour(self) -> bool:
        return self.data == "cifar10"

    def of_model(self, row: ImageRow, seed: int) -> dict[str, Any]:
        """Everything that one trained model depends on, besides the images themselves."""
        scale = asdict(self.scale)
        if not isinstance(self.scale.trunk_channels, int):
            scale["trunk_channels"] = list(self.scale.trunk_channels)
        return {"benchmark": "images", "data": self.data, **asdict(row), "seed": seed, **scale}


def make_images_config(
    data: ImageSet,
    *,
    scale: str = "small",
    rows: Sequence[str] = (),
    epochs: int | None = None,
    n_seeds: int = 1,
    first_seed: int = 1,
    n_train: int | None = None,
    n_test: int | None = None,
) -> ImagesConfig:
    """The settings of a scale, with what the user said in their place.

    Arguments:
        data: the set of images.
        scale: "small", for two processor cores, or "published", for a GPU or days.
        rows: words as `parse_image_row` reads them; none: a choice for the scale (`DEFAULT_ROWS`).
        epochs: number of epochs in place of the scale's; the warm-up keeps its share.
        n_seeds: number of seeds.
        first_seed: the first of them.
        n_train: training images, in place of the scale's.
        n_test: test images, in place of the scale's.

    Raises:
        ConfigError: an unknown word, or numbers out of range.
    """
    if scale not in get_args(Scale):
        raise ConfigError(f"unknown scale '{scale}': choose one of {', '.join(get_args(Scale))}")
    for name, value in (("epochs", epochs), ("seeds", n_seeds), ("train", n_train)):
        if value is not None and value < 1:
            raise ConfigError(f"the number of {name} must be at least 1, not {value}")
    if n_test is not None and n_test < 2:
        raise ConfigError(f"the number of test images must be at least 2, not {n_test}")
    key = ("colour" if data == "cifar10" else "grey", scale)
    sizes = SCALES[key]
    if epochs is not None:
        sizes = replace(sizes, epochs=epochs, warm_up=round(epochs * sizes.warm_up / sizes.epochs))
    sizes = replace(sizes, n_train=n_train or sizes.n_train, n_test=n_test or sizes.n_test)
    epochs_word = f"{sizes.epochs:,} epoch{'' if sizes.epochs == 1 else 's'}"
    length = f"{sizes.side} x {sizes.side} pixels, {sizes.n_train:,} training images, {epochs_word}"
    published = sizes == SCALES[key] and scale == "published"
    return ImagesConfig(
        data=data,
        rows=tuple(parse_image_row(word) for word in row_words(rows) or DEFAULT_ROWS[key]),
        seeds=tuple(range(first_seed, first_seed + n_seeds)),
        scale=sizes,
        title=f"{cast(str, scale)}{'' if published or scale == 'small' else ', not the published length'}: {length}",
    )
