import torch
import torch.nn.functional as F


def loss(feat, style):
    g = lambda f: torch.einsum("bchw,bdhw->bcd", f, f) / f[0].numel()
    return F.mse_loss(g(feat), g(style))


def example():
    torch.manual_seed(0)
    return torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
