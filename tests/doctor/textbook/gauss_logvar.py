import torch


def loss(mean, log_var, target):
    log_var = log_var.clamp(-10, 10)
    return 0.5 * (log_var + (target - mean) ** 2 * torch.exp(-log_var)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8), torch.randn(8)
