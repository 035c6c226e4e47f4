import torch
import torch.nn.functional as F


def loss(logits, labels, margin=-5.0):
    energy = -torch.logsumexp(logits, 1)
    return F.cross_entropy(logits, labels) + 0.1 * F.relu(energy - margin).pow(2).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
