import torch
import torch.nn.functional as F


def loss(p1, p2, z1, z2):
    def d(p, z):
        return -F.cosine_similarity(p, z.detach(), dim=1).mean()

    return 0.5 * d(p1, z2) + 0.5 * d(p2, z1)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6), torch.randn(8, 6), torch.randn(8, 6)
