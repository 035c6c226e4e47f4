import torch


def loss(eta, y):
    return (eta + y * torch.exp(-eta)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.rand(8) + 0.5
