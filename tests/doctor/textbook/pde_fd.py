import torch


def loss(u, f, h=0.1):
    lap = (u[..., 2:] - 2 * u[..., 1:-1] + u[..., :-2]) / h**2
    return (lap - f[..., 1:-1]).square().mean()


def example():
    torch.manual_seed(0)
    return torch.randn(4, 12), torch.randn(4, 12)
