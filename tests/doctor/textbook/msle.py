import torch
import torch.nn.functional as F


def loss(pred, true):
    return F.mse_loss(torch.log1p(F.relu(pred)), torch.log1p(true))


def example():
    torch.manual_seed(0)
    return torch.rand(8) * 10, torch.rand(8) * 10
