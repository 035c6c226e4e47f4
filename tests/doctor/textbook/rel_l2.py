import torch


def loss(pred, true):
    diff = (pred - true).flatten(1).square().sum(1)
    return (diff / (true.flatten(1).square().sum(1) + 1e-2)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(4, 3, 5), torch.randn(4, 3, 5)
