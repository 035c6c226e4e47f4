import torch
from torch import nn

net, a, b = nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(8, 2)
optimizer = torch.optim.Adam([*net.parameters(), *a.parameters(), *b.parameters()])
for _ in range(30):
    h = net(torch.randn(16, 8))
    first = nn.functional.mse_loss(a(h).flatten(), torch.randn(16))
    second = nn.functional.cross_entropy(b(h), torch.randint(0, 2, (16,)))
    optimizer.zero_grad()
    first.backward(retain_graph=True)
    second.backward()
    optimizer.step()
