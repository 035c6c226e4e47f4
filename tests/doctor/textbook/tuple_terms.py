import torch
import torch.nn.functional as F


def loss(pred, true):
    mse, l1 = F.mse_loss(pred, true), F.l1_loss(pred, true)
    return mse + l1, {"mse": mse.item(), "l1": l1.item()}


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randn(8, 4)
