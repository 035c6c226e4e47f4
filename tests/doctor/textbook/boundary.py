import torch


def loss(logits, distance_map):
    return (logits.softmax(1)[:, 1:] * distance_map).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(2, 3, 6, 6), torch.randn(2, 2, 6, 6)
