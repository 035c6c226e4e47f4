import torch
import torch.nn.functional as F


def loss(logits, y):
    p = logits.softmax(1).cumsum(1)
    q = F.one_hot(y, logits.shape[1]).cumsum(1)
    return F.cross_entropy(logits, y) + (p - q).square().sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
