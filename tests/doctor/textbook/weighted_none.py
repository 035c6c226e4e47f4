import torch


def loss(pred, true, sample_weight):
    return sample_weight * (pred - true).square().mean(1)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8, 4), torch.rand(8)
