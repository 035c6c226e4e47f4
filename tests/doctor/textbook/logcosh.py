import math

import torch
import torch.nn.functional as F


def loss(yhat, y):
    d = (yhat - y).abs()
    return (d + F.softplus(-2 * d) - math.log(2)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
