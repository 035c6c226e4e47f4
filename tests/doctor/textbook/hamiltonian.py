import torch


def loss(q, p, energy0, m=1.0, k=2.0):
    e = p.square() / (2 * m) + 0.5 * k * q.square()
    return (e - energy0).abs().mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8), torch.rand(8)
