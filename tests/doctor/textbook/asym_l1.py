import torch

loss = lambda yhat, y: torch.where(yhat > y, 3 * (yhat - y), y - yhat).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
