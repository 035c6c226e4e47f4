import torch

loss = lambda img: (img[..., 1:, :] - img[..., :-1, :]).abs().mean() + (img[..., 1:] - img[..., :-1]).abs().mean()


def example():
    torch.manual_seed(0)
    return (torch.rand(2, 3, 6, 6),)
