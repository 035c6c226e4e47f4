import torch
import torch.nn.functional as F


def loss(x, y, c=0.95):
    f = lambda s: s[..., 1:] - c * s[..., :-1]
    return F.l1_loss(f(x), f(y))


def example():
    torch.manual_seed(0)
    return torch.randn(2, 32), torch.randn(2, 32)
