import math

import torch
import torch.nn.functional as F


def loss(logits, wave):
    mu = logits.shape[1] - 1
    code = torch.sign(wave) * torch.log1p(mu * wave.abs().clamp(max=1)) / math.log1p(mu)
    return F.cross_entropy(logits, ((code + 1) / 2 * mu + 0.5).long())


def example():
    torch.manual_seed(0)
    return torch.randn(2, 16, 10), torch.rand(2, 10) * 2 - 1
