import torch


def loss(x, y, sigma=1.0):
    def k(a, b):
        return torch.exp(-(a[:, None] - b[None]).square().sum(-1) / (2 * sigma**2)).mean()

    return k(x, x) + k(y, y) - 2 * k(x, y)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 3), torch.randn(8, 3)
