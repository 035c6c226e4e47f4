import torch
from torch import nn


def residual(x, net):
    x = x.requires_grad_(True)
    u = net(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return du + u


torch.manual_seed(3)
net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def loss(u0, target):
    return (u0 - target).square().mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 1), torch.randn(8, 1)
