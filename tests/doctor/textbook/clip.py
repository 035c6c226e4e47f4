import torch
import torch.nn.functional as F
from torch import nn


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))

    def forward(self, image, text):
        scale = self.logit_scale.clamp(max=4.6).exp()
        logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).t()
        labels = torch.arange(len(logits))
        return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


loss = Clip


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6)
