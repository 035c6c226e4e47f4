import torch
from torch import nn


class Multi(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.s = nn.Parameter(torch.zeros(n))

    def forward(self, losses):
        return (torch.exp(-self.s) * torch.stack(losses) + self.s).sum()


loss = Multi


def example():
    torch.manual_seed(0)
    return ([torch.rand(()) + 0.1, torch.rand(()) + 0.1],)
