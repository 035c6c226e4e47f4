import torch
import torch.nn.functional as F


def loss(recon, x, mu, logvar, free=0.1):
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    return F.mse_loss(recon, x) + kl.clamp(min=free).sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6), torch.randn(8, 2), torch.randn(8, 2)
