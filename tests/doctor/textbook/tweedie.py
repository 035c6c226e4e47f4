import torch


def loss(eta, y, p=1.5):
    return (torch.exp((2 - p) * eta) / (2 - p) - y * torch.exp((1 - p) * eta) / (1 - p)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.rand(8) * 3
