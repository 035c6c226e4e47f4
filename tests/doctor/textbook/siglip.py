import torch
import torch.nn.functional as F


def loss(img, txt, t=10.0, b=-10.0):
    logits = F.normalize(img, dim=1) @ F.normalize(txt, dim=1).t() * t + b
    labels = 2 * torch.eye(len(img)) - 1
    return -F.logsigmoid(labels * logits).sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6)
