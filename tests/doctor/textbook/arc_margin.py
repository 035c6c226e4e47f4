import torch
import torch.nn.functional as F
from torch import nn


class CosMargin(nn.Module):
    def __init__(self, dim=6, classes=5, m=0.35, s=16.0):
        super().__init__()
        torch.manual_seed(1)
        self.weight = nn.Parameter(torch.randn(classes, dim))
        self.m, self.s = m, s

    def forward(self, features, labels):
        cosine = F.linear(F.normalize(features), F.normalize(self.weight))
        margin = torch.zeros_like(cosine).scatter_(1, labels[:, None], self.m)
        return F.cross_entropy(self.s * (cosine - margin), labels)


loss = CosMargin


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randint(0, 5, (8,))
