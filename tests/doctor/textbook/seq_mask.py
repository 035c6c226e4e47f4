import torch
import torch.nn.functional as F


def loss(logits, targets, lengths):
    mask = torch.arange(logits.shape[1]) < lengths[:, None]
    ce = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return (ce * mask).sum() / mask.sum().clamp(min=1)


def example():
    torch.manual_seed(0)
    return torch.randn(3, 6, 7), torch.randint(0, 7, (3, 6)), torch.tensor([6, 3, 4])
