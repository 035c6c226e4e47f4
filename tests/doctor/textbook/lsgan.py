import torch


def loss(real, fake):
    return 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 1), torch.randn(8, 1)
