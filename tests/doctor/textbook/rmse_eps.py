import torch


def make(eps):
    def rmse(pred, true):
        return ((pred - true).square().mean() + eps).sqrt()

    return rmse


loss = make(1e-6)


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8)
