import torch
import torch.nn.functional as F
from torch import nn

encoder = nn.Linear(8, 4)
optimizer = torch.optim.Adam(encoder.parameters(), 1e-2)


def sup_con(z, labels):
    z = F.normalize(z, dim=1)
    sim = z @ z.T / 0.1
    same = labels.unsqueeze(1) == labels
    eye = torch.eye(len(z), dtype=torch.bool)
    log_p = sim - torch.logsumexp(sim.masked_fill(eye, -float("inf")), 1, keepdim=True)
    return -(log_p * (same & ~eye)).sum() / (same & ~eye).sum()


for _ in range(30):
    x, labels = torch.randn(16, 8), torch.randint(0, 3, (16,))
    optimizer.zero_grad()
    loss = sup_con(encoder(x), labels)
    loss.backward()
    optimizer.step()
