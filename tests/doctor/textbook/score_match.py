import torch


def loss(score, noise, sigma):
    return (sigma[:, None] * score + noise).square().sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8, 4), torch.rand(8) + 0.1
