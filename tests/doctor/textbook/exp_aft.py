import torch


def loss(log_rate, time, event):
    return (log_rate.exp() * time - event * log_rate).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.rand(8) + 0.1, (torch.rand(8) > 0.3).float()
