import torch
from torch import nn

trunk, first, second = nn.Linear(8, 8), nn.Linear(8, 2), nn.Linear(8, 2)
optimizer = torch.optim.SGD([*trunk.parameters(), *first.parameters(), *second.parameters()], 0.1)
for i in range(16):
    head = first if i % 2 else second
    loss = nn.functional.cross_entropy(head(trunk(torch.randn(8, 8))), torch.randint(0, 2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
