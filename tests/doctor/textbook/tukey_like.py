import torch


def loss(pred, true, c=4.685):
    r = ((pred - true) / c).clamp(-1, 1)
    return (c**2 / 6) * (1 - (1 - r**2) ** 3).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
