# fault: drowned-term
import torch
from torch import nn

net = nn.Linear(8, 3)
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
for step in range(10):
    out = net(torch.randn(16, 8))
    ce = nn.functional.cross_entropy(out, torch.randint(0, 3, (16,)))
    penalty = 1e7 * sum(p.pow(2).sum() for p in net.parameters())
    loss = ce + penalty  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
