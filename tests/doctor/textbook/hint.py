import torch
import torch.nn.functional as F
from torch import nn


class Hint(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.proj = nn.Linear(4, 6)

    def forward(self, student_feat, teacher_feat):
        return F.mse_loss(self.proj(student_feat), teacher_feat)


loss = Hint()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8, 6)
