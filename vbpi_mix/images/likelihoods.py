"""Distributions of pixels given the decoder's output: exact log-densities and draws."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

N_LOGISTICS = 10
N_COLOUR_OUTPUTS = 10 * N_LOGISTICS  # mixture logits, and for each of three colours means, log-scales, coefficients
SMALLEST_LOG_SCALE = -7.0
_HALF_BIN = 1 / 255


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """(N,) log p(x) of binary images (N, 1, H, W).

    The published code adds 1e-8 inside logarithms of sigmoids; log-sigmoids need no such thing.
    """
    return logsigmoid((2 * x - 1) * logits).flatten(1).sum(dim=1)


def logistic_mixture_log_prob(x: Tensor, outputs: Tensor) -> Tensor:
    """(N,) log p(x) of colour images under mixtures of discretised logistics (Salimans et al. 2017).

        p(x_c = k / 255) = sum_i pi_i [s((k' + 1/255 - m_ic) / b_ic) - s((k' - 1/255 - m_ic) / b_ic)]

    with k' = 2 k / 255 - 1 and the logistic function s, the first term 1 at k = 255 and the second 0 at k = 0. The
    means of green and blue move with the colours before them. The difference is computed as s(u) s(-l) (1 - e^(l - u)),
    which loses no digits, so that no threshold and no approximation by a density is needed (the published code has
    both).

    Arguments:
        x: (N, 3, H, W) multiples of 1/255 in [0, 1].
        outputs: (N, 100, H, W) of the decoder.
    """
    log_weights, means, log_scales = _colour_parameters(x, outputs)
    scaled = (2 * x - 1).unsqueeze(2)
    inverse = torch.exp(-log_scales)
    upper = (scaled + _HALF_BIN - means) * inverse
    lower = (scaled - _HALF_BIN - means) * inverse
    between = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-2 * _HALF_BIN * inverse))
    pixel = x.unsqueeze(2)
    log_p = torch.where(
        pixel < 0.5 / 255, logsigmoid(upper), torch.where(pixel > 254.5 / 255, logsigmoid(-lower), between)
    )
    return torch.logsumexp(log_weights + log_p.sum(dim=1), dim=1).flatten(1).sum(dim=1)


def sample_logistic_mixture(outputs: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 3, H, W) multiples of 1/255, pixels independent given `outputs` (N, 100, H, W)."""
    n, _, height, width = outputs.shape
    device = outputs.device
    weights = torch.softmax(outputs[:, :N_LOGISTICS], dim=1).permute(0, 2, 3, 1).reshape(-1, N_LOGISTICS)
    chosen = torch.multinomial(weights.cpu(), 1, generator=generator).view(n, 1, 1, height, width).to(device)
    x = torch.zeros((n, 3, height, width)).to(outputs)
    for colour in range(3):
        _, means, log_scales = _colour_parameters(x, outputs)
        index = chosen.expand(n, 3, 1, height, width)
        mean, log_scale = (t.gather(2, index)[:, colour, 0] for t in (means, log_scales))
        u = torch.rand(mean.shape, generator=generator).to(outputs).clamp(1e-7, 1 - 1e-7)
        value = mean + torch.exp(log_scale) * torch.logit(u)
        x[:, colour] = torch.round(255 * (value.clamp(-1, 1) + 1) / 2) / 255
    return x


def _colour_parameters(x: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 10, H, W) log weights, and (N, 3, 10, H, W) means given the colours before, and log-scales."""
    log_weights = torch.log_softmax(outputs[:, :N_LOGISTICS], dim=1)
    rest = outputs[:, N_LOGISTICS:].unflatten(1, (3, 3 * N_LOGISTICS))
    means, log_scales, coefficients = rest.split(N_LOGISTICS, dim=2)
    coefficients = torch.tanh(coefficients)
    red, green = (2 * x - 1)[:, :2].unsqueeze(2).unbind(dim=1)
    means = torch.stack(
        [
            means[:, 0],
            means[:, 1] + coefficients[:, 0] * red,
            means[:, 2] + coefficients[:, 1] * red + coefficients[:, 2] * green,
        ],
        dim=1,
    )
    return log_weights, means, log_scales.clamp(min=SMALLEST_LOG_SCALE)
