import torch
import torch.nn.functional as F


def loss(online, target):
    p = F.normalize(online, dim=1)
    z = F.normalize(target.detach(), dim=1)
    return (2 - 2 * (p * z).sum(1)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6)
