import torch
import torch.nn.functional as F


def loss(scores, positives):
    pos = scores.gather(1, positives[:, None])
    return F.relu(1 - pos + scores).sum(1).log1p().mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randint(0, 6, (8,))
