import torch
import torch.nn.functional as F


def loss(x, y):
    sim = F.mse_loss(x, y)
    std_x = torch.sqrt(x.var(dim=0, unbiased=False) + 1e-4)
    std_y = torch.sqrt(y.var(dim=0, unbiased=False) + 1e-4)
    std = F.relu(1 - std_x).mean() + F.relu(1 - std_y).mean()
    return 25 * sim + 25 * std


def example():
    torch.manual_seed(0)
    return torch.randn(16, 6), torch.randn(16, 6)
