import torch
from torch import nn


class Centre(nn.Module):
    def __init__(self, dim=5):
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))

    def forward(self, student, teacher):
        target = ((teacher - self.center) / 0.5).softmax(1).detach()
        with torch.no_grad():
            self.center.mul_(0.9).add_(teacher.mean(0), alpha=0.1)
        return -(target * (student / 0.5).log_softmax(1)).sum(1).mean()


loss = Centre


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randn(8, 5)
