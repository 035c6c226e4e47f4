import torch
import torch.nn.functional as F


def loss(x, y):
    window = torch.hann_window(16, dtype=x.dtype)
    X = torch.view_as_real(torch.stft(x, 16, 4, window=window, return_complex=True))
    Y = torch.view_as_real(torch.stft(y, 16, 4, window=window, return_complex=True))
    a = (X.square().sum(-1) + 1e-6).sqrt()
    b = (Y.square().sum(-1) + 1e-6).sqrt()
    return F.l1_loss(a, b)


def example():
    torch.manual_seed(0)
    return torch.randn(2, 64), torch.randn(2, 64)
