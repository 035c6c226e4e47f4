import math

import torch


def loss(pred, true, w=10.0, e=2.0):
    d = (pred - true).abs()
    c = w - w * math.log(1 + w / e)
    return torch.where(d < w, w * torch.log1p(d / e), d - c).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 10), torch.randn(8, 10)
