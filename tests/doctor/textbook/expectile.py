import torch

loss = lambda q, v: (torch.where(q > v, 0.7, 0.3) * (q - v) ** 2).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
