import torch
import torch.nn.functional as F
from torch import nn

trunk, a, b = nn.Linear(8, 16), nn.Linear(16, 3), nn.Linear(16, 1)
optimizer = torch.optim.Adam([*trunk.parameters(), *a.parameters(), *b.parameters()], 1e-3)
for _ in range(30):
    x, y, t = torch.randn(16, 8), torch.randint(0, 3, (16,)), torch.randn(16, 1) * 20
    h = trunk(x).relu()
    loss = F.cross_entropy(a(h), y) + 0.1 * F.mse_loss(b(h), t) + 1e-4 * sum(p.pow(2).sum() for p in trunk.parameters())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
