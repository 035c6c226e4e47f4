import torch
import torch.nn.functional as F


def loss(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 1), torch.randn(8, 1)
