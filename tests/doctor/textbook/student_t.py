import torch


def loss(mu, y, nu=3.0):
    z = y - mu
    return (0.5 * (nu + 1) * torch.log1p(z * z / nu)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
