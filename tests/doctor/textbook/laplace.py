import torch
import torch.nn.functional as F
from torch import nn


class Laplace(nn.Module):
    def forward(self, loc, raw_scale, y):
        scale = F.softplus(raw_scale) + 1e-2
        return (torch.abs(y - loc) / scale + torch.log(2 * scale)).mean()


loss = Laplace()


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.randn(8), torch.randn(8)
