import torch
from torch import nn


class Quantiles(nn.Module):
    def __init__(self, levels=(0.1, 0.5, 0.9)):
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels))

    def forward(self, outputs, target):
        error = target.unsqueeze(-1) - outputs
        return torch.max(self.levels * error, (self.levels - 1) * error).sum(-1).mean()


loss = Quantiles


def example():
    torch.manual_seed(0)
    return torch.randn(8, 3), torch.randn(8)
