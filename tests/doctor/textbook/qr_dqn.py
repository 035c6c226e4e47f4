import torch


def loss(theta, target):
    n = theta.shape[1]
    tau = (torch.arange(n) + 0.5) / n
    u = target.detach()[:, None, :] - theta[:, :, None]
    huber = torch.where(u.abs() <= 1, 0.5 * u**2, u.abs() - 0.5)
    return ((tau[None, :, None] - (u < 0).to(theta.dtype)).abs() * huber).mean(2).sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randn(8, 5)
