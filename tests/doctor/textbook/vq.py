import torch
import torch.nn.functional as F


def loss(z, codes, beta=0.25):
    return F.mse_loss(codes, z.detach()) + beta * F.mse_loss(z, codes.detach())


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6)
