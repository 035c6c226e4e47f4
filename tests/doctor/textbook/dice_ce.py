import torch
import torch.nn.functional as F
from torch import nn


class DiceCE(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, labels):
        one_hot = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
        p = logits.softmax(1)
        inter = (p * one_hot).sum((0, 2, 3))
        total = p.sum((0, 2, 3)) + one_hot.sum((0, 2, 3))
        return F.cross_entropy(logits, labels) + 1 - ((2 * inter + self.smooth) / (total + self.smooth)).mean()


loss = DiceCE()


def example():
    torch.manual_seed(0)
    return torch.randn(2, 3, 6, 6), torch.randint(0, 3, (2, 6, 6))
