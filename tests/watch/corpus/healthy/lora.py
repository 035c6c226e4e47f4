import torch
from torch import nn

base = nn.Linear(8, 8).requires_grad_(False)
A, B = nn.Parameter(torch.randn(8, 2) * 0.1), nn.Parameter(torch.zeros(2, 8))
optimizer = torch.optim.Adam([A, B], 1e-2)
for _ in range(30):
    x = torch.randn(16, 8)
    loss = ((base(x) + x @ A @ B - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
