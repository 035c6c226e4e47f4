import torch
import torch.nn.functional as F


def loss(logits, levels):
    return -(F.logsigmoid(logits) * levels + F.logsigmoid(-logits) * (1 - levels)).sum(1).mean()


def example():
    torch.manual_seed(0)
    levels = (torch.randint(0, 5, (8, 1)) > torch.arange(4)).float()
    return torch.randn(8, 4), levels
