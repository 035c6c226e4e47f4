import torch
import torch.nn.functional as F


def loss(embeddings, labels, margin=0.3):
    d = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    hardest_positive = d.masked_fill(~same, 0.0).amax(1)
    hardest_negative = d.masked_fill(same, 1e9).amin(1)
    return F.relu(hardest_positive - hardest_negative + margin).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.arange(8) % 3
