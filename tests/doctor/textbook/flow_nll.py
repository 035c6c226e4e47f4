import torch


def loss(z, logdet):
    return (0.5 * z.square().sum(1) - logdet).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8)
