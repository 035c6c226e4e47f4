import torch


def loss(prediction, target, q=0.9):
    e = target - prediction
    return torch.maximum(q * e, (q - 1) * e).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
