import torch


def loss(a, b):
    d = (a[:, :, None] - b[:, None]).square().sum(-1)
    return d.amin(2).mean() + d.amin(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(2, 6, 3), torch.randn(2, 5, 3)
